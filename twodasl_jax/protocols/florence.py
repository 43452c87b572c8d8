"""MICC Florence: 3D scans of faces, and photos that were rendered from them.

    DATA/subject_01/Model/frontal1/obj/*.obj      a scan in mm: x right, y up, z toward the camera; or in frontal2
    DATA/subject_01/Model/frontal1/obj/*.ljson    68 landmarks of it, where somebody marked them (Gecer et al.)
    VIEWS/annotations.npz, VIEWS/images/          photos: names (N,), scan (N,) "subject_01", yaw (N,), roi_box (N, 4)

A reconstruction is laid onto the part of the scan within 95 mm of the nose tip by ICP with scale, and measured from
each vertex of the scan; "NME" is the mean distance over the outer inter-ocular distance, or over sqrt(width * height)
of that part. A scan without marked landmarks takes its vertex farthest in front as the nose tip, and the other
landmarks from the mean face that ICP lays onto it.

References:
  Bagdanov et al., The Florence 2D/3D hybrid face dataset, J-HGBU 2011.
"""

import concurrent.futures
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import numpy as np
import tqdm
import trimesh
from jaxtyping import Float, UInt8
from trimesh.visual import TextureVisuals

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation.landmark_error import inter_ocular_distance
from twodasl_jax.evaluation.mesh_error import Surface, bounding_box_size, fit_to_surface
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.alignment import Similarity, apply_similarity
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.imaging.photos import find_photos
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, listed, rows_of, unique_stems
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.protocols.surfaces import NOSE_TIP, face_of, mean_distances, upright

