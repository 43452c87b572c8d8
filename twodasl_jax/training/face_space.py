"""The parts of the face model that training uses."""

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
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.mirroring import CoefficientMirror, coefficient_mirror
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    point_space,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceSpace:
    """The parts of the face model that training uses.

    Attributes:
      landmarks: the shape space of the 68 landmarks.
      vertices: the shape space of the points of the vertex distance.
      mirror: the effect of mirroring on the coefficients.
      whitening: the whitening of the coefficient vectors.
    """

    landmarks: ShapeSpace
    vertices: ShapeSpace
    mirror: CoefficientMirror
    whitening: Whitening

    def coefficients(self, vectors: Float[Array, "*batch C"]) -> Coefficients:
        """Parses vectors in the official layout (not whitened), with the component counts of the model."""
        return coefficients_from_official(vectors, len(self.landmarks.shape_std))

    def affine_landmarks(self, vectors: Float[Array, "*batch C"]) -> Float[Array, "*batch 68 3"]:
        """Returns the landmarks of official vectors in the crop frame, projected by their full 3x4 matrix."""
        return decode(self.landmarks, self.coefficients(vectors))


def build_space(model: MorphableModel, whitening: Whitening, vertices: str | int) -> FaceSpace:
    """Returns the parts of a face model that training uses.

    Args:
      model: the face model.
      whitening: the whitening of the vectors that the network predicts.
      vertices: the points of the vertex distance: "landmarks", "all", or the size of a random subset of the vertices,
        which is the same in every run.

    Raises:
      ConfigError: `vertices` is invalid for this model.
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
