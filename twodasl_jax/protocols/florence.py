"""MICC Florence: 3D scans of faces, and photos rendered from them.

    DATA/subject_01/Model/frontal1/obj/*.obj     a scan in mm: x right, y up, z toward the camera (or in frontal2)
    DATA/subject_01/Model/frontal1/obj/*.ljson   its 68 annotated landmarks, optional (Gecer et al.)
    VIEWS/annotations.npz                        names (N,), scan (N,) such as "subject_01", yaw (N,), roi_box (N, 4)
    VIEWS/images/                                the photos

A reconstruction is aligned to the part of the scan within 95 mm of the nose tip, by ICP with scale. Distances are
measured from each vertex of the scan. The NME is the mean distance divided by the outer inter-ocular distance, or by
sqrt(width * height) of that part. For a scan without annotated landmarks, the nose tip is the frontmost vertex, and the
landmarks are those of the mean face after it is aligned by ICP.

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
from twodasl_jax.protocols.annotated_photos import (
    AnnotatedPhotos,
    join_names,
    rows_of,
    unique_stems,
)
from twodasl_jax.protocols.annotations import image_files
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.protocols.surfaces import NOSE_TIP, crop_face, flip_y, mean_distances

_RECORDINGS = ("frontal1", "frontal2")
_GREY = 170
_UNITS = {
    "scan_nme": "%",
    "scan_nme_box": "%",
    "scan_point_to_point": "mm",
    "scan_point_to_plane": "mm",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """A scan in mm: x right, y up, z toward the camera.

    Attributes:
      surface: the whole scan.
      colours: (V, 3) sRGB colours of the vertices.
      landmarks: (68, 3) annotated landmarks, or those of the aligned mean face.
      annotated: whether the landmarks are annotated.
    """

    surface: Surface
    colours: UInt8[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 3"]
    annotated: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Scans:
    """The scans from which the photos of a test set are rendered.

    Attributes:
      names: the names of the photos.
      scan_of: the name of the scan of each photo.
      scans: the scans by name.
      model: the face model that provides the mean face, the baseline.
    """

    names: tuple[str, ...]
    scan_of: tuple[str, ...]
    scans: dict[str, Scan]
    model: MorphableModel


def find_scans(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns the scan file of each subject by the name of the subject's folder.

    Raises:
      DatasetError: there are no subjects, or subjects have no scan. The message names them.
    """
    subjects = sorted(path.name for path in folder.glob("subject_*") if path.is_dir())
    if not subjects:
        raise DatasetError(f"{folder} holds no folders subject_01, subject_02, ...")
    found = {subject: _scan_file(folder / subject) for subject in subjects}
    missing = [subject for subject, path in found.items() if path is None]
    if missing:
        raise DatasetError(
            f"{folder} has no Model/frontal1/obj/*.obj or Model/frontal2/obj/*.obj for {join_names(missing)}."
        )
    return {subject: path for subject, path in found.items() if path is not None}


def read_scan(path: pathlib.Path, model: MorphableModel) -> Scan:
    """Reads a scan and its annotated landmarks, if any.

    Args:
      path: an OBJ file. Its material and texture lie in the same folder.
      model: the face model. Its mean face provides the landmarks of a scan without annotated ones.

    Raises:
      DatasetError: the file is missing, damaged or an empty mesh, or the landmarks are not 68 points in 3D.
    """
    try:
        mesh = trimesh.load_mesh(path, process=False)
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        cause = getattr(error, "strerror", None) or f"it is not an OBJ file ({error})"
        raise DatasetError(f"Cannot read {path}: {cause}.") from error
    if not isinstance(mesh, trimesh.Trimesh) or mesh.is_empty or not len(mesh.faces):
        raise DatasetError(f"Cannot use {path}: the mesh is empty.")
    surface = Surface(np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces))
    annotation = path.with_suffix(".ljson")
    annotated = annotation.is_file()
    landmarks = _read_ljson(annotation) if annotated else _mean_face_landmarks(surface, model)
    return Scan(surface, _colours(mesh), landmarks, annotated)


def read_florence(
    folder: pathlib.Path, views: pathlib.Path, model: MorphableModel
) -> tuple[AnnotatedPhotos, Scans]:
    """Reads the photos of a folder of views, and their scans.

    Args:
      folder: the folder of the subjects.
      views: the folder of the photos, written by experiments/render_test_set.py.
      model: the face model that provides the mean face.

    Raises:
      DatasetError: a file is missing or damaged, or a photo names an unknown scan.
    """
    path = views / "annotations.npz"
    rows = read_rows(path, {"names": (), "scan": (), "yaw": (), "roi_box": (4,)})
    names = unique_stems(rows["names"].tolist(), path)
    scan_of = tuple(str(name) for name in rows["scan"])
    files = find_scans(folder)
    unknown = sorted(set(scan_of) - set(files))
    if unknown:
        raise DatasetError(
            f"{path} names scans that {folder} does not have: {join_names(unknown)}."
        )
    progress = tqdm.tqdm(sorted(set(scan_of)), desc="scans", unit="scan", leave=False, disable=None)
    scans = {name: read_scan(files[name], model) for name in progress}
    photos = AnnotatedPhotos(
        names=names,
        photos=image_files(views / "images", names, ".png"),
        boxes=rows["roi_box"].astype(np.float32),
        crop="3DDFA's rule around the scan's landmarks",
        annotations={},
        yaw=rows["yaw"].astype(np.float32),
    )
    return photos, Scans(names, scan_of, scans, model)


