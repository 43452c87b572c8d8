"""The 3D morphable model: S = mean + A_s a_s + A_e a_e (2DASL, section 3.1)."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from twodasl_jax.array_types import Array, exact, typed


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ShapeSpace:
    """Points that move linearly with shape and expression coefficients.

    Coefficients are in standard deviations, so that a standard normal vector is a random face.

    Attributes:
      mean: (V, 3) points of the mean face, model frame, mm.
      shape_basis: (V, 3, S) displacement directions of identity.
      shape_std: (S,) standard deviation of each shape component.
      expression_basis: (V, 3, E) displacement directions of expression.
      expression_std: (E,) standard deviation of each expression component.
    """

    mean: Float[Array, "V 3"]
    shape_basis: Float[Array, "V 3 S"]
    shape_std: Float[Array, " S"]
    expression_basis: Float[Array, "V 3 E"]
    expression_std: Float[Array, " E"]


@dataclasses.dataclass(frozen=True)
class LandmarkRows:
    """P points on a mesh, given barycentrically.

    Attributes:
      vertices: (P, 3) the corners of the triangle that each point lies in.
      weights: (P, 3) its barycentric weights there; rows sum to one.
    """

    vertices: Int[Array, "P 3"]
    weights: Float[Array, "P 3"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MorphableModel(ShapeSpace):
    """A 3D face model: a shape space on the vertices of a mesh, with what the mesh means.

    Attributes (beside those of `ShapeSpace`):
      triangles: (F, 3) vertex indices, counter-clockwise seen from outside.
      landmark_vertices: (68, 3) the corners of the triangle that each iBUG landmark lies in.
      landmark_weights: (68, 3) its barycentric weights there; rows sum to one.
      uv: (U, 2) texture coordinates in [0, 1], v up.
      uv_triangles: (F, 3) indices into `uv`, corner by corner as in `triangles`.
      mirror: (V,) index of the vertex on the other side of the face; an involution.
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
    """Returns the points of faces with the given coefficients.

    Args:
      space: a whole `MorphableModel`, or the few rows of one that are wanted (`landmark_space`).
      shape: (..., S) shape coefficients, in standard deviations.
      expression: (..., E) expression coefficients, in standard deviations.

    Returns:
      (..., V, 3) points, model frame.

    Raises:
      ValueError: the number of coefficients is not the number of components.
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


@typed
def component_matrix(space: ShapeSpace) -> Float[Array, "K N"]:
    """Returns the displacements (K, V * 3) of all points by one standard deviation of each component, identity's first.

    With it `synthesize_with` is one product, where `synthesize` is two with longer strides.
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
    """Returns what `synthesize` does, from the mean and the `component_matrix` of the space."""
    displacements = jnp.concatenate([shape, expression], axis=-1) @ matrix
    return mean + displacements.reshape(*displacements.shape[:-1], *mean.shape)


@typed
@exact
def barycentric(
    vertices: Float[Array, "*batch V 3"],
    corners: Int[Array, "P 3"],
    weights: Float[Array, "P 3"],
) -> Float[Array, "*batch P 3"]:
    """Returns points that are given barycentrically on a mesh, in the frame of its vertices.

    Args:
      vertices: (..., V, 3) the mesh, in any frame that is affine to the model's.
      corners: (P, 3) vertex indices of the triangle of each point.
      weights: (P, 3) barycentric weights.
    """
    return jnp.einsum("pk,...pkd->...pd", weights, vertices[..., corners, :])


def _check_count(name: str, given: int, expected: int) -> None:
    if given != expected:
        raise ValueError(
            f"{given} {name} coefficients for a face model with {expected} {name} components: "
            "cut the model with `truncate` or pass as many coefficients as it has"
        )


@typed
def landmark_space(model: MorphableModel) -> ShapeSpace:
    """Returns the rows of the 68 landmarks, so that training never touches the other vertices."""
    return point_space(model, model.landmark_vertices, model.landmark_weights)


@typed
def with_landmarks(
    model: MorphableModel, vertices: Int[Array, "68 3"], weights: Float[Array, "68 3"]
) -> MorphableModel:
    """Returns the model with its landmarks elsewhere on its mesh: another annotator's, or another model's.

    Args:
      model: face model.
      vertices: (68, 3) corner indices of the triangle of each landmark.
      weights: (68, 3) barycentric weights.
    """
    return dataclasses.replace(model, landmark_vertices=vertices, landmark_weights=weights)


@typed
@exact
def point_space(
    space: ShapeSpace, vertices: Int[Array, "P 3"], weights: Float[Array, "P 3"]
) -> ShapeSpace:
    """Returns the shape space of points that are given barycentrically on a mesh.

    Args:
      space: the space of the mesh's V vertices.
      vertices: (P, 3) corner indices of the triangle of each point.
      weights: (P, 3) barycentric weights.

    Returns:
      A space of P points with the same components.
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
    """Returns the points of two spaces of the same components as one, the first's before the second's."""

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

    Raises:
      ValueError: the model has fewer components than asked for.
    """
    for name, wanted, held in (
        ("shape", shape_count, model.shape_std.shape[0]),
        ("expression", expression_count, model.expression_std.shape[0]),
    ):
        if not 0 <= wanted <= held:
            raise ValueError(f"{wanted} {name} components wanted, but the model holds {held}")
    return dataclasses.replace(
        model,
        shape_basis=model.shape_basis[..., :shape_count],
        shape_std=model.shape_std[:shape_count],
        expression_basis=model.expression_basis[..., :expression_count],
        expression_std=model.expression_std[:expression_count],
    )
