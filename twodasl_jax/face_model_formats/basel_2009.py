"""Basel Face Model 2009 with an expression basis of other authors.

The folder has one file of each group; the first that exists is read:

    shape         Model_Shape.mat         3DDFA's 53,215 vertices: mu_shape, w, sigma, tri and keypoints
                  01_MorphableModel.mat   Basel's 53,490 vertices: shapeMU, shapePC, shapeEV (standard deviations), tl
    expression    Model_Exp.mat           3DDFA's: mu_exp, w_exp, sigma_exp; also named Model_Expression.mat
                  Exp_Pca.bin             Guo's: int32 K, float32 mean (3 V,), float32 basis (K, 3 V); and std_exp.txt
    subset        model_info.mat          trimIndex: the vertices of 01_MorphableModel.mat that have expressions
                  BFM_exp_idx.mat         the same, of Deep3DFaceReconstruction
    landmarks     Model_Shape.mat         keypoints
                  model_info.mat          keypoints
                  facemodel_info.mat      keypoints of Deep3DFaceReconstruction, indices into BFM_front_idx.mat

The unit is the micrometre, and MATLAB numbers vertices from 1. The mean of Model_Exp.mat is added to the mean face,
because the coefficients of 300W-LP and 3DDFA assume it. The mean of Exp_Pca.bin is not added, because the coefficients
of Deep3DFaceReconstruction assume none.

References:
  Paysan et al., A 3D Face Model for Pose and Illumination Invariant Face Recognition, 2009.
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017.
  Guo et al., CNN-based Real-time Dense Face Reconstruction with Inverse-rendered Photo-realistic Face Images, 2018.
"""

import pathlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import fields
from twodasl_jax.face_model_formats.source_model import Components, SourceModel

MILLIMETRES = 1e-3
MATLAB_FIRST = 1  # the number of the first vertex

_BASEL_SHAPE, _3DDFA_SHAPE = "01_MorphableModel.mat", "Model_Shape.mat"
_3DDFA_EXPRESSION = ("Model_Exp.mat", "Model_Expression.mat")
_GUO_EXPRESSION, _GUO_STD = "Exp_Pca.bin", "std_exp.txt"
_SUBSETS = ("model_info.mat", "BFM_exp_idx.mat")
_DEEP3D_KEYPOINTS, _DEEP3D_FRONT = "facemodel_info.mat", "BFM_front_idx.mat"


class _ShapeModel(NamedTuple):
    """A mesh with shape components; the fields are those of `SourceModel`."""

    mean: Float[np.ndarray, "V 3"]
    shape: Components
    triangles: Int[np.ndarray, "F 3"]
    landmarks: Int[np.ndarray, " 68"] | None


class _ExpressionModel(NamedTuple):
    """Expression components, and the (V, 3) mean expression that is added to the mean face."""

    mean: Float[np.ndarray, "V 3"]
    components: Components


def read_basel_2009(folder: pathlib.Path) -> SourceModel:
    """Returns the face model of a folder, with all of its components.

    Args:
      folder: a folder of the files that the module docstring lists.

    Raises:
      FaceModelError: a file is missing or damaged, or the files do not fit together.
    """
    # The expressions are read first: they take less time, so errors in them appear early.
    path = fields.require_file(folder, *_3DDFA_EXPRESSION, _GUO_EXPRESSION)
    is_guo = path.name == _GUO_EXPRESSION
    expression = _read_guo_expression(folder, path) if is_guo else _read_3ddfa_expression(path)
    vertex_count = len(expression.mean)
    shape = _read_shape(folder, vertex_count)
    if len(shape.mean) != vertex_count:
        raise FaceModelError(
            f"The expressions of {path} have {vertex_count} vertices, the mean face has {len(shape.mean)}: they belong "
            "to different meshes."
        )
    return SourceModel(
        path=folder,
        mean=shape.mean + expression.mean,
        shape=shape.shape,
        expression=expression.components,
        triangles=shape.triangles,
        millimetres=MILLIMETRES,
        landmarks=shape.landmarks,
        has_published_vectors=not is_guo,
    )


def _read_shape(folder: pathlib.Path, vertex_count: int) -> _ShapeModel:
    """Reads 3DDFA's file, or else Basel's, reduced to the `vertex_count` vertices of the expressions."""
    path = fields.require_file(folder, _3DDFA_SHAPE, _BASEL_SHAPE)
    if path.name == _3DDFA_SHAPE:
        return _read_3ddfa_shape(path)
    return _read_basel_shape(path, vertex_count)


