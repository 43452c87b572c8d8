"""Places the landmarks of another mark-up on the face model.

  python experiments/face_model/place_landmarks.py --mark_up=aflw --source_dir=FOLDER \\
      --output=twodasl_jax/assets/aflw_points.npz
      The 21 landmarks of AFLW, from faces that also have iBUG's 68. FOLDER contains aflw68/ and aflw21/
      (`twodasl_jax/preparation/aflw.py`). The face model is fitted to the 68 labels of --count faces. Each of the 21
      landmarks is placed where it is nearest to its labels in all of these faces.
  python experiments/face_model/place_landmarks.py --mark_up=300w_lp --basis=bfm68.npz --data_dir=DATA \\
      --output=twodasl_jax/assets/300w_lp_points.npz
      The 68 landmarks of 300W-LP and AFLW2000-3D, which are vertices of another face model. bfm68.npz contains the
      landmark rows of that model and the mean of its coefficients (`weight_formats/landmark_basis.py`). DATA is a
      prepared data set of many faces (experiments/prepare_data.py); its whitening.npz has the mean of the
      coefficients of --face_model. Both means are assumed to describe the same face. The landmarks of the other model
      are aligned to this one and projected to the nearest point of its mesh.

The program prints by how much each landmark, or part of the face, moves from its initial position. For AFLW it also
prints the median distance from the labels.
"""

import pathlib

import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float

from experiments import conditional_flags
from twodasl_jax.commands import entry_points
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import (
    LandmarkRows,
    MorphableModel,
    landmark_space,
    point_space,
    synthesize,
)
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.mark_ups import MARK_UPS, save_mark_up
from twodasl_jax.preparation.aflw import AFLW_MIRROR, AflwFaces, read_aflw, select_faces
from twodasl_jax.preparation.landmark_placement import MarkUp, place_landmarks, transfer_landmarks
from twodasl_jax.preparation.pseudo_3d import Pseudo3D, fit_pseudo_3d, label_weights
from twodasl_jax.weight_formats.landmark_basis import read_landmark_basis

_MARK_UP = flags.DEFINE_enum("mark_up", None, MARK_UPS, "The mark-up to place.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The file to write (.npz).", required=True)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "A face model (.npz) instead of the embedded one."
)
_SOURCE = flags.DEFINE_string("source_dir", None, "aflw: the folder of the faces.")
_COUNT = flags.DEFINE_integer("count", 3000, "aflw: the number of faces.", lower_bound=100)
_BASIS = flags.DEFINE_string(
    "basis", None, "300w_lp: the landmark rows of the other face model (.npz)."
)
_DATA = flags.DEFINE_string("data_dir", None, "300w_lp: a prepared data set.")

