"""From MakeHuman's data to the arrays of the face model's file."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from experiments.face_model import basis, expressions, landmarks, lips, population, region
from experiments.face_model.makehuman import MakeHuman

SEED = 20261122
NUM_FACES = 20_000
SHAPE_COMPONENTS = 80
EXPRESSION_COMPONENTS = 20
DEFAULT_EXPRESSION_COMPONENTS = 10
# The identities behind the population's figures are a hundred scanned adults; photos show more
# variety. Their standard deviations are widened by this factor.
SHAPE_SPREAD = 1.4
# Components must not make the lips cut each other up to this many standard deviations.
LIP_SIGMAS = 2.0
# Displacements are rounded to this step at one standard deviation, mm, so that the file compresses.
ROUNDING = 0.004


@dataclasses.dataclass(frozen=True)
class Face:
    """The face's mesh and its landmark rows."""

    mesh: region.Region
    landmark_vertices: Int[np.ndarray, "68 3"]
    landmark_weights: Float[np.ndarray, "68 3"]
    lips: lips.Lips


def find_face(source: MakeHuman) -> Face:
    """Cuts the face out of the base mesh and finds its landmarks and lips."""
    mesh = region.face_region(source.base, source.mirror)
    number = base_vertex_numbers(mesh)
    vertices, weights = landmarks.landmark_rows(source.mirror)
    contact = region.cavity_loop(source.base, 0)
    return Face(mesh, number[vertices], weights, lips.find_lips(mesh.triangles, number[contact]))


def base_vertex_numbers(mesh: region.Region) -> Int[np.ndarray, " N"]:
    """For each vertex of the base mesh its number in the face, -1 if it is not there as it was."""
    number = np.full(mesh.matrix.shape[1], -1)
    entries = mesh.matrix.tocoo()
    whole = entries.data == 1.0
    number[entries.col[whole]] = entries.row[whole]
    return number


def landmark_positions(vertices: Float[np.ndarray, "V 3"], face: Face) -> Float[np.ndarray, "68 3"]:
    """The 68 landmarks of a face."""
    return np.einsum("lk,lkc->lc", face.landmark_weights, vertices[face.landmark_vertices])


def symmetric(fields: Float[np.ndarray, "K V 3"], mesh: region.Region) -> Float[np.ndarray, "K V 3"]:
    """The parts of displacement fields that are equal to their mirror images."""
    return (fields + fields[:, mesh.mirror] * [-1.0, 1.0, 1.0]) / 2.0


def twin_symmetric(
    units: Float[np.ndarray, "K V 3"], names: list[str], mesh: region.Region
) -> Float[np.ndarray, "K V 3"]:
    """Makes left and right expression units exact mirror images of each other."""
    twin = [names.index(expressions.twin_of(name)) for name in names]
    return (units + units[twin][:, mesh.mirror] * [-1.0, 1.0, 1.0]) / 2.0


def _on_face(fields: Float[np.ndarray, "K N 3"], mesh: region.Region) -> Float[np.ndarray, "K V 3"]:
    return np.stack([mesh.matrix @ field for field in fields])


def lip_safe(
    components: basis.Components, mean: Float[np.ndarray, "V 3"], face_lips: lips.Lips
) -> basis.Components:
    """Shortens the standard deviation of components that make the lips cut each other.

    A Gaussian has two sides, but a closed mouth cannot close further: such a component keeps its
    direction and its standard deviation shrinks until the lips only touch at `LIP_SIGMAS` of it.
    """
    steps = np.linspace(1.0, 0.05, 39)
    std = components.std.copy()
    for i in range(len(std)):
        reach = LIP_SIGMAS * components.basis[..., i] * std[i]
        safe = (
            step
            for step in steps
            if not any(lips.count_crossings(mean + s * step * reach, face_lips) for s in (-1, 1))
        )
        allowed = next(safe, steps[-1])
        std[i] *= allowed
    return dataclasses.replace(components, std=std)


