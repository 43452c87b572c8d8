"""The face models of 3DDFA and 2DASL, and of 3DDFA_V2: Basel Face Model 2009, reduced to 40 + 10 components.

    3DDFA       train.configs/    u_shp.npy and u_exp.npy (3 V, 1), w_shp_sim.npy (3 V, 40), w_exp_sim.npy (3 V, 10)
                                  keypoints_sim.npy: the 204 rows of the landmarks; param_whitening.pkl: param_std (62,)
                visualize/        tri.mat: tri (3, F), vertices numbered from 1
    3DDFA_V2    configs/          bfm_noneck_v3.pkl: u (or u_shp and u_exp), w_shp, w_exp, keypoints
                                  tri.pkl: (3, F), vertices numbered from 0; param_mean_std_62d_120x120.pkl: std (62,)

The files may also lie directly in the folder. The unit is the micrometre. The files do not contain the standard
deviations of the components. The whitening of the networks' vectors replaces them: it has the standard deviations of
the training set's coefficients.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017.
  Guo et al., Towards Fast, Accurate and Stable 3D Dense Face Alignment, 2020.
"""

import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import fields
from twodasl_jax.face_model_formats.basel_2009 import MATLAB_FIRST, MILLIMETRES
from twodasl_jax.face_model_formats.fields import Field
from twodasl_jax.face_model_formats.source_model import Components, SourceModel
from twodasl_jax.geometry.coefficients import POSE_COUNT, SHAPE_COUNT, VECTOR_SIZE

_MEANS = ("u_shp", "u_exp")


class _Files(NamedTuple):
    """The fields that both formats have, under different names.

    Attributes:
      means: (3 V, 1) fields that add up to the mean face.
      shape: (3 V, 40) the shape components.
      expression: (3 V, 10) the expression components.
      vector_std: (62,) the standard deviations that whiten the networks' vectors.
      landmark_rows: (204,) the rows of the 68 landmarks in the bases.
      triangles: (3, F) the triangles.
    """

    means: tuple[Field, ...]
    shape: Field
    expression: Field
    vector_std: Field
    landmark_rows: Field
    triangles: Field


def read_3ddfa(folder: pathlib.Path) -> SourceModel:
    """Returns the face model of a checkout of 3DDFA or 2DASL, or of a folder of its files.

    Args:
      folder: a folder of the files that the module docstring lists.

    Raises:
      FaceModelError: a file is missing or damaged, or the files do not fit together.
    """

    def file(name: str, inside: str = "train.configs") -> pathlib.Path:
        return fields.require_file(folder, f"{inside}/{name}", name)

    def array(name: str) -> Field:
        return fields.read_npy(file(f"{name}.npy"))

    whitening = fields.read_pickled_fields(file("param_whitening.pkl"), ("param_std",))
    files = _Files(
        means=(array("u_shp"), array("u_exp")),
        shape=array("w_shp_sim"),
        expression=array("w_exp_sim"),
        vector_std=whitening["param_std"],
        landmark_rows=array("keypoints_sim"),
        triangles=fields.read_mat(file("tri.mat", "visualize"), ("tri",))["tri"],
    )
    return _source_model(folder, files, MATLAB_FIRST)


def read_3ddfa_v2(folder: pathlib.Path) -> SourceModel:
    """Returns the face model of a checkout of 3DDFA_V2, or of a folder of its files.

    Args:
      folder: a folder of the files that the module docstring lists.

    Raises:
      FaceModelError: a file is missing or damaged, or the files do not fit together.
    """

    def file(name: str) -> pathlib.Path:
        return fields.require_file(folder, f"configs/{name}", name)

    path = file("bfm_noneck_v3.pkl")
    found = fields.read_pickled_fields(path, ("w_shp", "w_exp", "keypoints"), ("u",))
    means = {"u": found["u"]} if "u" in found else fields.read_pickled_fields(path, _MEANS)
    whitening = fields.read_pickled_fields(file("param_mean_std_62d_120x120.pkl"), ("std",))
    files = _Files(
        means=tuple(means.values()),
        shape=found["w_shp"],
        expression=found["w_exp"],
        vector_std=whitening["std"],
        landmark_rows=found["keypoints"],
        triangles=fields.read_pickled(file("tri.pkl")),
    )
    return _source_model(folder, files, 0)


def _source_model(folder: pathlib.Path, files: _Files, first: int) -> SourceModel:
    """Returns the face model; `first` is the number of the first vertex in the triangles."""
    mean = _sum(files.means)
    std = fields.standard_deviations(files.vector_std, VECTOR_SIZE)[POSE_COUNT:]
    return SourceModel(
        path=folder,
        mean=mean,
        shape=_components(files.shape, len(mean), std[:SHAPE_COUNT]),
        expression=_components(files.expression, len(mean), std[SHAPE_COUNT:]),
        triangles=fields.triangles(files.triangles, len(mean), first),
        millimetres=MILLIMETRES,
        landmarks=_landmarks(files.landmark_rows, len(mean)),
        has_published_vectors=True,
    )


def _sum(means: tuple[Field, ...]) -> Float[np.ndarray, "V 3"]:
    for field in means[1:]:
        if field.values.size != means[0].values.size:
            raise FaceModelError(
                f"Cannot use {field.name}: it has {field.values.size} numbers, {means[0].name} has "
                f"{means[0].values.size}."
            )
    return np.sum([fields.points(field) for field in means], axis=0)


def _components(field: Field, vertex_count: int, std: Float[np.ndarray, " K"]) -> Components:
    basis = fields.basis(field, vertex_count)
    if basis.shape[-1] < len(std):
        raise FaceModelError(
            f"Cannot use {field.name}: it has {basis.shape[-1]} components, expected {len(std)}."
        )
    return Components(basis[..., : len(std)], std)


def _landmarks(field: Field, vertex_count: int) -> Int[np.ndarray, " 68"]:
    """Returns the landmark vertices v from their rows 3 v, 3 v + 1 and 3 v + 2 of a basis."""
    rows = field.values.reshape(-1)
    if rows.size % 3 or (rows.reshape(-1, 3) - rows[::3, None] != [0, 1, 2]).any():
        raise FaceModelError(
            f"Cannot use {field.name}: each landmark must have consecutive rows of x, y and z."
        )
    return fields.landmarks(Field(rows[::3] / 3, field.name), vertex_count, 0)
