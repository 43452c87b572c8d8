"""Basel's face model of 2009 with an expression basis that others made for it.

The folder holds one file of each row, the first that is there being taken:

    identity      Model_Shape.mat         3DDFA's cut of it: mu_shape, w, sigma, tri and keypoints, 53,215 vertices
                  01_MorphableModel.mat   Basel's own: shapeMU, shapePC, shapeEV (standard deviations) and tl, 53,490
    expression    Model_Exp.mat           3DDFA's: mu_exp, w_exp, sigma_exp; also named Model_Expression.mat
                  Exp_Pca.bin             Guo's: int32 K, float32 mean (3 V,), float32 basis (K, 3 V); and std_exp.txt
    the cut       model_info.mat          trimIndex: which vertices of 01_MorphableModel.mat the expressions have
                  BFM_exp_idx.mat         the same, in Deep3DFaceReconstruction
    landmarks     Model_Shape.mat         keypoints
                  model_info.mat          keypoints
                  facemodel_info.mat      keypoints of Deep3DFaceReconstruction, among the vertices of BFM_front_idx.mat

All is in micrometres, and MATLAB counts from 1. Expressions add their mean to the mean face with Model_Exp.mat, as
300W-LP's and 3DDFA's coefficients expect; with Exp_Pca.bin they do not, as Deep3DFaceReconstruction's expect.

References:
  Paysan et al., A 3D Face Model for Pose and Illumination Invariant Face Recognition, 2009.
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017.
  Guo et al., CNN-based Real-time Dense Face Reconstruction with Inverse-rendered Photo-realistic Face Images, 2018.
"""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import fields
from twodasl_jax.face_model_formats.source_model import Components, SourceModel

MILLIMETRES = 1e-3
MATLAB = 1  # the number of the first vertex

_WHOLE, _CUT = "01_MorphableModel.mat", "Model_Shape.mat"
_EXPRESSIONS = ("Model_Exp.mat", "Model_Expression.mat")
_GUO, _GUO_DEVIATIONS = "Exp_Pca.bin", "std_exp.txt"
_CUT_LISTS = ("model_info.mat", "BFM_exp_idx.mat")
_DEEP3D_KEYPOINTS, _DEEP3D_FRONT = "facemodel_info.mat", "BFM_front_idx.mat"