def share_mouth_opening(
    components: basis.Components, metric: Float[np.ndarray, " V"], face: Face, count: int
) -> basis.Components:
    """Rotates the symmetric ones of the first components so that all open the mouth equally far.

    Principal components put nearly all opening into one of them, and one standard deviation of that
    one closes the mouth far past contact. A rotation of the coefficients leaves their standard
    normal prior and the faces they span as they are, and shares the opening out.

    Args:
        components: expression components.
        metric: the weight of each vertex.
        face: the mesh and its landmarks.
        count: how many components take part.

    Returns:
        Components with unit-variance coefficients; the rotated ones are no longer orthogonal.
    """
    scaled = components.basis * components.std
    upper, lower = face.landmark_vertices[[62, 66], 0]
    opening = scaled[upper, 1, :count] - scaled[lower, 1, :count]
    mirrored = scaled[face.mesh.mirror, :, :count] * np.array([-1.0, 1.0, 1.0])[:, None]
    is_symmetric = np.einsum("vcn,vcn->n", mirrored, scaled[..., :count]) > 0
    equal = is_symmetric * np.linalg.norm(opening) / np.sqrt(is_symmetric.sum())
    axis = opening - equal
    reflection = np.eye(count) - 2.0 * np.outer(axis, axis) / (axis @ axis)
    scaled[..., :count] = scaled[..., :count] @ reflection
    std = np.sqrt(np.einsum("v,vcn->n", metric, scaled**2))
    return basis.Components(scaled / std, std)


def _rounded(components: basis.Components) -> Float[np.ndarray, "V 3 C"]:
    step = ROUNDING / components.std
    return np.round(components.basis / step) * step


def build(source: MakeHuman) -> dict[str, np.ndarray]:
    """Builds the arrays of the face model's file.

    Args:
        source: the MakeHuman data.

    Returns:
        The arrays by name, as `twodasl_jax.geometry.MorphableModel` names them, and the parts of the
        triangles, the metric of the components and the expression units.
    """
    rng = np.random.default_rng(SEED)
    face = find_face(source)
    mesh = face.mesh
    people = population.sample_population(source, rng, NUM_FACES)
    shape_fields = symmetric(_on_face(people.fields, mesh), mesh)
    names = source.expression_unit_names
    units = _on_face([source.expression_unit(name) for name in names], mesh)
    units = twin_symmetric(units, names, mesh)

    mean = mesh.matrix @ source.base.vertices
    mean = mean + np.tensordot(people.weights.mean(axis=0), shape_fields, axes=1)
    mean = mean + np.tensordot(expressions.relaxed_activations(names), units, axes=1)
    mean = symmetric(mean[None], mesh)[0]
    mean = mean - landmark_positions(mean, face).mean(axis=0)

    skin = mesh.triangles[mesh.parts == region.SKIN]
    metric = basis.vertex_metric(mean, skin, face.landmark_vertices, face.landmark_weights)
    shape = basis.principal_components(
        basis.without_similarities(shape_fields, mean, metric),
        np.cov(people.weights.T),
        metric,
        SHAPE_COMPONENTS,
    )
    expression = basis.principal_components(
        units, expressions.activation_covariance(names), metric, EXPRESSION_COMPONENTS
    )
    shape = dataclasses.replace(shape, std=SHAPE_SPREAD * shape.std)
    shape = lip_safe(shape, mean, face.lips)
    expression = share_mouth_opening(expression, metric, face, DEFAULT_EXPRESSION_COMPONENTS)
    expression = lip_safe(expression, mean, face.lips)
    return {
        "mean": mean.astype(np.float32),
        "shape_basis": _rounded(shape).astype(np.float16),
        "shape_std": shape.std.astype(np.float32),
        "expression_basis": _rounded(expression).astype(np.float16),
        "expression_std": expression.std.astype(np.float32),
        "triangles": mesh.triangles.astype(np.int32),
        "triangle_parts": mesh.parts.astype(np.uint8),
        "landmark_vertices": face.landmark_vertices.astype(np.int32),
        "landmark_weights": face.landmark_weights.astype(np.float32),
        "uv": mesh.uv.astype(np.float32),
        "uv_triangles": mesh.uv_triangles.astype(np.int32),
        "mirror": mesh.mirror.astype(np.int32),
        "metric": metric.astype(np.float32),
        "expression_units": units.transpose(1, 2, 0).astype(np.float16),
        "expression_unit_names": np.array(names),
    }