def _read_3ddfa_shape(path: pathlib.Path) -> _ShapeModel:
    found = fields.read_mat(path, ("mu_shape", "w", "sigma", "tri"), ("keypoints",))
    mean = fields.points(found["mu_shape"])
    basis = fields.basis(found["w"], len(mean))
    keypoints = found.get("keypoints")
    return _ShapeModel(
        mean,
        Components(basis, fields.standard_deviations(found["sigma"], basis.shape[-1])),
        fields.triangles(found["tri"], len(mean), MATLAB_FIRST),
        fields.landmarks(keypoints, len(mean), MATLAB_FIRST) if keypoints else None,
    )


def _read_basel_shape(path: pathlib.Path, vertex_count: int) -> _ShapeModel:
    found = fields.read_mat(path, ("shapeMU", "shapePC", "shapeEV", "tl"))
    mean = fields.points(found["shapeMU"])
    basis = fields.basis(found["shapePC"], len(mean))
    std = fields.standard_deviations(found["shapeEV"], basis.shape[-1])
    triangles = fields.triangles(found["tl"], len(mean), MATLAB_FIRST)
    if len(mean) == vertex_count:
        return _ShapeModel(mean, Components(basis, std), triangles, None)
    subset = _read_subset(fields.require_file(path.parent, *_SUBSETS), len(mean), vertex_count)
    return _ShapeModel(
        mean[subset],
        Components(basis[subset], std),
        _subset_triangles(subset, triangles, len(mean)),
        _read_subset_landmarks(path.parent, vertex_count),
    )


def _read_subset(path: pathlib.Path, vertex_count: int, subset_count: int) -> Int[np.ndarray, " N"]:
    """Returns the vertices of Basel's mesh that have expressions, in their new order."""
    field = fields.read_mat(path, ("trimIndex",))["trimIndex"]
    if field.values.size != subset_count:
        raise FaceModelError(
            f"Cannot use {field.name}: it lists {field.values.size} vertices, the expressions have {subset_count}."
        )
    return fields.vertex_indices(field, vertex_count, MATLAB_FIRST).reshape(-1)


def _subset_triangles(
    subset: Int[np.ndarray, " N"], triangles: Int[np.ndarray, "F 3"], vertex_count: int
) -> Int[np.ndarray, "G 3"]:
    """Returns the triangles between vertices of a subset, as indices into the subset."""
    removed = -1
    new_index = np.full(vertex_count, removed)
    new_index[subset] = np.arange(len(subset))
    renumbered = new_index[triangles]
    return renumbered[(renumbered != removed).all(axis=1)]


def _read_subset_landmarks(
    folder: pathlib.Path, vertex_count: int
) -> Int[np.ndarray, " 68"] | None:
    """Returns the landmarks as indices into the subset; None if no file lists them."""
    info = fields.find_file(folder, "model_info.mat")
    if info:
        keypoints = fields.read_mat(info, (), ("keypoints",)).get("keypoints")
        if keypoints:
            return fields.landmarks(keypoints, vertex_count, MATLAB_FIRST)
    deep3d = fields.find_file(folder, _DEEP3D_KEYPOINTS)
    front = fields.find_file(folder, _DEEP3D_FRONT)
    if not (deep3d and front):
        return None
    index = fields.vertex_indices(
        fields.read_mat(front, ("idx",))["idx"], vertex_count, MATLAB_FIRST
    )
    keypoints = fields.read_mat(deep3d, ("keypoints",))["keypoints"]
    return index.reshape(-1)[fields.landmarks(keypoints, index.size, MATLAB_FIRST)]


def _read_3ddfa_expression(path: pathlib.Path) -> _ExpressionModel:
    found = fields.read_mat(path, ("mu_exp", "w_exp", "sigma_exp"))
    mean = fields.points(found["mu_exp"])
    basis = fields.basis(found["w_exp"], len(mean))
    std = fields.standard_deviations(found["sigma_exp"], basis.shape[-1])
    return _ExpressionModel(mean, Components(basis, std))


def _read_guo_expression(folder: pathlib.Path, path: pathlib.Path) -> _ExpressionModel:
    """Reads Guo's expressions; their mean is replaced by zero."""
    size = path.stat().st_size
    with fields.reading(path):
        count = int(np.fromfile(path, "<i4", 1)[0])
        numbers = np.fromfile(path, "<f4", offset=4)
    if count < 1 or size % 4 or numbers.size % (3 * (1 + count)):
        raise FaceModelError(
            f"Cannot read {path}: it declares {count} components, and the remaining {size - 4} bytes are not a mean "
            "and that number of components. The file is truncated or of another kind."
        )
    rows = fields.as_field(path, "", numbers).values.reshape(1 + count, -1, 3)
    std_file = fields.require_file(folder, _GUO_STD)
    std = fields.standard_deviations(fields.read_numbers(std_file), count)
    return _ExpressionModel(np.zeros_like(rows[0]), Components(np.moveaxis(rows[1:], 0, -1), std))
