"""Evaluation of a network of this package, or of the predictions of any method, on a published test set.

  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report --pretrained
  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report \\
      --reannotated=AFLW2000-3D-Reannotated.pts68.npy --predictions=mine.npz
  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report \\
      --weights=mb05.npz --face_model=model.npz
  python experiments/evaluate.py --compare=report/report.json,other/report.json

Protocols and the contents of --data_dir (details in docs/evaluation.md):

  aflw2000      image00002.jpg, image00002.mat, ...: AFLW2000-3D as published, or a subset of it
  aflw_lfpa     TestImages/, Landmark.mat, BoundingBox.mat: AFLW-LFPA (AFLW-PIFA)
  annotations   images/ and annotations.npz: names, yaw, pts68, roi_box
  synthetic     the output of experiments/render_test_set.py --source=face_model
  florence      subject_01/, ...: the scans of MICC Florence; --views is the output of
                experiments/render_test_set.py --source=scans

A prediction file is an .npz of `names` (M,) and `landmarks` (M, 68, 2 or 3): x right and y down in image pixels, z
toward the camera. It may also hold `pose` (M, 3), yaw, pitch and roll in degrees, and `vertices` (M, V, 3). A face of
the test set that the file does not name counts as a failure, unless --names restricts the evaluation to other faces.

OUTPUT_DIR gets report.json, report.md, curve.png and report.html (with the worst faces), and predictions.npz if a
network or a landmark fit made the predictions.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel, with_landmarks
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.weights import Weights, chosen_weights, embedded_weights
from twodasl_jax.protocols import florence, synthetic
from twodasl_jax.protocols.aflw2000 import read_aflw2000, without_undetected
from twodasl_jax.protocols.aflw_lfpa import read_aflw_lfpa
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, select
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.input_landmarks import INPUT_LANDMARKS, input_landmarks
from twodasl_jax.protocols.landmark_fit import fit_predictions
from twodasl_jax.protocols.network_predictions import DETECTOR, predict
from twodasl_jax.protocols.predictions import (
    Predictions,
    listed_rows,
    points_on_meshes,
    read_predictions,
    select_predictions,
    write_predictions,
)
from twodasl_jax.protocols.test_sets import (
    AFLW2000_LANDMARKS,
    MODEL_LANDMARKS,
    TestSet,
    scored_rows,
)
from twodasl_jax.reports import comparison, document, folder, table
from twodasl_jax.training.checkpoints import trained_weights

_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    None,
    ["aflw2000", "aflw_lfpa", "annotations", "synthetic", "florence"],
    "The test set in --data_dir.",
)
_DATA = flags.DEFINE_string("data_dir", None, "The folder of the test set.")
_OUTPUT = flags.DEFINE_string("output_dir", None, "The folder of the report; created if needed.")

_PRETRAINED = flags.DEFINE_bool("pretrained", False, "Evaluate the weights of the package.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Evaluate the averaged weights of a training run.")
_STEP = flags.DEFINE_integer(
    "step", None, "The checkpoint of --workdir; the newest one by default."
)
_WEIGHTS = flags.DEFINE_string(
    "weights",
    None,
    "Evaluate a weights file (.npz), or `open`: the embedded weights that were trained without photos.",
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The face model (.npz) of --weights or --workdir; embedded by default."
)
_LANDMARK_FIT = flags.DEFINE_bool(
    "landmark_fit", False, "Evaluate the face model fitted to --landmarks, without a network."
)
_PREDICTIONS = flags.DEFINE_string("predictions", None, "Evaluate a prediction file (.npz).")
_METHOD = flags.DEFINE_string("method", None, "The name of the method in the report.")

_LANDMARKS = flags.DEFINE_string(
    "landmarks", "none", f"The input landmarks of the network: {INPUT_LANDMARKS}."
)
_REFINE = flags.DEFINE_bool(
    "refine", False, "Refine the predictions of the network by the input landmarks."
)
_REFLECT = flags.DEFINE_bool(
    "reflect", True, "Average the predictions for each face and its mirror image."
)
_CROP = flags.DEFINE_enum(
    "crop", "given", ["given", "detector"], "Crops of the test set, or of the built-in detector."
)
_BOXES = flags.DEFINE_string("boxes", None, "aflw2000: .npy of (N, 4) crops, by sorted names.")
_REANNOTATED = flags.DEFINE_string(
    "reannotated", None, "aflw2000: .npy of (N, 2, 68) re-annotated landmarks, by sorted names."
)
_OFFICIAL = flags.DEFINE_bool(
    "official_1998", False, "aflw2000: leave out the two faces that the official evaluation missed."
)
_POINT_ROWS = flags.DEFINE_string(
    "point_rows",
    None,
    "The points of the mesh that are scored: 300w_lp, the 68 landmarks of AFLW2000-3D on the embedded face model "
    "(default of aflw2000 and annotations); model, the landmarks of the face model itself; or an .npz of rows of its "
    "mesh (required by aflw_lfpa for its 34 landmarks).",
)
_VIEWS = flags.DEFINE_string(
    "views", None, "florence: the folder of photos written by experiments/render_test_set.py."
)
_NAMES = flags.DEFINE_string("names", None, "A text file of the faces to score, one name per line.")
_COMPARE = flags.DEFINE_list(
    "compare", None, "Two report.json: print the paired difference, second minus first."
)

_LANDMARK_COUNT = 68


def main() -> None:
    if _COMPARE.value:
        compare()
        return
    check_flags()
    test_set = _READERS[required(_PROTOCOL)](pathlib.Path(required(_DATA)))
    # Creates the folder before the long computation, so that an unwritable one fails early.
    pathlib.Path(required(_OUTPUT)).mkdir(parents=True, exist_ok=True)
    photos, predictions = find_predictions(test_set)
    write_report(test_set._replace(photos=photos), predictions)


def required(flag: flags.FlagHolder[str | None]) -> str:
    """Returns the value of a flag that scoring needs."""
    if not flag.value:
        raise ConfigError(f"--{flag.name} is missing; see --help.")
    return flag.value


def check_flags() -> None:
    """Raises an error for flags that do not fit together."""
    for flag in (_PROTOCOL, _DATA, _OUTPUT):
        required(flag)
    methods = [
        flag.name
        for flag in (_PRETRAINED, _WORKDIR, _WEIGHTS, _LANDMARK_FIT, _PREDICTIONS)
        if flag.value
    ]
    if len(methods) != 1:
        found = " and ".join(f"--{name}" for name in methods) or "none"
        raise ConfigError(
            f"Give one of --pretrained, --workdir, --weights, --landmark_fit and --predictions, not {found}."
        )
    for option in (_LANDMARK_FIT, _REFINE):
        if option.value and _LANDMARKS.value == "none":
            raise ConfigError(f"--{option.name} needs --landmarks: {INPUT_LANDMARKS}.")
    network_flags = (_LANDMARKS, _REFINE, _CROP, _STEP, _POINT_ROWS, _FACE_MODEL)
    present = [flag.name for flag in network_flags if flag.present]
    if _PREDICTIONS.value and present:
        raise ConfigError(
            f"--{present[0]} is for a network that is run here, not for --predictions: leave it out."
        )
    if _PROTOCOL.value == "aflw_lfpa" and not (_POINT_ROWS.value or _PREDICTIONS.value):
        raise ConfigError(
            "AFLW-LFPA does not define its 34 landmarks on a mesh: give --point_rows, or "
            "--predictions with 34 landmarks."
        )


def read_aflw2000_set(folder: pathlib.Path) -> TestSet:
    """Reads AFLW2000-3D with the annotations and crops that the flags name."""
    reannotated, boxes = (
        pathlib.Path(flag.value) if flag.value else None for flag in (_REANNOTATED, _BOXES)
    )
    photos = read_aflw2000(folder, reannotated, boxes)
    if _OFFICIAL.value:
        photos = without_undetected(photos)
    return TestSet(photos, AFLW2000_LANDMARKS)


def read_synthetic_set(folder: pathlib.Path) -> TestSet:
    """Reads rendered faces and their ground truth."""
    photos, truth = synthetic.read_synthetic(folder)
    return TestSet(photos, score_meshes=functools.partial(synthetic.mesh_scores, truth))


def read_florence_set(folder: pathlib.Path) -> TestSet:
    """Reads photos of scans and the scans."""
    views = pathlib.Path(required(_VIEWS))
    photos, scans = florence.read_florence(folder, views, face_model())
    return TestSet(photos, score_meshes=functools.partial(florence.scan_scores, scans))


_READERS: dict[str, Callable[[pathlib.Path], TestSet]] = {
    "aflw2000": read_aflw2000_set,
    "aflw_lfpa": lambda folder: TestSet(read_aflw_lfpa(folder)),
    "annotations": lambda folder: TestSet(read_annotated_photos(folder), AFLW2000_LANDMARKS),
    "synthetic": read_synthetic_set,
    "florence": read_florence_set,
}


@functools.cache
def face_model() -> MorphableModel:
    """Returns the face model of --face_model."""
    return chosen_face_model(_FACE_MODEL.value)


def scored_points(test_set: TestSet) -> str:
    """Returns the points that are scored; see `scored_rows`.

    By default, another face model than the embedded one is scored by its own landmarks.
    """
    default = MODEL_LANDMARKS if _FACE_MODEL.value else test_set.points
    return _POINT_ROWS.value or default


def find_predictions(test_set: TestSet) -> tuple[AnnotatedPhotos, Predictions]:
    """Returns the faces to score and the predictions on them, read from a file or computed."""
    names = test_set.photos.names
    rows = listed_rows(pathlib.Path(_NAMES.value), names) if _NAMES.value else np.arange(len(names))
    photos = select(test_set.photos, rows)
    if _PREDICTIONS.value:
        # A prediction file may name faces that --names leaves out.
        predictions = read_predictions(pathlib.Path(_PREDICTIONS.value), test_set.photos)
        return photos, select_predictions(predictions, rows)
    points = scored_rows(scored_points(test_set), face_model())
    method = landmark_fit_predictions if _LANDMARK_FIT.value else network_predictions
    predictions = method(photos, points)
    if test_set.score_meshes is None:
        predictions = dataclasses.replace(predictions, vertices=None)
    return photos, predictions


def landmark_fit_predictions(photos: AnnotatedPhotos, rows: LandmarkRows | None) -> Predictions:
    """Fits the face model to the input landmarks, which have the mark-up of the scored points."""
    model = face_model()
    landmarks = input_landmarks(_LANDMARKS.value, photos)
    fitted = model if rows is None else with_landmarks(model, rows.vertices, rows.weights)
    return fit_predictions(fitted, photos, landmarks)


def network_predictions(photos: AnnotatedPhotos, rows: LandmarkRows | None) -> Predictions:
    """Runs the network that the flags choose.

    Input landmarks have the mark-up of the scored points if these are 68, otherwise that of the face model.
    """
    weights, source = flagged_weights()
    input_rows = rows if rows is not None and len(rows.vertices) == _LANDMARK_COUNT else None
    reconstructor = Reconstructor(
        face_model(), weights, input_rows, refine=_REFINE.value, reflect=_REFLECT.value
    )
    landmarks = input_landmarks(_LANDMARKS.value, photos)
    predictions = predict(reconstructor, source, photos, landmarks, _CROP.value == "detector")
    return predictions if rows is None else points_on_meshes(predictions, rows, photos)


def flagged_weights() -> tuple[Weights, str]:
    """Returns the weights that the flags choose, and their name in the report."""
    if _WORKDIR.value:
        step = "newest" if _STEP.value is None else _STEP.value
        name = f"{pathlib.Path(_WORKDIR.value).name}, {step} checkpoint"
        return trained_weights(pathlib.Path(_WORKDIR.value), _STEP.value), name
    if _WEIGHTS.value:
        return chosen_weights(_WEIGHTS.value), pathlib.Path(_WEIGHTS.value).name
    return embedded_weights(), "embedded weights"


def describe(test_set: TestSet, predictions: Predictions) -> dict[str, Any]:
    """Returns the settings of the evaluation for the report."""
    names = test_set.photos.names
    if _PREDICTIONS.value:
        crop = landmarks = points = "the method's"
    else:
        crop = DETECTOR if _CROP.value == "detector" else test_set.photos.crop
        landmarks, points = describe_inputs(), scored_points(test_set)
    return {
        "protocol": _PROTOCOL.value,
        "method": _METHOD.value or predictions.source,
        "crop": crop,
        "landmarks": landmarks,
        "points": points,
        "failed": [names[row] for row in predictions.missing()],
    }


def describe_inputs() -> str:
    """Returns the input landmarks of the network and how it uses them."""
    refined = ", refined" if _REFINE.value else ""
    single = "" if _REFLECT.value else ", without the mirror image"
    return _LANDMARKS.value + refined + single


def write_report(test_set: TestSet, predictions: Predictions) -> None:
    """Scores the predictions, writes all files of the report and prints the headlines."""
    output, photos = pathlib.Path(required(_OUTPUT)), test_set.photos
    about = describe(test_set, predictions)
    report = document.build(about, photos.names, photos.yaw, test_set.scores(predictions))
    if not _PREDICTIONS.value:
        write_predictions(output / "predictions.npz", predictions, photos.names)
    folder.write(output, report, photos, predictions)
    print(table.plain(table.HEADER, table.headlines(table.rows(report))))
    if about["failed"]:
        print(f"No prediction for {len(about['failed'])} faces; report.json names them.")
    print(f"All metrics: {output / 'report.md'}; the worst faces: {output / 'report.html'}")


def compare() -> None:
    """Prints the paired comparison of two reports."""
    paths = [pathlib.Path(path) for path in _COMPARE.value or ()]
    if len(paths) != 2:
        raise ConfigError(
            "--compare needs two files: --compare=first/report.json,second/report.json."
        )
    first, second = map(document.read, paths)
    for name, report in (("first", first), ("second", second)):
        about = report["about"]
        print(f"{name}: {about['method']}, crop: {about['crop']}, landmarks: {about['landmarks']}")
    rows = comparison.compare(first, second)
    print(table.plain(comparison.HEADER, table.headlines(rows) or rows))
    for note in comparison.notes(first, second):
        print(note)
    if _OUTPUT.value:
        path = pathlib.Path(_OUTPUT.value) / "comparison.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        folder.write_table(path, comparison.HEADER, rows)
        print(f"All metrics: {path}")


if __name__ == "__main__":
    entry_points.run(main)
