"""Scores a network of this package, or any method's results, on a published test set.

  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report --pretrained
  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report \\
      --reannotated=AFLW2000-3D-Reannotated.pts68.npy --predictions=mine.npz
  python experiments/evaluate.py --protocol=aflw2000 --data_dir=AFLW2000-3D --output_dir=report \\
      --weights=mb05.npz --face_model=model.npz
  python experiments/evaluate.py --compare=report/report.json,other/report.json

Protocols, and what --data_dir holds (docs/evaluation.md says more)

  aflw2000      image00002.jpg, image00002.mat, ...: AFLW2000-3D as published, or a part of it
  aflw_lfpa     TestImages/, Landmark.mat, BoundingBox.mat: AFLW-LFPA (AFLW-PIFA)
  annotations   images/ and annotations.npz: names, yaw, pts68, roi_box
  synthetic     what experiments/render_faces.py wrote
  florence      subject_01/, ...: the scans of MICC Florence; --views is what experiments/render_scans.py wrote

Results of another method: an .npz of `names` (M,) and `landmarks` (M, 68, 2 or 3), x right and y down in pixels of the
picture, z toward the camera; optional `pose` (M, 3), yaw pitch roll in degrees, and `vertices` (M, V, 3). A face of the
test set that it does not name is a failure, unless --names lists the faces that count.

OUTPUT_DIR gets report.json, report.md, curve.png, report.html with the worst faces, and, of a network that is run here,
predictions.npz.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel, with_landmarks
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.point_rows import known_rows, read_point_rows
from twodasl_jax.models.weights import Weights, chosen_weights, embedded_weights
from twodasl_jax.protocols import florence, inference, synthetic
from twodasl_jax.protocols.aflw2000 import read_aflw2000, without_undetected
from twodasl_jax.protocols.aflw_lfpa import read_aflw_lfpa
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, select
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.landmark_fit import fit_predictions
from twodasl_jax.protocols.predictions import (
    Predictions,
    listed_rows,
    points_on_meshes,
    read_predictions,
    select_predictions,
    write_predictions,
)
from twodasl_jax.protocols.scoring import FaceErrors, landmark_scores, pose_scores
from twodasl_jax.reports import comparison, curve, document, page, table
from twodasl_jax.training.checkpoints import trained_weights

_PROTOCOL = flags.DEFINE_enum(
    "protocol",
    None,
    ["aflw2000", "aflw_lfpa", "annotations", "synthetic", "florence"],
    "Which test set --data_dir holds.",
)
_DATA = flags.DEFINE_string("data_dir", None, "Folder of the test set.")
_OUTPUT = flags.DEFINE_string("output_dir", None, "Folder of the report; created if needed.")

_PRETRAINED = flags.DEFINE_bool(
    "pretrained", False, "Score the weights that come with the package."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Score the averaged weights of a training run.")
_STEP = flags.DEFINE_integer(
    "step", None, "Which checkpoint of --workdir; the newest if not given."
)
_WEIGHTS = flags.DEFINE_string(
    "weights", None, "Score a weights file (.npz), or open: the embedded ones that saw no photo."
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The face model of --weights or --workdir, .npz, not the embedded one."
)
_LANDMARK_FIT = flags.DEFINE_bool(
    "landmark_fit", False, "Score the face model fitted to --landmarks, without any network."
)
_PREDICTIONS = flags.DEFINE_string("predictions", None, "Score any method's results (.npz).")
_METHOD = flags.DEFINE_string("method", None, "What the report calls the method and its settings.")

_LANDMARKS = flags.DEFINE_string(
    "landmarks", "none", f"What the landmark map shows the network: {inference.LANDMARK_INPUTS}."
)
_REFINE = flags.DEFINE_bool(
    "refine", False, "Move what the network says towards the landmarks that it is given."
)
_REFLECT = flags.DEFINE_bool(
    "reflect", True, "Let the network look at the mirror image of each face, too."
)
_CROP = flags.DEFINE_enum(
    "crop", "given", ["given", "detector"], "Crops of the test set, or the built-in detector's."
)
_BOXES = flags.DEFINE_string("boxes", None, "aflw2000: .npy of (N, 4) crops, by sorted names.")
_REANNOTATED = flags.DEFINE_string(
    "reannotated", None, "aflw2000: .npy of (N, 2, 68) re-annotated points, by sorted names."
)
_OFFICIAL = flags.DEFINE_bool(
    "official_1998", False, "aflw2000: leave out the two faces that the official evaluation missed."
)
_POINT_ROWS = flags.DEFINE_string(
    "point_rows",
    None,
    "Which points of the mesh are scored: 300w_lp, the 68 as AFLW2000-3D has them on the embedded face model (aflw2000 "
    "and annotations if not told otherwise); model, the face model's own landmarks; or an .npz of rows of its mesh "
    "(aflw_lfpa, for its 34).",
)
_VIEWS = flags.DEFINE_string(
    "views", None, "florence: folder of photos that experiments/render_scans.py wrote."
)
_NAMES = flags.DEFINE_string("names", None, "Text file of the faces that count, one name a line.")
_COMPARE = flags.DEFINE_list(
    "compare", None, "Two report.json: print the paired difference, second minus first."
)


# Of the points that are scored.
_OWN_LANDMARKS, _AFLW2000_LANDMARKS = "model", "300w_lp"
_LANDMARK_COUNT = 68


class TestSet(NamedTuple):
    """A test set, how its protocol scores predictions on it beside landmarks and poses, and by which points."""

    photos: AnnotatedPhotos
    score_meshes: Callable[[AnnotatedPhotos, Predictions], list[FaceErrors]] | None = None
    point_rows: str = _OWN_LANDMARKS


def read_aflw2000_set(folder: pathlib.Path) -> TestSet:
    """Returns AFLW2000-3D with the files that the flags name beside it."""
    reannotated, boxes = (
        pathlib.Path(flag.value) if flag.value else None for flag in (_REANNOTATED, _BOXES)
    )
    photos = read_aflw2000(folder, reannotated, boxes)
    if _OFFICIAL.value:
        photos = without_undetected(photos)
    return TestSet(photos, point_rows=_AFLW2000_LANDMARKS)


def read_synthetic_set(folder: pathlib.Path) -> TestSet:
    """Returns rendered faces and what was rendered."""
    photos, truth = synthetic.read_synthetic(folder)
    return TestSet(photos, functools.partial(synthetic.mesh_scores, truth))


def read_florence_set(folder: pathlib.Path) -> TestSet:
    """Returns photos of scans, and the scans."""
    views = pathlib.Path(given(_VIEWS))
    photos, scans = florence.read_florence(folder, views, face_model())
    return TestSet(photos, functools.partial(florence.scan_scores, scans))


def find_predictions(test_set: TestSet) -> tuple[AnnotatedPhotos, Predictions]:
    """Returns the faces that count and the results on them: from a file, or found here."""
    photos, rows = test_set.photos, None
    if _NAMES.value:
        rows = listed_rows(pathlib.Path(_NAMES.value), photos.names)
    if _PREDICTIONS.value:
        # Of the whole set, so that a file of all results serves every list.
        predictions = read_predictions(pathlib.Path(_PREDICTIONS.value), photos)
        if rows is None:
            return photos, predictions
        return select(photos, rows), select_predictions(predictions, rows)
    if rows is not None:
        photos = select(photos, rows)
    predictions = predict(photos, point_rows(test_set))
    if test_set.score_meshes is None:
        predictions = dataclasses.replace(predictions, vertices=None)
    return photos, predictions


def point_rows(test_set: TestSet) -> LandmarkRows | None:
    """Returns which points of the mesh are scored; None for the face model's own landmarks."""
    if _PROTOCOL.value == "aflw_lfpa" and not _POINT_ROWS.value:
        raise ConfigError(
            "AFLW-LFPA does not say where its 34 points lie on a mesh: give --point_rows, or "
            "--predictions with 34 points."
        )
    chosen = scored_points(test_set)
    if chosen == _OWN_LANDMARKS:
        return None
    if chosen == _AFLW2000_LANDMARKS:
        return known_rows(chosen, face_model())
    return read_point_rows(pathlib.Path(chosen), face_model())


