"""Places AFLW's 21 points on the face model, by the faces that have iBUG's 68 as well.

  python experiments/face_model/place_landmarks.py --source_dir=FOLDER --output=twodasl_jax/assets/aflw_points.npz

FOLDER holds aflw68/ and aflw21/ (`twodasl_jax/preparation/aflw.py`). The face model is fitted to the 68 points of some
thousand faces; each of the 21 goes where it is nearest to its labels over all of them. The table says by how much it
moved from the first guess, and how far it is from the labels.
"""

import pathlib

import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float, Int

from twodasl_jax.commands import entry_points
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import (
    LandmarkRows,
    MorphableModel,
    landmark_space,
    point_space,
    synthesize,
)
from twodasl_jax.geometry.projection import picture_from_model_affine
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.point_rows import write_point_rows
from twodasl_jax.preparation.aflw import AFLW_MIRROR, AflwFaces, read_aflw, select_faces
from twodasl_jax.preparation.landmark_placement import MarkUp, place_landmarks
from twodasl_jax.preparation.pseudo_3d import Pseudo3D, fit_pseudo_3d, label_weights

_SOURCE = flags.DEFINE_string("source_dir", None, "Folder of the faces.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz).", required=True)
_FACE_MODEL = flags.DEFINE_string("face_model", None, "A face model's .npz, not the embedded one.")
_COUNT = flags.DEFINE_integer("count", 3000, "How many faces.", lower_bound=100)

# Each of AFLW's points, and the iBUG landmarks in whose middle it is looked for.
_POINTS = {
    "left brow, outer end": (17,),
    "left brow, centre": (19,),
    "left brow, inner end": (21,),
    "right brow, inner end": (22,),
    "right brow, centre": (24,),
    "right brow, outer end": (26,),
    "left eye, outer corner": (36,),
    "left eye, centre": (37, 38, 40, 41),
    "left eye, inner corner": (39,),
    "right eye, inner corner": (42,),
    "right eye, centre": (43, 44, 46, 47),
    "right eye, outer corner": (45,),
    "left ear lobe": (2,),
    "left of the nose": (31,),
    "nose tip": (30,),
    "right of the nose": (35,),
    "right ear lobe": (14,),
    "left corner of the mouth": (48,),
    "centre of the mouth": (62, 66),
    "right corner of the mouth": (54,),
    "chin": (8,),
}
_REACH = 25.0  # mm
# Fits that are worse than this share of the face's size are not learned from.
_LARGEST_ERROR = 0.05
_CHUNK = 500


def main() -> None:
    model = chosen_face_model(_FACE_MODEL.value)
    faces = chosen_faces(read_aflw(pathlib.Path(_SOURCE.value)), _COUNT.value)
    fits = fit_pseudo_3d(
        landmark_space(model),
        faces.landmarks,
        label_weights(faces.visibility),
        lambda chunks: tqdm.tqdm(chunks, desc="Fitting the face model", unit="chunk"),
    )
    good = fits.error <= _LARGEST_ERROR
    size = np.sqrt(np.prod(np.nanmax(faces.landmarks, 1) - np.nanmin(faces.landmarks, 1), axis=-1))
    vertices = fitted_vertices(model, fits) / size[:, None, None]
    labels = faces.points / size[:, None, None]
    weights = good[:, None] * np.isfinite(labels[..., 0]).astype(np.float32)
    landmarks = np.asarray(landmark_space(model).mean)
    guess = np.stack([landmarks[list(near)].mean(axis=0) for near in _POINTS.values()])
    rows = place_landmarks(model, MarkUp(guess, AFLW_MIRROR, _REACH), vertices, labels, weights)
    write_point_rows(pathlib.Path(_OUTPUT.value), rows, model)
    placed = np.asarray(point_space(model, rows.vertices, rows.weights).mean)
    report(rows, placed - guess, vertices, labels, weights)


def chosen_faces(faces: AflwFaces, count: int) -> AflwFaces:
    """Returns so many faces with points of both mark-ups, always the same."""
    both = (faces.visibility > 0).any(1) & np.isfinite(faces.points[..., 0]).any(1)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(both))[:count]
    return select_faces(faces, np.sort(rows))


def fitted_vertices(model: MorphableModel, fits: Pseudo3D) -> Float[np.ndarray, "N V 2"]:
    """Returns the meshes of fitted faces, crop frame."""
    chunks = []
    for start in range(0, len(fits.vectors), _CHUNK):
        found = coefficients_from_official(fits.vectors[start : start + _CHUNK])
        in_model = synthesize(model, found.shape, found.expression)
        chunks.append(np.asarray(picture_from_model_affine(found.affine, in_model))[..., :2])
    return np.concatenate(chunks)


def report(
    rows: LandmarkRows,
    moved: Float[np.ndarray, "21 3"],
    vertices: Float[np.ndarray, "N V 2"],
    labels: Float[np.ndarray, "N 21 2"],
    weights: Int[np.ndarray, "N 21"],
) -> None:
    """Prints what was learned of each point."""
    points = np.einsum("pk,npkc->npc", rows.weights, vertices[:, rows.vertices])
    distance = np.where(weights > 0, np.linalg.norm(points - labels, axis=-1), np.nan)
    print(f"{'':28}moved, mm  from its labels, % of the face (median)")
    for index, name in enumerate(_POINTS):
        length = np.linalg.norm(moved[index])
        print(f"{name:28}{length:9.1f}  {100 * np.nanmedian(distance[:, index]):5.2f}")


if __name__ == "__main__":
    entry_points.run(main)
