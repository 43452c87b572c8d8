"""Runs the notebooks of experiments/colab/ and stores their pictures in them.

  python experiments/maintenance/run_notebooks.py
  python experiments/maintenance/run_notebooks.py --notebooks=evaluate
  python experiments/maintenance/run_notebooks.py --repository=OWNER/twodasl_jax --notebooks=

Each notebook runs from top to bottom in a temporary folder, on this checkout. The pictures of cells tagged keep-output
are compressed and stored; all other outputs are removed. A notebook with a failing cell stays unchanged.

--repository changes the links in README.md and in all notebooks, including "Open in Colab", to another GitHub
repository. Use it when the project moves.
"""

import pathlib
import tempfile

import nbformat
import tqdm
from absl import flags

from experiments.colab import notebooks
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.files import atomic_files

_NOTEBOOKS = flags.DEFINE_list(
    "notebooks", list(notebooks.NAMES), "The names of the notebooks to run."
)
_REPOSITORY = flags.DEFINE_string(
    "repository", None, "The GitHub repository of all links, OWNER/twodasl_jax."
)

_README = pathlib.Path(__file__).parents[2] / "README.md"


def main() -> None:
    unknown = sorted(set(_NOTEBOOKS.value) - set(notebooks.NAMES))
    if unknown:
        raise ConfigError(
            f"--notebooks={','.join(unknown)}: known notebooks are {', '.join(notebooks.NAMES)}."
        )
    if _REPOSITORY.value:
        move_links(_REPOSITORY.value)
    for name in tqdm.tqdm(_NOTEBOOKS.value, unit="notebook", disable=None):
        notebook = notebooks.read(name)
        with tempfile.TemporaryDirectory() as folder:
            notebooks.run(notebook, pathlib.Path(folder))
        notebooks.keep_pictures(notebook)
        text = f"{nbformat.writes(notebook)}\n"
        atomic_files.write_bytes(notebooks.FOLDER / f"{name}.ipynb", text.encode())


def move_links(repository: str) -> None:
    """Changes the links in the README and in all notebooks to a repository.

    Raises:
      ConfigError: the name of the repository is invalid.
    """
    if not notebooks.REPOSITORY.fullmatch(repository):
        raise ConfigError(f"--repository={repository}: expected OWNER/twodasl_jax.")
    for path in (_README, *notebooks.FOLDER.glob("*.ipynb")):
        text = notebooks.link_to(repository, path.read_text("utf-8"))
        atomic_files.write_bytes(path, text.encode())


if __name__ == "__main__":
    entry_points.run(main)