def scored_points(test_set: TestSet) -> str:
    """Returns what --point_rows says; where another mark-up lies is known for the embedded face model alone."""
    usual = _OWN_LANDMARKS if _FACE_MODEL.value else test_set.point_rows
    return _POINT_ROWS.value or usual


@functools.cache
def face_model() -> MorphableModel:
    """Returns the face model that the flags name."""
    return chosen_face_model(_FACE_MODEL.value)


def predict(photos: AnnotatedPhotos, rows: LandmarkRows | None) -> Predictions:
    """Returns what the network that the flags name finds on the photos, or what a fit without any finds.

    Landmarks that are given are of the kind that is scored, if these are 68.
    """
    model = face_model()
    if _LANDMARK_FIT.value:
        points = inference.landmark_input(_LANDMARKS.value, photos)
        fitted = model if rows is None else with_landmarks(model, rows.vertices, rows.weights)
        return fit_predictions(fitted, photos, points)
    weights, source = flagged_weights()
    seen = inference.NetworkInput(_LANDMARKS.value, _CROP.value == "detector")
    given_rows = rows if rows is not None and len(rows.vertices) == _LANDMARK_COUNT else None
    reconstructor = Reconstructor(
        model, weights, given_rows, refine=_REFINE.value, reflect=_REFLECT.value
    )
    predictions = inference.predict(reconstructor, source, photos, seen)
    return predictions if rows is None else points_on_meshes(predictions, rows, photos)


def flagged_weights() -> tuple[Weights, str]:
    """Returns the weights that the flags name, and what to call them."""
    if _WORKDIR.value:
        step = "newest" if _STEP.value is None else _STEP.value
        name = f"{pathlib.Path(_WORKDIR.value).name}, {step} checkpoint"
        return trained_weights(pathlib.Path(_WORKDIR.value), _STEP.value), name
    if _WEIGHTS.value:
        return chosen_weights(_WEIGHTS.value), pathlib.Path(_WEIGHTS.value).name
    return embedded_weights(), "embedded weights"


