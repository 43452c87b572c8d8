"""Runs the commands and examples of the documentation on synthetic data in the published formats.

Expensive commands are shortened (`SHORTER`) or skipped with a reason (`SKIPPED`).
"""

import os
import re
import subprocess
import sys

import pytest

from tests.helpers import documentation_inputs
from tests.helpers.markdown_pages import Command, steps
from tests.test_documentation import PAGES, QUICK, ROOT

pytestmark = pytest.mark.slow

# Pages that use files written by the pages before them.
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
# Pages without commands. tests/test_documentation.py runs their examples.
WITHOUT_COMMANDS = {
    *("docs/README.md", "docs/method.md", "docs/architecture.md", "docs/coordinates.md"),
}

_TINY = ("--config.architecture=compact_half", "--config.largest_fit_error=9")
# Arguments that shorten commands with these prefixes to seconds.
SHORTER = {
    "python experiments/train.py": (
        *("--config.steps=1", "--config.batch_size=2", "--config.norm_groups=1", *_TINY),
    ),
    "python experiments/prepare_data.py --dataset=synthetic_faces": ("--count=60",),
    "python experiments/render_test_set.py --source=face_model": ("--count=4",),
    "python experiments/benchmark.py --what=scoring": ("--rounds=1",),
    "python experiments/maintenance/measure_smoothing.py": ("--heads=1",),
}
# Patterns of commands that do not run here, with reasons.
SKIPPED = {
    r"make ": "CI runs the targets",
    r"pip install ": "the environment of the tests is already installed",
    r"ablat": "takes hours; tests/experiments/test_ablation.py runs a small study",
    r"--dataset=aflw|runs/default": "needs AFLW; tests/preparation/test_aflw.py uses synthetic faces",
    r"draw_outputs\.py": "takes half a minute; tests/rendering/test_renders.py draws every kind",
    r"kill_training\.py": "takes half an hour; tests/training/test_killed_runs.py kills a run a few times",
    r"benchmark\.py --what=(train_step|feed|loop|start|inference|tpu)": "takes minutes, or needs PyTorch or libtpu",
    r"--coordinator_address|--cluster": "needs several machines; tests/training/test_processes.py runs two processes",
    r"--camera=": "needs a camera; tests/videos/test_cameras.py simulates one",
    r"--compare=": "needs two reports; tests/experiments/test_evaluate.py compares them",
    r"--source=scans": "needs scans; tests/protocols/test_florence.py renders synthetic ones",
    r"face_model/build\.py": "downloads a package; tests/experiments/test_build_face_model.py covers it",
    r"--weights=weights\.npz$": "scores weights after one step",
    r"(evaluate\.py .*|portrait\.jpg )--weights=open": "tests/models/test_weights.py covers them",
    r"--workdir=runs/other|--landmarks=detected|synthetic_faces --count=20000|clip\.mp4$": (
        "differs from other commands only in settings that have their own tests"
    ),
    r"configs/paper\.py": "compiles for half a minute; tests/training builds its config and runs small steps",
    r"data/(rendered|killed|open)|runs/open": "differs from other commands only in numbers",
}


def is_skipped(command):
    return any(re.search(pattern, str(command)) for pattern in SKIPPED)


def test_every_page_is_in_one_chain():
    chained = [page for chain in CHAINS.values() for page in chain]
    assert sorted([*chained, *WITHOUT_COMMANDS]) == sorted(
        str(page.relative_to(ROOT)) for page in PAGES
    )
    for page in WITHOUT_COMMANDS - set(QUICK):
        assert not steps(ROOT / page)


def test_tables_match_documented_commands():
    documented = [str(step) for page in PAGES for step in steps(page) if isinstance(step, Command)]
    for beginning in SHORTER:
        assert any(command.startswith(beginning) for command in documented), beginning
    for pattern in SKIPPED:
        assert any(re.search(pattern, command) for command in documented), pattern


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Shares compiled programs between the commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
        yield


def run(command, folder):
    """Runs the shortest form of a command in a folder, and fails with its output."""
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
def test_commands_and_examples_run(chain, tmp_path, monkeypatch, face_model):
    if chain == "export":
        pytest.importorskip("jax2onnx", reason="no ONNX converter for this Python")
    documentation_inputs.write_files(tmp_path, face_model)
    monkeypatch.chdir(tmp_path)
    finished = set()
    for page in CHAINS[chain]:
        names = documentation_inputs.names_of(page, face_model)
        for step in steps(ROOT / page):
            if not isinstance(step, Command):
                exec(compile("\n" * step.line + step.text, page, "exec"), names)
            elif str(step) not in finished and not is_skipped(step):
                finished.add(str(step))
                run(step, tmp_path)
