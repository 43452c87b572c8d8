"""The commands of the pages run, and so do their examples, from top to bottom, on made-up data of the published forms.

What is too much for a test is shortened or left out, each in one table with its reason.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers import stand_ins
from tests.helpers.markdown_pages import Command, steps
from tests.test_documentation import PAGES, QUICK, ROOT

pytestmark = pytest.mark.slow

# Pages that go on from what the pages before them have made.
CHAINS = {
    "training": (
        *("README.md", "docs/data_preparation.md", "docs/training.md", "docs/troubleshooting.md"),
        *("docs/performance.md", "docs/ablation.md"),
        *("twodasl_jax/assets/weights.md", "twodasl_jax/assets/open_weights.md"),
    ),
    "weights": ("docs/weights.md", "docs/evaluation.md"),
    "face models": ("docs/face_models.md", "twodasl_jax/assets/face_model.md"),
    "first steps": ("docs/start.md", "docs/outputs.md", "docs/videos.md", "docs/expressions.md"),
    "export": ("docs/export.md",),
}
# Pages without a command, whose examples, if there are any, run in tests/test_documentation.py.
SILENT = {"docs/README.md", "docs/method.md", "docs/coordinates.md"}

_TINY = ("--config.architecture=compact_half", "--config.largest_fit_error=9")
# What is added to commands that begin so, so that they take seconds.
SHORTER = {
    "python experiments/train.py": (
        *("--config.steps=1", "--config.batch_size=2", "--config.norm_groups=1", *_TINY),
    ),
    "python experiments/prepare_data.py --dataset=synthetic_faces": ("--count=60",),
    "python experiments/render_faces.py": ("--count=4",),
    "python experiments/benchmarks/scoring.py": ("--rounds=1",),
    "python experiments/maintenance/measure_smoothing.py": ("--heads=1",),
}
# What is not run, and why.
LEFT_OUT = {
    r"make ": "CI runs the targets themselves",
    r"pip install ": "the tests run in an environment that make has installed",
    r"ablat": "hours; tests/experiments/test_ablation.py runs a small study",
    r"--dataset=aflw|runs/default": "needs AFLW; tests/preparation/test_aflw.py has made-up faces of it",
    r"draw_outputs\.py": "half a minute; tests/rendering/test_renders.py and others draw every kind",
    r"kill_training\.py": "half an hour; tests/training/test_killed_runs.py kills a run a few times",
    r"benchmark(_training|_inference)?\.py": "minutes on a quiet machine, and PyTorch",
    r"compile_for_tpu\.py": "minutes, and the TPU's compiler",
    r"--coordinator_address|--cluster": "several machines; tests/training/test_processes.py has two processes",
    r"--camera=": "needs a camera; tests/videos/test_cameras.py makes one up",
    r"--compare=": "two reports; tests/experiments/test_evaluate.py compares them",
    r"render_scans\.py": "needs scans; tests/protocols/test_florence.py renders made-up ones",
    r"build_face_model\.py": "downloads a package; tests/experiments/test_build_face_model.py builds from made-up data",
    r"--weights=weights\.npz$": "weights of one step",
    r"evaluate\.py .*--weights=open|portrait\.jpg --weights=open": "tests/models/test_weights.py has the open weights",
    r"--workdir=runs/other|--landmarks=detected|synthetic_faces --count=20000|clip\.mp4$": (
        "like other commands of the same programs, with other settings that have tests of their own"
    ),
    r"configs/paper\.py": "half a minute of compiling; tests/training/ builds its config and takes its steps in small",
    r"data/(rendered|killed|open)|runs/open": "like other commands of the same programs, with other numbers",
}


def is_left_out(command):
    return any(re.search(pattern, str(command)) for pattern in LEFT_OUT)


def test_every_page_is_in_one_chain():
    chained = [page for chain in CHAINS.values() for page in chain]
    assert sorted([*chained, *SILENT]) == sorted(str(page.relative_to(ROOT)) for page in PAGES)
    for page in SILENT - set(QUICK):
        assert not steps(ROOT / page)


def test_the_tables_name_nothing_that_is_gone():
    said = [str(step) for page in PAGES for step in steps(page) if isinstance(step, Command)]
    for beginning in SHORTER:
        assert any(command.startswith(beginning) for command in said), beginning
    for pattern in LEFT_OUT:
        assert any(re.search(pattern, command) for command in said), pattern


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Lets the programs share what they compile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
        yield


def run(command, folder):
    """Runs a command in a folder as short as it may be, and fails with what it said."""
    first, *arguments = command.shortest
    shorter = next((SHORTER[start] for start in SHORTER if str(command).startswith(start)), ())
    program = ["-m", "twodasl_jax.commands.cli"] if first != "python" else []
    environment = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    finished = subprocess.run(
        [sys.executable, *program, *arguments, *shorter],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        pytest.fail(f"{command}\n{finished.stdout}{finished.stderr}", pytrace=False)


@pytest.mark.parametrize("chain", CHAINS)
def test_what_the_pages_show_runs(chain, tmp_path, monkeypatch, face_model):
    if chain == "export":
        pytest.importorskip("jax2onnx", reason="no ONNX converter for this Python")
    stand_ins.write_files(tmp_path, face_model)
    monkeypatch.chdir(tmp_path)
    done = set()
    for page in CHAINS[chain]:
        names = stand_ins.names_of(page, face_model)
        for step in steps(ROOT / page):
            if not isinstance(step, Command):
                exec(compile("\n" * step.line + step.text, page, "exec"), names)
            elif str(step) not in done and not is_left_out(step):
                done.add(str(step))
                run(step, tmp_path)
