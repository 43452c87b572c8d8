"""Assembly of the face model's file from MakeHuman's data."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.models.expression_units.activation import twin_of
from twodasl_jax.models.expression_units.units import vertex_metric

from . import basis, expressions, landmarks, lips, population, region
from .makehuman import MakeHuman

SEED = 20261122
NUM_FACES = 20_000
SHAPE_COMPONENTS = 80
EXPRESSION_COMPONENTS = 20
# The expression components of the 62-vector; `share_mouth_opening` rotates only these.
DEFAULT_EXPRESSION_COMPONENTS = 10
# The population statistics come from a model of scanned adults. Photos show more variety, so this
# factor widens the standard deviations.
SHAPE_SPREAD = 1.4
# The lips must not intersect up to this number of standard deviations of a component. A component
# that violates this is shortened by the largest safe of these factors.
LIP_SIGMAS = 2.0
LIP_SHARES = np.linspace(1.0, 0.05, 39)
# The rounding step of the displacements at one standard deviation, mm, so that the file compresses.
ROUNDING = 0.004

_MIDDLE_OF_INNER_LIPS = [62, 66]
_MIRROR_X = np.array([-1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Face:
    """The mesh of the face with its landmarks and lips.

    Attributes:
      mesh: the mesh.
      landmark_vertices: (68, 3) the vertices of each landmark.
      landmark_weights: (68, 3) their weights; each row sums to one.
      lips: the triangles of the lips.
    """

    mesh: region.Region
    landmark_vertices: Int[np.ndarray, "68 3"]
    landmark_weights: Float[np.ndarray, "68 3"]
    lips: lips.Lips


def build(source: MakeHuman) -> dict[str, np.ndarray]:
    """Returns the arrays of the face model's file by name.

    The names are those of `twodasl_jax.geometry.morphable_model.MorphableModel`. Additional arrays are
    `triangle_parts` (0 skin, 1 eye, 2 mouth), the `metric` of the components, `expression_units` in mm,
    `expression_unit_names`, and the activations of the mean face, `expression_units_at_rest`.

    Args:
      source: the MakeHuman data.
    """
    face = find_face(source)
    people = population.sample_population(source, np.random.default_rng(SEED), NUM_FACES)
    identity = symmetric(on_face(people.fields, face.mesh), face.mesh)
    names = source.expression_unit_names
    units = on_face(np.stack([source.expression_unit(name) for name in names]), face.mesh)
    units = twin_symmetric(units, names, face.mesh)

    mean = mean_face(source, face, people.weights.mean(axis=0), identity, units)
    skin = face.mesh.triangles[face.mesh.parts == region.SKIN]
    metric = vertex_metric(mean, skin, face.landmark_vertices, face.landmark_weights)
    shape = shape_components(face, mean, metric, identity, np.cov(people.weights.T))
    expression = expression_components(face, mean, metric, units, names)
    return {
        **_mesh_arrays(face),
        "mean": mean.astype(np.float32),
        "metric": metric.astype(np.float32),
        "shape_basis": _rounded(shape).astype(np.float16),
        "shape_std": shape.std.astype(np.float32),
        "expression_basis": _rounded(expression).astype(np.float16),
        "expression_std": expression.std.astype(np.float32),
        "expression_units": units.transpose(1, 2, 0).astype(np.float16),
        "expression_unit_names": np.array(names),
        "expression_units_at_rest": expressions.relaxed_activations(names).astype(np.float32),
    }


def find_face(source: MakeHuman) -> Face:
    """Returns the face, cut out of the base mesh."""
    mesh = region.face_region(source.base, source.mirror)
    index = face_vertex_indices(mesh)
    vertices, weights = landmarks.landmark_rows(source.mirror)
    contact = region.cavity_loop(source.base, 0)
    return Face(mesh, index[vertices], weights, lips.find_lips(mesh.triangles, index[contact]))


def face_vertex_indices(mesh: region.Region) -> Int[np.ndarray, " N"]:
    """Returns the index of each base-mesh vertex in the face, -1 if it was moved or removed."""
    index = np.full(mesh.matrix.shape[1], -1)
    entries = mesh.matrix.tocoo()
    whole = entries.data == 1.0
    index[entries.col[whole]] = entries.row[whole]
    return index


def on_face(fields: Float[np.ndarray, "K N 3"], mesh: region.Region) -> Float[np.ndarray, "K V 3"]:
    """Returns displacements of the face from those of the base mesh."""
    return np.stack([mesh.matrix @ field for field in fields])


def symmetric(
    fields: Float[np.ndarray, "K V 3"], mesh: region.Region
) -> Float[np.ndarray, "K V 3"]:
    """Returns the symmetric parts of displacement fields."""
    return (fields + fields[:, mesh.mirror] * _MIRROR_X) / 2.0


def twin_symmetric(
    units: Float[np.ndarray, "K V 3"], names: list[str], mesh: region.Region
) -> Float[np.ndarray, "K V 3"]:
    """Returns expression units with left and right units as exact mirror images of each other."""
    twin = [names.index(twin_of(name)) for name in names]
    return (units + units[twin][:, mesh.mirror] * _MIRROR_X) / 2.0


def mean_face(
    source: MakeHuman,
    face: Face,
    identity_weights: Float[np.ndarray, " K"],
    identity: Float[np.ndarray, "K V 3"],
    units: Float[np.ndarray, "E V 3"],
) -> Float[np.ndarray, "V 3"]:
    """Returns the mean identity with relaxed lips; its origin is the mean of the landmarks."""
    relaxed = expressions.relaxed_activations(source.expression_unit_names)
    mean = face.mesh.matrix @ source.base.vertices
    mean = mean + np.tensordot(identity_weights, identity, axes=1)
    mean = symmetric((mean + np.tensordot(relaxed, units, axes=1))[None], face.mesh)[0]
    points = np.einsum("lk,lkc->lc", face.landmark_weights, mean[face.landmark_vertices])
    return mean - points.mean(axis=0)


def shape_components(
    face: Face,
    mean: Float[np.ndarray, "V 3"],
    metric: Float[np.ndarray, " V"],
    fields: Float[np.ndarray, "K V 3"],
    covariance: Float[np.ndarray, "K K"],
) -> basis.Components:
    """Returns the shape components, without changes of pose and size."""
    fields = basis.without_similarities(fields, mean, metric)
    components = basis.principal_components(fields, covariance, metric, SHAPE_COMPONENTS)
    components = dataclasses.replace(components, std=SHAPE_SPREAD * components.std)
    return lip_safe(components, mean, face.lips)


def expression_components(
    face: Face,
    mean: Float[np.ndarray, "V 3"],
    metric: Float[np.ndarray, " V"],
    units: Float[np.ndarray, "K V 3"],
    names: list[str],
) -> basis.Components:
    """Returns the expression components."""
    covariance = expressions.activation_covariance(names)
    components = basis.principal_components(units, covariance, metric, EXPRESSION_COMPONENTS)
    components = share_mouth_opening(components, metric, face, DEFAULT_EXPRESSION_COMPONENTS)
    return lip_safe(components, mean, face.lips)


def share_mouth_opening(
    components: basis.Components, metric: Float[np.ndarray, " V"], face: Face, count: int
) -> basis.Components:
    """Rotates the symmetric ones of the first components so that all open the mouth equally far.

    One principal component has nearly all of the opening, and minus one standard deviation of it
    closes the mouth far past contact. A rotation of the coefficients distributes the opening. It changes
    neither their standard normal prior nor the set of faces.

    Args:
      components: expression components, each symmetric or antisymmetric.
      metric: (V,) the weight of each vertex.
      face: the mesh and its landmarks.
      count: the number of components to rotate.

    Returns:
      Components with independent coefficients; the rotated ones are not orthogonal.
    """
    scaled = components.basis * components.std
    upper, lower = face.landmark_vertices[_MIDDLE_OF_INNER_LIPS, 0]
    opening = scaled[upper, 1, :count] - scaled[lower, 1, :count]
    mirrored = scaled[face.mesh.mirror, :, :count] * _MIRROR_X[:, None]
    is_symmetric = np.einsum("vcn,vcn->n", mirrored, scaled[..., :count]) > 0
    equal = is_symmetric * np.linalg.norm(opening) / np.sqrt(is_symmetric.sum())
    axis = opening - equal
    reflection = np.eye(count) - 2.0 * np.outer(axis, axis) / (axis @ axis)
    scaled[..., :count] = scaled[..., :count] @ reflection
    std = np.sqrt(np.einsum("v,vcn->n", metric, scaled**2))
    return basis.Components(scaled / std, std)


def lip_safe(
    components: basis.Components, mean: Float[np.ndarray, "V 3"], face_lips: lips.Lips
) -> basis.Components:
    """Reduces the standard deviations of components that make the lips intersect.

    A Gaussian coefficient has both signs, but a closed mouth cannot close further. Such a component keeps
    its direction. Its standard deviation is reduced until the lips only touch at `LIP_SIGMAS` of it.
    """
    std = components.std.copy()
    for i in range(len(std)):
        reach = LIP_SIGMAS * components.basis[..., i] * std[i]
        safe = (
            share
            for share in LIP_SHARES
            if not any(lips.count_crossings(mean + s * share * reach, face_lips) for s in (-1, 1))
        )
        std[i] *= next(safe, LIP_SHARES[-1])
    return dataclasses.replace(components, std=std)


def _rounded(components: basis.Components) -> Float[np.ndarray, "V 3 C"]:
    step = ROUNDING / components.std
    return np.round(components.basis / step) * step


def _mesh_arrays(face: Face) -> dict[str, np.ndarray]:
    return {
        "triangles": face.mesh.triangles.astype(np.int32),
        "triangle_parts": face.mesh.parts.astype(np.uint8),
        "uv": face.mesh.uv.astype(np.float32),
        "uv_triangles": face.mesh.uv_triangles.astype(np.int32),
        "mirror": face.mesh.mirror.astype(np.int32),
        "landmark_vertices": face.landmark_vertices.astype(np.int32),
        "landmark_weights": face.landmark_weights.astype(np.float32),
    }