def scan_scores(
    truth: Scans, photos: AnnotatedPhotos, predictions: Predictions
) -> list[FaceErrors]:
    """Returns the distances from the scans to the reconstructions, and to the mean face (`*_mean_face`).

        metric                 unit  definition
        scan_point_to_point    mm    distance from each vertex of the scan to the nearest reconstructed vertex
        scan_point_to_plane    mm    the same along the scan's normals
        scan_nme               %     point-to-point over the outer inter-ocular distance
        scan_nme_box           %     point-to-point over sqrt(width * height) of the scan's face

    Raises:
      DatasetError: the predictions have no meshes, or no 3D landmarks to initialise the alignment.
    """
    if predictions.vertices is None or predictions.landmarks.shape[2] != 3:
        raise DatasetError(
            f"{predictions.source} holds no meshes: scans need `vertices` (N, V, 3) and 3D `landmarks`."
        )
    used = [truth.scan_of[row] for row in rows_of(photos.names, truth.names, "the test set")]
    faces = {
        name: crop_face(truth.scans[name].surface, truth.scans[name].landmarks)
        for name in set(used)
    }
    mean_face = np.asarray(truth.model.mean), np.asarray(landmark_space(truth.model).mean)
    measure = functools.partial(_measure, truth, faces)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        baselines = dict(
            zip(faces, pool.map(lambda name: measure(name, *mean_face), faces), strict=True)
        )
        meshes = pool.map(
            measure, used, flip_y(predictions.vertices), flip_y(predictions.landmarks)
        )
        errors = list(tqdm.tqdm(meshes, total=len(used), desc="ICP", unit="face", disable=None))
    all_faces = np.ones(len(used), bool)
    return [
        FaceErrors(
            f"{metric}{suffix}",
            "scan",
            unit,
            np.array([entry[metric] for entry in entries]),
            all_faces,
        )
        for metric, unit in _UNITS.items()
        for suffix, entries in (("", errors), ("_mean_face", [baselines[name] for name in used]))
    ]


def _measure(
    truth: Scans,
    faces: dict[str, Surface],
    name: str,
    vertices: Float[np.ndarray, "R 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> dict[str, float]:
    true_landmarks = truth.scans[name].landmarks
    to_point, to_plane = mean_distances(faces[name], true_landmarks, vertices, landmarks)
    return {
        "scan_nme": 100 * to_point / float(inter_ocular_distance(true_landmarks)),
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


def _read_ljson(path: pathlib.Path) -> Float[np.ndarray, "68 3"]:
    """Reads the points of the first group of menpo's LJSON format."""
    try:
        groups: dict[str, Any] = json.loads(path.read_text("utf-8"))["groups"]
        points = np.array(next(iter(groups.values()))["landmarks"]["points"], np.float64)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise DatasetError(f"Cannot read {path}: it is not an LJSON file of landmarks.") from error
    if points.shape != (68, 3) or not np.isfinite(points).all():
        raise DatasetError(
            f"Cannot use {path}: expected finite points of shape (68, 3), found {points.shape}."
        )
    return points


def _mean_face_landmarks(surface: Surface, model: MorphableModel) -> Float[np.ndarray, "68 3"]:
    landmarks = np.asarray(landmark_space(model).mean, np.float64)
    frontmost = surface.vertices[np.argmax(surface.vertices[:, 2])]
    start = Similarity(np.ones(()), np.eye(3), frontmost - landmarks[NOSE_TIP])
    face = crop_face(surface, landmarks + start.translation)
    fit = fit_to_surface(np.asarray(model.mean, np.float64), face, start, with_scale=True)
    return np.asarray(apply_similarity(fit.transform, landmarks), np.float64)


def _colours(mesh: trimesh.Trimesh) -> UInt8[np.ndarray, "V 3"]:
    """Returns the colour of each vertex from the texture, or grey without a texture."""
    if isinstance(mesh.visual, TextureVisuals) and mesh.visual.uv is not None:
        return np.asarray(mesh.visual.to_color().vertex_colors, np.uint8)[:, :3]
    return np.full((len(mesh.vertices), 3), _GREY, np.uint8)