# The initial guess for each AFLW landmark is the mean of these iBUG landmarks.
_AFLW_GUESSES = {
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
# The largest error of a fit that is used, relative to the size of the face.
_MAX_ERROR = 0.05
_CHUNK = 500

_PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "bridge of the nose": slice(27, 31),
    "nostrils": slice(31, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}


def main() -> None:
    model = chosen_face_model(_FACE_MODEL.value)
    rows = place_aflw(model) if _MARK_UP.value == "aflw" else place_300w_lp(model)
    save_mark_up(pathlib.Path(_OUTPUT.value), rows, model)


def place_aflw(model: MorphableModel) -> LandmarkRows:
    """Returns the landmarks of AFLW, and prints a table of their displacements and distances from the labels."""
    conditional_flags.reject("--mark_up=aflw", _BASIS, _DATA)
    source_dir = pathlib.Path(conditional_flags.required(_SOURCE, "--mark_up=aflw"))
    faces = sample_faces(read_aflw(source_dir), _COUNT.value)
    fits = fit_pseudo_3d(
        landmark_space(model),
        faces.landmarks,
        label_weights(faces.visibility),
        lambda chunks: tqdm.tqdm(chunks, desc="Fitting the face model", unit="chunk"),
    )
    size = np.sqrt(np.prod(np.nanmax(faces.landmarks, 1) - np.nanmin(faces.landmarks, 1), axis=-1))
    vertices = fitted_vertices(model, fits) / size[:, None, None]
    labels = faces.points / size[:, None, None]
    is_labelled = np.isfinite(labels[..., 0]).astype(np.float32)
    weights = (fits.error <= _MAX_ERROR)[:, None] * is_labelled
    landmarks = np.asarray(landmark_space(model).mean)
    guess = np.stack([landmarks[list(near)].mean(axis=0) for near in _AFLW_GUESSES.values()])
    rows = place_landmarks(model, MarkUp(guess, AFLW_MIRROR, _REACH), vertices, labels, weights)

    points = np.einsum("pk,npkc->npc", rows.weights, vertices[:, rows.vertices])
    distance = np.where(weights > 0, np.linalg.norm(points - labels, axis=-1), np.nan)
    displacement = np.linalg.norm(mean_points(model, rows) - guess, axis=1)
    print(f"{'':28}moved, mm  from its labels, % of the face (median)")
    for index, name in enumerate(_AFLW_GUESSES):
        print(f"{name:28}{displacement[index]:9.1f}  {100 * np.nanmedian(distance[:, index]):5.2f}")
    return rows


def sample_faces(faces: AflwFaces, count: int) -> AflwFaces:
    """Returns a fixed random sample of faces that have labels of both mark-ups."""
    both = (faces.visibility > 0).any(1) & np.isfinite(faces.points[..., 0]).any(1)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(both))[:count]
    return select_faces(faces, np.sort(rows))


def fitted_vertices(model: MorphableModel, fits: Pseudo3D) -> Float[np.ndarray, "N V 2"]:
    """Returns the vertices of the fitted faces in the crop frame."""
    chunks = []
    for start in range(0, len(fits.vectors), _CHUNK):
        coefficients = coefficients_from_official(fits.vectors[start : start + _CHUNK])
        chunks.append(np.asarray(decode(model, coefficients))[..., :2])
    return np.concatenate(chunks)


def place_300w_lp(model: MorphableModel) -> LandmarkRows:
    """Returns the landmarks of 300W-LP, and prints a table of their mean displacements by part of the face."""
    choice = "--mark_up=300w_lp"
    conditional_flags.reject(choice, _SOURCE, _COUNT)
    basis, whitening = read_landmark_basis(pathlib.Path(conditional_flags.required(_BASIS, choice)))
    other = coefficients_from_official(whitening.mean, len(basis.shape_std))
    landmarks = np.asarray(synthesize(basis, other.shape, other.expression))
    data_dir = pathlib.Path(conditional_flags.required(_DATA, choice))
    mean_vector = read_rows(data_dir / "whitening.npz", {"mean": ()})["mean"]
    own = coefficients_from_official(mean_vector, len(model.shape_std))
    rows = transfer_landmarks(
        model, np.asarray(synthesize(model, own.shape, own.expression)), landmarks
    )

    points = mean_points(model, rows)
    displacement = points - np.asarray(landmark_space(model).mean)
    displacement[:, 0] *= np.sign(points[:, 0])
    print(f"{'mean of':18}outward     up  forward  distance, mm")
    for name, part in _PARTS.items():
        x, y, z = displacement[part].mean(axis=0)
        distance = np.linalg.norm(displacement[part], axis=1).mean()
        print(f"{name:18}{x:7.1f}{y:7.1f}{z:9.1f}{distance:10.1f}")
    return rows


def mean_points(model: MorphableModel, rows: LandmarkRows) -> Float[np.ndarray, "P 3"]:
    """Returns the landmarks of the mean face, model frame."""
    return np.asarray(point_space(model, rows.vertices, rows.weights).mean)


if __name__ == "__main__":
    entry_points.run(main)
