"""Runs the notebooks of experiments/colab/ and puts their pictures into them.

  python experiments/maintenance/run_notebooks.py
  python experiments/maintenance/run_notebooks.py --notebooks=evaluate
  python experiments/maintenance/run_notebooks.py --repository=OWNER/twodasl_jax --notebooks=

Each notebook is run from top to bottom in a temporary folder, on this checkout. The pictures of cells that are tagged
keep-output stay in it, made small; all other outputs are left out. A notebook whose cell fails is left as it was.

--repository changes where the links of README.md and of all notebooks lead, "Open in Colab" among them: the one thing
to do when the project moves to another place on GitHub.
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

_NOTEBOOKS = flags.DEFINE_list("notebooks", list(notebooks.NAMES), "Which are run, by name.")
_REPOSITORY = flags.DEFINE_string(
    "repository", None, "OWNER/twodasl_jax on GitHub, where links shall lead."
)

_README = pathlib.Path(__file__).parents[2] / "README.md"


def main() -> None:
    unknown = sorted(set(_NOTEBOOKS.value) - set(notebooks.NAMES))
    if unknown:
        raise ConfigError(
            f"--notebooks={','.join(unknown)}: there are {', '.join(notebooks.NAMES)}."
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
    """Makes the links of the README and of all notebooks lead to a repository.

    Raises:
      ConfigError: that is no name of one.
    """
    if not notebooks.REPOSITORY.fullmatch(repository):
        raise ConfigError(f"--repository={repository} is no OWNER/twodasl_jax.")
    for path in (_README, *notebooks.FOLDER.glob("*.ipynb")):
        text = notebooks.link_to(repository, path.read_text("utf-8"))
        atomic_files.write_bytes(path, text.encode())


if __name__ == "__main__":
    entry_points.run(main)