@dataclasses.dataclass(frozen=True, eq=False)
class _Identities:
    """A mean face and how faces differ from it, on a mesh; the attributes of `SourceModel`."""

    mean: Float[np.ndarray, "V 3"]
    shape: Components
    triangles: Int[np.ndarray, "F 3"]
    landmarks: Int[np.ndarray, " 68"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class _Expressions:
    """Expressions, and what they add to the mean face, (V, 3)."""

    mean: Float[np.ndarray, "V 3"]
    components: Components


def read_basel_2009(folder: pathlib.Path) -> SourceModel:
    """Returns the model of a folder, with all of its components.

    Args:
      folder: see above.

    Raises:
      FaceModelError: a file is missing or damaged, or the files do not fit together.
    """
    # Before the identities, which take longer.
    path = fields.needed(folder, *_EXPRESSIONS, _GUO)
    expressions = _guos(folder, path) if path.name == _GUO else _3ddfas(path)
    vertex_count = len(expressions.mean)
    identities = _identities(folder, vertex_count)
    if len(identities.mean) != vertex_count:
        raise FaceModelError(
            f"The expressions of {path} are for {vertex_count} vertices, the mean face has {len(identities.mean)}: "
            "they are not of the same mesh."
        )
    return SourceModel(
        path=folder,
        mean=identities.mean + expressions.mean,
        shape=identities.shape,
        expression=expressions.components,
        triangles=identities.triangles,
        millimetres=MILLIMETRES,
        landmarks=identities.landmarks,
        has_published_vectors=path.name in _EXPRESSIONS,
    )


def _identities(folder: pathlib.Path, vertex_count: int) -> _Identities:
    """Reads 3DDFA's file, or Basel's and cuts that to so many vertices if it has others."""
    path = fields.needed(folder, _CUT, _WHOLE)
    return _cut_identities(path) if path.name == _CUT else _whole_identities(path, vertex_count)


def _cut_identities(path: pathlib.Path) -> _Identities:
    found = fields.read_mat(path, ("mu_shape", "w", "sigma", "tri"), ("keypoints",))
    mean = fields.points(found["mu_shape"])
    basis = fields.basis(found["w"], len(mean))
    keypoints = found.get("keypoints")
    return _Identities(
        mean,
        Components(basis, fields.deviations(found["sigma"], basis.shape[-1])),
        fields.triangles(found["tri"], len(mean), MATLAB),
        fields.landmarks(keypoints, len(mean), MATLAB) if keypoints else None,
    )


def _whole_identities(path: pathlib.Path, vertex_count: int) -> _Identities:
    found = fields.read_mat(path, ("shapeMU", "shapePC", "shapeEV", "tl"))
    mean = fields.points(found["shapeMU"])
    basis = fields.basis(found["shapePC"], len(mean))
    std = fields.deviations(found["shapeEV"], basis.shape[-1])
    triangles = fields.triangles(found["tl"], len(mean), MATLAB)
    if len(mean) == vertex_count:
        return _Identities(mean, Components(basis, std), triangles, None)
    kept = _kept(fields.needed(path.parent, *_CUT_LISTS), len(mean), vertex_count)
    return _Identities(
        mean[kept],
        Components(basis[kept], std),
        _triangles_between(kept, triangles, len(mean)),
        _landmarks(path.parent, vertex_count),
    )


def _kept(path: pathlib.Path, vertex_count: int, kept_count: int) -> Int[np.ndarray, " N"]:
    """Returns which vertices of Basel's mesh are left, in their new order."""
    field = fields.read_mat(path, ("trimIndex",))["trimIndex"]
    if field.values.size != kept_count:
        raise FaceModelError(
            f"Cannot use {field.name}: it keeps {field.values.size} vertices, the expressions are for {kept_count}."
        )
    return fields.vertex_numbers(field, vertex_count, MATLAB).reshape(-1)


def _triangles_between(
    kept: Int[np.ndarray, " N"], triangles: Int[np.ndarray, "F 3"], vertex_count: int
) -> Int[np.ndarray, "G 3"]:
    """Returns the triangles of which all vertices are left, in the new numbers."""
    gone = -1
    new = np.full(vertex_count, gone)
    new[kept] = np.arange(len(kept))
    renumbered = new[triangles]
    return renumbered[(renumbered != gone).all(axis=1)]


def _landmarks(folder: pathlib.Path, vertex_count: int) -> Int[np.ndarray, " 68"] | None:
    """Returns the landmarks among the vertices that are left, if one of the files says which they are."""
    info = fields.existing(folder, "model_info.mat")
    if info:
        keypoints = fields.read_mat(info, (), ("keypoints",)).get("keypoints")
        if keypoints:
            return fields.landmarks(keypoints, vertex_count, MATLAB)
    deep3d = fields.existing(folder, _DEEP3D_KEYPOINTS)
    front = fields.existing(folder, _DEEP3D_FRONT)
    if not (deep3d and front):
        return None
    index = fields.vertex_numbers(fields.read_mat(front, ("idx",))["idx"], vertex_count, MATLAB)
    keypoints = fields.read_mat(deep3d, ("keypoints",))["keypoints"]
    return index.reshape(-1)[fields.landmarks(keypoints, index.size, MATLAB)]


def _3ddfas(path: pathlib.Path) -> _Expressions:
    """Reads 3DDFA's expressions."""
    found = fields.read_mat(path, ("mu_exp", "w_exp", "sigma_exp"))
    mean = fields.points(found["mu_exp"])
    basis = fields.basis(found["w_exp"], len(mean))
    std = fields.deviations(found["sigma_exp"], basis.shape[-1])
    return _Expressions(mean, Components(basis, std))


def _guos(folder: pathlib.Path, path: pathlib.Path) -> _Expressions:
    """Reads Guo's expressions, without their mean."""
    size = path.stat().st_size
    with fields.reading(path):
        count = int(np.fromfile(path, "<i4", 1)[0])
        numbers = np.fromfile(path, "<f4", offset=4)
    if count < 1 or size % 4 or numbers.size % (3 * (1 + count)):
        raise FaceModelError(
            f"Cannot read {path}: after its first four bytes, which announce {count} components, {size - 4} bytes are "
            "no mean face and so many components: it is cut off, or another file."
        )
    rows = fields.field_of(path, "", numbers).values.reshape(1 + count, -1, 3)
    std = fields.deviations(fields.read_numbers(fields.needed(folder, _GUO_DEVIATIONS)), count)
    return _Expressions(np.zeros_like(rows[0]), Components(np.moveaxis(rows[1:], 0, -1), std))
