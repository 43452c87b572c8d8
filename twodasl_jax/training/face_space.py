"""The face model as training sees it: few points, a whitening, and the way from a vector to both."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    Whitening,
    coefficients_from_official,
)
from twodasl_jax.geometry.mirroring import CoefficientMirror, coefficient_mirror
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    point_space,
    synthesize,
)
from twodasl_jax.geometry.projection import (
    camera_from_affine,
    picture_from_model,
    picture_from_model_affine,
)

# The depth offset, for example, is always zero.
_SMALLEST_STD = 1e-6


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceSpace:
    """The parts of the face model that training needs.

    Attributes:
      landmarks: rows of the 68 landmarks.
      vertices: rows of the points of the vertex distance cost.
      mirror: what mirroring does to coefficients.
      whitening: of the coefficient vectors.
    """

    landmarks: ShapeSpace
    vertices: ShapeSpace
    mirror: CoefficientMirror
    whitening: Whitening

    def coefficients(self, vectors: Float[Array, "*batch C"]) -> Coefficients:
        """Reads official vectors (not whitened) with as many coefficients as the model has."""
        return coefficients_from_official(vectors, len(self.landmarks.shape_std))

    def affine_landmarks(self, vectors: Float[Array, "*batch C"]) -> Float[Array, "*batch 68 3"]:
        """Returns the landmarks of official vectors by their whole 3x4 matrix, so that each entry moves them."""
        coefficients = self.coefficients(vectors)
        points = synthesize(self.landmarks, coefficients.shape, coefficients.expression)
        return picture_from_model_affine(coefficients.affine, points)


def project(coefficients: Coefficients, space: ShapeSpace) -> Float[Array, "*batch N 3"]:
    """Returns the points of a batch of coefficients in the crop frame, by weak perspective."""
    points = synthesize(space, coefficients.shape, coefficients.expression)
    return picture_from_model(camera_from_affine(coefficients.affine), points)


def whitening_of(vectors: Float[np.ndarray, "N C"]) -> Whitening:
    """Returns mean and standard deviation of official vectors; an entry that never varies keeps its unit."""
    std = vectors.std(axis=0)
    return Whitening(
        vectors.mean(axis=0).astype(np.float32),
        np.where(std > _SMALLEST_STD, std, 1.0).astype(np.float32),
    )


def build_space(model: MorphableModel, whitening: Whitening, vertices: str | int) -> FaceSpace:
    """Returns the face model as training sees it.

    Args:
      model: face model.
      whitening: of the vectors that the network predicts.
      vertices: points of the vertex distance cost: "landmarks", "all", or how many vertices, the same in every run.

    Raises:
      ConfigError: the model has no such vertices.
    """
    landmarks = landmark_space(model)
    return FaceSpace(
        landmarks=jax.tree.map(jnp.asarray, landmarks),
        vertices=jax.tree.map(jnp.asarray, _vertex_space(model, landmarks, vertices)),
        mirror=coefficient_mirror(model),
        whitening=whitening,
    )


def _vertex_space(model: MorphableModel, landmarks: ShapeSpace, vertices: str | int) -> ShapeSpace:
    count = len(model.mean)
    if vertices == "landmarks":
        return landmarks
    if vertices == "all":
        chosen = np.arange(count)
    elif isinstance(vertices, int) and 0 < vertices <= count:
        chosen = np.sort(np.random.default_rng(0).choice(count, vertices, replace=False))
    else:
        raise ConfigError(
            f"vertices={vertices!r}: use 'landmarks', 'all' or a number from 1 to {count}"
        )
    corners = np.repeat(chosen[:, None], 3, axis=1).astype(np.int32)
    return point_space(model, corners, np.tile(np.array([1, 0, 0], np.float32), (len(chosen), 1)))
