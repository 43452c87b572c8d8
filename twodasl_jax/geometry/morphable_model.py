"""The face model, a 3D morphable model (3DMM): S = mean + A_s a_s + A_e a_e (2DASL, section 3.1)."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from twodasl_jax.array_types import Array, exact, typed


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ShapeSpace:
    """Points that depend linearly on shape and expression coefficients.

    Coefficients are in standard deviations, so a standard normal vector gives a random face.

    Attributes:
      mean: (V, 3) the points of the mean face, in the model frame, in mm.
      shape_basis: (V, 3, S) the displacement of each point by each shape component.
      shape_std: (S,) the standard deviation of each shape component.
      expression_basis: (V, 3, E) the displacement of each point by each expression component.
      expression_std: (E,) the standard deviation of each expression component.
    """

    mean: Float[Array, "V 3"]
    shape_basis: Float[Array, "V 3 S"]
    shape_std: Float[Array, " S"]
    expression_basis: Float[Array, "V 3 E"]
    expression_std: Float[Array, " E"]


@dataclasses.dataclass(frozen=True)
class LandmarkRows:
    """P points on a mesh in barycentric coordinates.

    Attributes:
      vertices: (P, 3) the vertex indices of the triangle that contains each point.
      weights: (P, 3) the barycentric weights of each point; rows sum to one.
    """

    vertices: Int[Array, "P 3"]
    weights: Float[Array, "P 3"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MorphableModel(ShapeSpace):
    """A face model: a shape space of mesh vertices, with triangles, landmarks, texture and symmetry.

    Attributes (in addition to those of `ShapeSpace`):
      triangles: (F, 3) the vertex indices of the triangles, counter-clockwise seen from outside.
      landmark_vertices: (68, 3) the vertex indices of the triangle that contains each landmark.
      landmark_weights: (68, 3) the barycentric weights of each landmark; rows sum to one.
      uv: (U, 2) the texture coordinates in [0, 1], v up.
      uv_triangles: (F, 3) the indices into `uv` of the corners of `triangles`, in the same order.
      mirror: (V,) the index of the mirror vertex on the other side of the face; an involution.
    """

    triangles: Int[Array, "F 3"]
    landmark_vertices: Int[Array, "L 3"]
    landmark_weights: Float[Array, "L 3"]
    uv: Float[Array, "U 2"]
    uv_triangles: Int[Array, "F 3"]
    mirror: Int[Array, " V"]


@typed
@exact
def synthesize(
    space: ShapeSpace,
    shape: Float[Array, "*batch S"],
    expression: Float[Array, "*batch E"],
) -> Float[Array, "*batch V 3"]:
    """Computes the points of faces from their coefficients.

    Args:
      space: a `MorphableModel`, or the shape space of some of its points (`landmark_space`).
      shape: (..., S) shape coefficients, in standard deviations.
      expression: (..., E) expression coefficients, in standard deviations.

    Returns:
      (..., V, 3) points in the model frame.

    Raises:
      ValueError: if the number of coefficients differs from the number of components.
    """
    _check_count("shape", shape.shape[-1], space.shape_std.shape[0])
    _check_count("expression", expression.shape[-1], space.expression_std.shape[0])
    identity = _combine(space.shape_basis, shape * space.shape_std)
    return _add(
        space.mean, identity, _combine(space.expression_basis, expression * space.expression_std)
    )


@typed
def _add(
    mean: Float[Array, "V 3"],
    identity: Float[Array, "*batch V 3"],
    expression: Float[Array, "*batch V 3"],
) -> Float[Array, "*batch V 3"]:
    return mean + identity + expression


def _combine(
    basis: Float[Array, "V 3 K"], amplitudes: Float[Array, "*batch K"]
) -> Float[Array, "*batch V 3"]:
    return jnp.tensordot(amplitudes, basis, axes=(-1, -1))


def _check_count(name: str, given: int, expected: int) -> None:
    if given != expected:
        raise ValueError(
            f"{given} {name} coefficients for a face model with {expected} {name} components: "
            f"pass {expected} coefficients or shorten the model with `truncate`"
        )


@typed
def component_matrix(space: ShapeSpace) -> Float[Array, "K N"]:
    """Returns the displacements of all points by one standard deviation of each component.

    With this matrix, `synthesize_with` needs one matrix product; `synthesize` needs two with longer
    strides.

    Returns:
      (S + E, V * 3) displacements; shape components come first.
    """
    components = jnp.concatenate(
        [
            space.shape_basis * space.shape_std,
            space.expression_basis * space.expression_std,
        ],
        axis=-1,
    )
    return components.reshape(-1, components.shape[-1]).T


@typed
@exact
def synthesize_with(
    mean: Float[Array, "V 3"],
    shape: Float[Array, "*batch S"],
    expression: Float[Array, "*batch E"],
    matrix: Float[Array, "S+E V*3"],
) -> Float[Array, "*batch V 3"]:
    """Computes the same points as `synthesize` with one matrix product.

    Args:
      mean: (V, 3) the mean of the shape space.
      shape: (..., S) shape coefficients, in standard deviations.
      expression: (..., E) expression coefficients, in standard deviations.
      matrix: (S + E, V * 3) the `component_matrix` of the shape space.

    Returns:
      (..., V, 3) points in the model frame.
    """
    displacements = jnp.concatenate([shape, expression], axis=-1) @ matrix
    return mean + displacements.reshape(*displacements.shape[:-1], *mean.shape)


@typed
@exact
def barycentric(
    vertices: Float[Array, "*batch V 3"],
    corners: Int[Array, "P 3"],
    weights: Float[Array, "P 3"],
) -> Float[Array, "*batch P 3"]:
    """Computes points on a mesh from their barycentric coordinates.

    Args:
      vertices: (..., V, 3) the mesh vertices, in any affine transform of the model frame.
      corners: (P, 3) the vertex indices of the triangle that contains each point.
      weights: (P, 3) the barycentric weights of each point.

    Returns:
      (..., P, 3) points in the frame of the vertices.
    """
    return jnp.einsum("pk,...pkd->...pd", weights, vertices[..., corners, :])


@typed
def landmark_space(model: MorphableModel) -> ShapeSpace:
    """Returns the shape space of the 68 landmarks, so that training skips all other vertices."""
    return point_space(model, model.landmark_vertices, model.landmark_weights)


@typed
def with_landmarks(
    model: MorphableModel, vertices: Int[Array, "68 3"], weights: Float[Array, "68 3"]
) -> MorphableModel:
    """Returns the model with other landmarks, for example those of another mark-up or model.

    Args:
      model: the face model.
      vertices: (68, 3) the vertex indices of the triangle that contains each landmark.
      weights: (68, 3) the barycentric weights of each landmark.
    """
    return dataclasses.replace(model, landmark_vertices=vertices, landmark_weights=weights)


@typed
@exact
def point_space(
    space: ShapeSpace, vertices: Int[Array, "P 3"], weights: Float[Array, "P 3"]
) -> ShapeSpace:
    """Returns the shape space of points on a mesh from their barycentric coordinates.

    Args:
      space: the shape space of the V mesh vertices.
      vertices: (P, 3) the vertex indices of the triangle that contains each point.
      weights: (P, 3) the barycentric weights of each point.

    Returns:
      A shape space of P points with the same components.
    """

    def rows(values):
        return jnp.einsum("pk,pk...->p...", weights, jnp.asarray(values)[vertices])

    return ShapeSpace(
        mean=rows(space.mean),
        shape_basis=rows(space.shape_basis),
        shape_std=space.shape_std,
        expression_basis=rows(space.expression_basis),
        expression_std=space.expression_std,
    )


@typed
def join_spaces(first: ShapeSpace, second: ShapeSpace) -> ShapeSpace:
    """Concatenates the points of two shape spaces with the same components."""

    def joined(one, other):
        return jnp.concatenate([jnp.asarray(one), jnp.asarray(other)])

    return ShapeSpace(
        mean=joined(first.mean, second.mean),
        shape_basis=joined(first.shape_basis, second.shape_basis),
        shape_std=first.shape_std,
        expression_basis=joined(first.expression_basis, second.expression_basis),
        expression_std=first.expression_std,
    )


@typed
def truncate(model: MorphableModel, shape_count: int, expression_count: int) -> MorphableModel:
    """Returns the model with its first (most important) components only.

    Args:
      model: the face model.
      shape_count: the number of shape components to keep.
      expression_count: the number of expression components to keep.

    Raises:
      ValueError: if a count is negative or exceeds the number of components.
    """
    for name, count, available in (
        ("shape", shape_count, model.shape_std.shape[0]),
        ("expression", expression_count, model.expression_std.shape[0]),
    ):
        if not 0 <= count <= available:
            raise ValueError(
                f"cannot keep {count} {name} components of a face model that has {available}: "
                f"choose 0 to {available}"
            )
    return dataclasses.replace(
        model,
        shape_basis=model.shape_basis[..., :shape_count],
        shape_std=model.shape_std[:shape_count],
        expression_basis=model.expression_basis[..., :expression_count],
        expression_std=model.expression_std[:expression_count],
    )
