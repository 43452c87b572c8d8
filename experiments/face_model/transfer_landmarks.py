"""Places the 68 landmarks of 300W-LP and AFLW2000-3D on the face model: the vertices of another face model.

  python experiments/face_model/transfer_landmarks.py --basis=bfm68.npz --data_dir=DATA \\
      --output=twodasl_jax/assets/300w_lp_points.npz

bfm68.npz holds the landmark rows of the face model that 300W-LP was annotated with, and the mean of its coefficients
(`weight_formats/landmark_basis.py`). DATA is a prepared data set of many faces (experiments/prepare_data.py), whose
mean is in its whitening.npz. Both means are taken as the same face: the landmarks of one are laid over the other,
and go to the nearest point of its skin. The table says how far that is from the landmark that the face
model has under this name.
"""

import pathlib

import numpy as np
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import landmark_space, point_space, synthesize
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.point_rows import write_point_rows
from twodasl_jax.preparation.landmark_transfer import transfer_landmarks
from twodasl_jax.weight_formats.landmark_basis import read_landmark_basis

_BASIS = flags.DEFINE_string("basis", None, "The other model's landmark rows, .npz.", required=True)
_DATA = flags.DEFINE_string("data_dir", None, "A prepared data set of faces.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz).", required=True)
_FACE_MODEL = flags.DEFINE_string("face_model", None, "A face model's .npz, not the embedded one.")

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
    basis, whitening = read_landmark_basis(pathlib.Path(_BASIS.value))
    theirs = coefficients_from_official(whitening.mean, len(basis.shape_std))
    landmarks = np.asarray(synthesize(basis, theirs.shape, theirs.expression))
    vectors = read_rows(pathlib.Path(_DATA.value) / "whitening.npz", {"mean": ()})
    ours = coefficients_from_official(vectors["mean"], len(model.shape_std))
    average = np.asarray(synthesize(model, ours.shape, ours.expression))
    rows = transfer_landmarks(model, average, landmarks)
    write_point_rows(pathlib.Path(_OUTPUT.value), rows, model)
    placed = np.asarray(point_space(model, rows.vertices, rows.weights).mean)
    moved = placed - np.asarray(landmark_space(model).mean)
    moved[:, 0] *= np.sign(placed[:, 0])
    print(f"{'mean of':18}outward     up  forward  distance, mm")
    for name, part in _PARTS.items():
        x, y, z = moved[part].mean(axis=0)
        distance = np.linalg.norm(moved[part], axis=1).mean()
        print(f"{name:18}{x:7.1f}{y:7.1f}{z:9.1f}{distance:10.1f}")


if __name__ == "__main__":
    entry_points.run(main)
