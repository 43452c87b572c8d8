"""Runs an ablation study: trains and evaluates each config with each seed, and reports paired differences.

  python experiments/ablate.py --study=configs/ablation/annotations.py --workdir=runs/annotations --output_dir=report

The study is a Python file that defines the configs, the baseline and the test sets. Finished runs are skipped, and
interrupted runs resume. To use several cores, start the same command once per core (taskset -c 0, taskset -c 1, ...);
each run is trained by one process only. After every run, OUTPUT_DIR receives ablation.md, ablation.png and
ablation.json with all finished runs.
"""

import functools
import json
import pathlib

import filelock
import numpy as np
from absl import flags

from experiments.ablation.measures import face_errors, read_faces
from experiments.ablation.report import Results, draw_curves, write_tables
from experiments.ablation.study import Run, Study, read_study
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.files.atomic_files import replacing, write_bytes
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.face_model import digest, embedded_face_model
from twodasl_jax.training.checkpoints import trained_weights
from twodasl_jax.training.compiled import keep_compiled_programs
from twodasl_jax.training.loop import train
from twodasl_jax.training.state import AnnotatedFaces

_STUDY = flags.DEFINE_string("study", None, "Study file; see configs/ablation/.", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string("output_dir", None, "Folder of the report.", required=True)
_REPORT_ONLY = flags.DEFINE_bool("report_only", False, "Report finished runs without training.")

_ERRORS, _CONFIG = "errors.npz", "config.json"


def main() -> None:
    keep_compiled_programs()
    study, workdir = read_study(pathlib.Path(_STUDY.value)), pathlib.Path(_WORKDIR.value)
    output_dir = pathlib.Path(_OUTPUT.value)
    output_dir.mkdir(parents=True, exist_ok=True)
    model = embedded_face_model()
    runs = list(study.runs())
    for number, run in enumerate([] if _REPORT_ONLY.value else runs, start=1):
        folder = workdir / run.folder
        if is_finished(run, folder):
            continue
        cell = f"{run.cell.row}, {run.cell.column}, seed {run.seed}"
        print(f"{number} of {len(runs)}: {cell}", flush=True)
        if not finish(run, study, folder, model):
            print("Stopped: the same command resumes the study.")
            return
        report(study, workdir, output_dir)
    report(study, workdir, output_dir)


def finish(run: Run, study: Study, folder: pathlib.Path, model: MorphableModel) -> bool:
    """Trains and evaluates a run, unless another process has locked it.

    Returns:
      False if the training was stopped by SIGTERM, else True.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".study_lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    with lock:
        # Another process may have finished the run before this one took the lock.
        if is_finished(run, folder):
            return True
        if not train(run.config, folder, model):
            return False
        weights = trained_weights(folder)
        errors = {
            f"{test_set}/{measure}": values
            for test_set, path in study.test_sets.items()
            for measure, values in face_errors(
                model, weights, test_faces(path, digest(model))
            ).items()
        }
        with replacing(folder / _ERRORS) as path:
            np.savez(path, allow_pickle=False, **errors)
    return True


def is_finished(run: Run, folder: pathlib.Path) -> bool:
    """Returns whether a folder contains the errors of a run.

    Raises:
      ConfigError: the folder contains the errors of other settings.
    """
    if not (folder / _ERRORS).exists():
        return False
    if json.loads((folder / _CONFIG).read_text()) != json.loads(run.config.to_json()):
        raise ConfigError(
            f"{folder} contains a run with other settings than those of the study: choose another --workdir, or "
            "remove this folder."
        )
    return True


@functools.cache
def test_faces(path: str, face_model: str) -> AnnotatedFaces:
    """Returns the faces of a test set, cached for all runs."""
    return read_faces(path, face_model)


def report(study: Study, workdir: pathlib.Path, output_dir: pathlib.Path) -> None:
    """Writes tables, curves and errors of all finished runs."""
    finished = [run for run in study.runs() if is_finished(run, workdir / run.folder)]
    if not finished:
        return
    results: dict = {}
    for run in finished:
        with np.load(workdir / run.folder / _ERRORS) as errors:
            cell = results.setdefault((run.cell.row, run.cell.column), {})
            for name in errors:
                panel = tuple(name.rsplit("/", 1))
                cell.setdefault(panel, {})[run.seed] = float(errors[name].mean())
    heading = f"## {study.title}\n\n{len(finished)} of {len(list(study.runs()))} runs.\n\n"
    write_bytes(output_dir / "ablation.md", (heading + write_tables(study, results)).encode())
    write_bytes(output_dir / "ablation.png", draw_curves(study, results))
    write_bytes(output_dir / "ablation.json", json.dumps(_records(results), indent=1).encode())


def _records(results: Results) -> list[dict]:
    return [
        {
            "row": row,
            "column": column,
            "test_set": test_set,
            "measure": measure,
            "by_seed": dict(seeds),
        }
        for (row, column), panels in results.items()
        for (test_set, measure), seeds in panels.items()
    ]


if __name__ == "__main__":
    entry_points.run(main)