_RECORDINGS = ("frontal1", "frontal2")
_GREY = 170


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """One scan, in mm: x right, y up, z toward the camera.

    Attributes:
      surface: all of it.
      colours: (V, 3) sRGB of its vertices.
      landmarks: (68, 3), marked or from the mean face.
      marked: whether somebody marked the landmarks.
    """

    surface: Surface
    colours: UInt8[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 3"]
    marked: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Scans:
    """The scans behind the photos of a test set.

    Attributes:
      names: of the photos.
      scan_of: for each photo the name of its scan.
      scans: by name.
      model: the face model whose mean face is the baseline.
    """

    names: tuple[str, ...]
    scan_of: tuple[str, ...]
    scans: dict[str, Scan]
    model: MorphableModel


def find_scans(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the scan file of each subject, by the name of its folder.

    Raises:
      DatasetError: the folder has no subjects, or some have no scan; they are named.
    """
    subjects = sorted(path.name for path in folder.glob("subject_*") if path.is_dir())
    if not subjects:
        raise DatasetError(f"{folder} holds no folders subject_01, subject_02, ...")
    found = {subject: _scan_file(folder / subject) for subject in subjects}
    without = [subject for subject, path in found.items() if path is None]
    if without:
        raise DatasetError(
            f"{folder} has no Model/frontal1/obj/*.obj, and none in frontal2, for {listed(without)}."
        )
    return {subject: path for subject, path in found.items() if path is not None}


def read_scan(path: pathlib.Path, model: MorphableModel) -> Scan:
    """Reads a scan, and the landmarks beside it if there are any.

    Args:
      path: an OBJ file, with its material and texture beside it.
      model: its mean face finds landmarks that nobody marked.

    Raises:
      DatasetError: the file is missing, damaged or an empty mesh, or its landmarks are not 68 points in 3D.
    """
    try:
        mesh = trimesh.load_mesh(path, process=False)
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        cause = getattr(error, "strerror", None) or f"it is no OBJ file ({error})"
        raise DatasetError(f"Cannot read {path}: {cause}.") from error
    if not isinstance(mesh, trimesh.Trimesh) or mesh.is_empty or not len(mesh.faces):
        raise DatasetError(f"Cannot use {path}: the mesh is empty.")
    surface = Surface(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces))
    marks = path.with_suffix(".ljson")
    marked = marks.is_file()
    landmarks = _read_marks(marks) if marked else _landmarks_of_mean_face(surface, model)
    return Scan(surface, _colours(mesh), landmarks, marked)


def read_florence(
    folder: pathlib.Path, views: pathlib.Path, model: MorphableModel
) -> tuple[AnnotatedPhotos, Scans]:
    """Reads the photos of a folder of views, and the scans behind them.

    Raises:
      DatasetError: a file is missing or damaged, or a photo names a scan that is not there.
    """
    path = views / "annotations.npz"
    rows = read_rows(path, {"names": (), "scan": (), "yaw": (), "roi_box": (4,)})
    names = unique_stems(rows["names"].tolist(), path)
    scan_of = tuple(str(name) for name in rows["scan"])
    files = find_scans(folder)
    unknown = sorted(set(scan_of) - set(files))
    if unknown:
        raise DatasetError(f"{path} names scans that {folder} does not have: {listed(unknown)}.")
    progress = tqdm.tqdm(sorted(set(scan_of)), desc="scans", unit="scan", leave=False, disable=None)
    scans = {name: read_scan(files[name], model) for name in progress}
    pictures = {photo.stem: photo for photo in find_photos(views / "images")}
    photos = AnnotatedPhotos(
        names=names,
        photos=tuple(pictures.get(name, views / "images" / f"{name}.png") for name in names),
        boxes=rows["roi_box"].astype(np.float32),
        crop="3DDFA's rule around the scan's landmarks",
        annotations={},
        yaw=rows["yaw"].astype(np.float32),
    )
    return photos, Scans(names, scan_of, scans, model)


def scan_scores(
    truth: Scans, photos: AnnotatedPhotos, predictions: Predictions
) -> list[FaceErrors]:
    """Returns the distances of the scans from the reconstructions, each beside the mean face's.

        metric                 unit  what
        scan_point_to_point    mm    from each vertex of the scan to the nearest reconstructed one
        scan_point_to_plane    mm    the same along the scan's normals
        scan_nme               %     the first over the outer inter-ocular distance
        scan_nme_box           %     the first over sqrt(width * height) of the scan's face

    Raises:
      DatasetError: the predictions hold no meshes, or no landmarks in 3D to start from.
    """
    if predictions.vertices is None or predictions.landmarks.shape[2] != 3:
        raise DatasetError(
            f"{predictions.source} holds no meshes: scans need `vertices` (N, V, 3) and 3D `landmarks`."
        )
    used = [truth.scan_of[row] for row in rows_of(photos.names, truth.names, "the test set")]
    faces = {
        name: face_of(truth.scans[name].surface, truth.scans[name].landmarks) for name in set(used)
    }
    mean_face = np.asarray(truth.model.mean), np.asarray(landmark_space(truth.model).mean)
    measure = functools.partial(_measure, truth, faces)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        baselines = dict(
            zip(faces, pool.map(lambda name: measure(name, *mean_face), faces), strict=True)
        )
        meshes = pool.map(
            measure, used, upright(predictions.vertices), upright(predictions.landmarks)
        )
        own = list(tqdm.tqdm(meshes, total=len(used), desc="ICP", unit="face", disable=None))
    every = np.ones(len(used), bool)
    return [
        FaceErrors(
            f"{metric}{suffix}", "scan", unit, np.array([entry[metric] for entry in entries]), every
        )
        for metric, unit in _UNITS.items()
        for suffix, entries in (("", own), ("_mean_face", [baselines[name] for name in used]))
    ]


_UNITS = {
    "scan_nme": "%",
    "scan_nme_box": "%",
    "scan_point_to_point": "mm",
    "scan_point_to_plane": "mm",
}


def _measure(
    truth: Scans,
    faces: dict[str, Surface],
    name: str,
    vertices: Float[np.ndarray, "R 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> dict[str, float]:
    marks = truth.scans[name].landmarks
    to_point, to_plane = mean_distances(faces[name], marks, vertices, landmarks)
    return {
        "scan_nme": 100 * to_point / float(inter_ocular_distance(marks)),
        "scan_nme_box": 100 * to_point / bounding_box_size(faces[name].vertices),
        "scan_point_to_point": to_point,
        "scan_point_to_plane": to_plane,
    }


def _scan_file(subject: pathlib.Path) -> pathlib.Path | None:
    for recording in _RECORDINGS:
        files = sorted((subject / "Model" / recording / "obj").glob("*.obj"))
        if files:
            return files[0]
    return None


def _read_marks(path: pathlib.Path) -> Float[np.ndarray, "68 3"]:
    """Reads menpo's LJSON: the points of its first group."""
    try:
        groups: dict[str, Any] = json.loads(path.read_text("utf-8"))["groups"]
        points = np.array(next(iter(groups.values()))["landmarks"]["points"], np.float64)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise DatasetError(f"Cannot read {path}: it is no LJSON file of landmarks.") from error
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise DatasetError(f"Cannot use {path}: it has points {points.shape}, expected (68, 3).")
    return points


def _landmarks_of_mean_face(surface: Surface, model: MorphableModel) -> Float[np.ndarray, "68 3"]:
    landmarks = np.asarray(landmark_space(model).mean, np.float64)
    frontmost = surface.vertices[np.argmax(surface.vertices[:, 2])]
    start = Similarity(np.ones(()), np.eye(3), frontmost - landmarks[NOSE_TIP])
    face = face_of(surface, landmarks + start.translation)
    fit = fit_to_surface(np.asarray(model.mean, np.float64), face, start, with_scale=True)
    return np.asarray(apply_similarity(fit.transform, landmarks), np.float64)


def _colours(mesh: trimesh.Trimesh) -> UInt8[np.ndarray, "V 3"]:
    """Returns the colour of each vertex: the texture's, or grey where there is none."""
    if isinstance(mesh.visual, TextureVisuals) and mesh.visual.uv is not None:
        return np.asarray(mesh.visual.to_color().vertex_colors, np.uint8)[:, :3]
    return np.full((len(mesh.vertices), 3), _GREY, np.uint8)