def describe(test_set: TestSet, predictions: Predictions) -> dict[str, Any]:
    """Returns what the numbers depend on; of another method it is not known what it was shown."""
    photos = test_set.photos
    crop = inference.DETECTOR if _CROP.value == "detector" else photos.crop
    own = not _PREDICTIONS.value
    return {
        "protocol": _PROTOCOL.value,
        "method": _METHOD.value or predictions.source,
        "crop": crop if own else "the method's",
        "landmarks": shown_landmarks() if own else "the method's",
        "points": scored_points(test_set) if own else "the method's",
        "failed": [photos.names[row] for row in predictions.missing()],
    }


def shown_landmarks() -> str:
    """Returns what the network was given beside the photo, and what became of it."""
    refined = ", refined" if _REFINE.value else ""
    alone = "" if _REFLECT.value else ", without the mirror image"
    return _LANDMARKS.value + refined + alone


def write_report(test_set: TestSet, predictions: Predictions, scores: list[FaceErrors]) -> None:
    """Writes all files of the report, and prints what matters most."""
    folder, photos = pathlib.Path(given(_OUTPUT)), test_set.photos
    about = describe(test_set, predictions)
    report = document.build(about, photos.names, photos.yaw, scores)
    if not _PREDICTIONS.value:
        write_predictions(folder / "predictions.npz", predictions, photos.names)
    document.write(folder / "report.json", report)
    rows = table.rows(report)
    markdown = f"{table.markdown(table.HEADER, rows)}\n"
    atomic_files.write_bytes(folder / "report.md", markdown.encode())
    picture = curve.draw(report)
    atomic_files.write_bytes(folder / "curve.png", picture)
    page.write(folder / "report.html", report, picture, photos, predictions)
    print(table.plain(table.HEADER, table.headlines(rows)))
    if about["failed"]:
        print(f"No prediction for {len(about['failed'])} faces; report.json names them.")
    print(f"All metrics: {folder / 'report.md'}; the worst faces: {folder / 'report.html'}")


def compare() -> None:
    """Prints the paired table of two reports."""
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
        markdown = f"{table.markdown(comparison.HEADER, rows)}\n"
        atomic_files.write_bytes(path, markdown.encode())
        print(f"All metrics: {path}")


def given(flag: flags.FlagHolder[str | None]) -> str:
    """Returns the value of a flag that scoring cannot do without."""
    if not flag.value:
        raise ConfigError(f"--{flag.name} is missing; see --help.")
    return flag.value


def check_flags() -> None:
    """Checks what belongs together before anything is read."""
    for flag in (_PROTOCOL, _DATA, _OUTPUT):
        given(flag)
    sources = [
        flag.name
        for flag in (_PRETRAINED, _WORKDIR, _WEIGHTS, _LANDMARK_FIT, _PREDICTIONS)
        if flag.value
    ]
    if len(sources) != 1:
        found = " and ".join(f"--{name}" for name in sources) or "none"
        raise ConfigError(
            f"Give one of --pretrained, --workdir, --weights, --landmark_fit and --predictions, not {found}."
        )
    for user in (_LANDMARK_FIT, _REFINE):
        if user.value and _LANDMARKS.value == "none":
            raise ConfigError(f"--{user.name} needs --landmarks: {inference.LANDMARK_INPUTS}.")
    of_networks = (_LANDMARKS, _REFINE, _CROP, _STEP, _POINT_ROWS, _FACE_MODEL)
    shown = [flag.name for flag in of_networks if flag.present]
    if _PREDICTIONS.value and shown:
        raise ConfigError(
            f"--{shown[0]} is for a network that is run here, not for --predictions: leave it out."
        )


def main() -> None:
    if _COMPARE.value:
        compare()
        return
    check_flags()
    test_set = _READERS[given(_PROTOCOL)](pathlib.Path(given(_DATA)))
    # Before the long part: a report that cannot be written should be known early.
    pathlib.Path(given(_OUTPUT)).mkdir(parents=True, exist_ok=True)
    photos, predictions = find_predictions(test_set)
    scores = landmark_scores(photos, predictions) + pose_scores(photos, predictions)
    if test_set.score_meshes is not None:
        scores += test_set.score_meshes(photos, predictions)
    write_report(test_set._replace(photos=photos), predictions, scores)


_READERS: dict[str, Callable[[pathlib.Path], TestSet]] = {
    "aflw2000": read_aflw2000_set,
    "aflw_lfpa": lambda folder: TestSet(read_aflw_lfpa(folder)),
    "annotations": lambda folder: TestSet(
        read_annotated_photos(folder), point_rows=_AFLW2000_LANDMARKS
    ),
    "synthetic": read_synthetic_set,
    "florence": read_florence_set,
}


if __name__ == "__main__":
    entry_points.run(main)
