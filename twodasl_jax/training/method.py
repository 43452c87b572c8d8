"""The method of 2DASL: an image is seen twice, and what the two passes say is compared (section 3).

    first pass    image, landmark map of x_2d  ->  a'    ->  3D landmarks x_3d,   projected y_2d
    second pass   image, landmark map of y_2d  ->  a''   ->  3D landmarks x_3d',  projected y_2d'

`loss_terms` turns the two predictions into the terms of the loss, each with the names of `twodasl_jax.losses`.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Key, PyTree

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.data.augmentation import FaceSamples, augment, detect
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    official_from_coefficients,
    unwhiten,
    whiten,
)
from twodasl_jax.geometry.landmark_map import draw_landmark_map
from twodasl_jax.geometry.landmark_sets import LANDMARK_SETS, pick_points, pick_weights
from twodasl_jax.networks import network_input
from twodasl_jax.training.collectives import example_keys
from twodasl_jax.training.face_space import FaceSpace, project
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.state import LabelledFaces, TrainBatch

Terms = dict[str, Float[Array, " _"]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Examples:
    """A batch as one step sees it: the A annotated examples first, then those in the wild.

    Attributes:
      image: (B, 120, 120, 3) RGB, 0 to 255.
      shown: (B, 68, 2) landmarks for the first landmark map, nan where not detected.
      landmarks: (B, 68, 2) x_2d, the labels.
      visible: (B, 68) which of them count.
      annotation: A annotated coefficients.
    """

    image: Float[Array, "B 120 120 3"]
    shown: Float[Array, "B 68 2"]
    landmarks: Float[Array, "B 68 2"]
    visible: Bool[Array, "B 68"]
    annotation: Coefficients

    @property
    def annotated_count(self) -> int:
        """A."""
        return len(self.annotation.shape)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prediction:
    """What one pass says about B faces.

    Attributes:
      vector: (B, C) whitened.
      coefficients: the same, read.
      landmarks: (B, 68, 3) x_3d, crop frame; x and y are y_2d.
    """

    vector: Float[Array, "B C"]
    coefficients: Coefficients
    landmarks: Float[Array, "B 68 3"]


def draw_examples(
    recipe: Recipe, space: FaceSpace, batch: TrainBatch, key: Key[Array, ""]
) -> Examples:
    """Augments both halves of a batch and imitates the detector of its landmarks."""
    annotated_key, wild_key = jax.random.split(key)
    annotation = space.coefficients(batch.annotated.vector)
    annotated, seen = _draw_half(recipe, space, batch.annotated, annotation, annotated_key)
    wild, seen_wild = _draw_half(recipe, space, batch.wild, None, wild_key)
    return Examples(
        image=jnp.concatenate([annotated.image, wild.image]),
        shown=jnp.concatenate([seen, seen_wild]),
        landmarks=jnp.concatenate([annotated.landmarks, wild.landmarks]),
        visible=jnp.concatenate([annotated.visible, wild.visible]),
        annotation=annotated.coefficients,
    )


def _draw_half(recipe, space, faces: LabelledFaces, annotation, key):
    keys = example_keys(key, len(faces.image), recipe.axis_name)
    augment_keys, detect_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    given = FaceSamples(
        image=faces.image.astype(jnp.float32),
        landmarks=faces.landmarks,
        visible=faces.visibility == 2,
        coefficients=annotation,
    )
    drawn = augment(augment_keys, given, space.mirror, recipe.augmentation)
    return drawn, detect(detect_keys, drawn.landmarks, drawn.visible, recipe.detection)


def two_passes(
    recipe: Recipe, space: FaceSpace, variables: PyTree, examples: Examples
) -> tuple[Prediction, Prediction | None, PyTree]:
    """Predicts from the shown landmarks, and again from the predicted ones where a term asks for it.

    Returns:
      The first prediction, the second one or None, and BatchNorm's statistics after both.
    """
    first, batch_stats = predict(recipe, space, variables, examples, examples.shown)
    if not recipe.loss_weights.needs_second_pass:
        return first, None, batch_stats
    # The statistics of the first pass go into the second: nothing is hidden in the module.
    again = {"params": variables["params"], "batch_stats": batch_stats}
    projected = first.landmarks[..., :2]
    second, batch_stats = predict(recipe, space, again, examples, projected)
    return first, second, batch_stats


def predict(
    recipe: Recipe,
    space: FaceSpace,
    variables: PyTree,
    examples: Examples,
    landmarks: Float[Array, "B 68 2"],
) -> tuple[Prediction, PyTree]:
    """Runs one pass over the images and the map of some landmarks; returns BatchNorm's new statistics too.

    Through a hard map no gradient reaches the landmarks, through a Gaussian one it does (`MapStyle`).
    """
    order, back = _group_order(recipe, examples)
    maps = draw_landmark_map(landmarks[order], recipe.landmark_map)
    inputs = network_input(examples.image[order], maps)
    vector, updated = recipe.network.apply(variables, inputs, train=True, mutable=["batch_stats"])
    vector = vector[back]
    coefficients = space.coefficients(unwhiten(vector, space.whitening))
    landmarks_3d = project(coefficients, space.landmarks)
    return Prediction(vector, coefficients, landmarks_3d), updated["batch_stats"]


def _group_order(recipe: Recipe, examples: Examples) -> tuple[np.ndarray | slice, ...]:
    """Returns the order in which BatchNorm's groups follow each other, and the way back.

    Each group holds its part of both halves: what it would hold on a device of its own.
    """
    count = recipe.network.groups.count
    if count == 1:
        return slice(None), slice(None)
    halves = np.split(np.arange(len(examples.image)), [examples.annotated_count])
    order = np.concatenate([half.reshape(count, -1) for half in halves], axis=1).ravel()
    return order, np.argsort(order)


def loss_terms(
    recipe: Recipe,
    space: FaceSpace,
    first: Prediction,
    second: Prediction | None,
    examples: Examples,
) -> Terms:
    """Returns the per-example values of every term that counts, except L_sc.

    Terms of annotated images have A values, the others B; a term of no examples is left out.
    """
    terms = (
        _annotated_terms(recipe, space, first, examples)
        | _consistency_terms(recipe, first, second, examples)
        | {"prior": lambda: losses.coefficient_prior(first.coefficients)}
    )
    wanted = {name: term() for name, term in terms.items() if getattr(recipe.loss_weights, name)}
    return {name: values for name, values in wanted.items() if len(values)}


def annotated_vectors(examples: Examples, space: FaceSpace) -> Float[Array, "A C"]:
    """Returns the whitened vectors of the annotations, a*."""
    return whiten(official_from_coefficients(examples.annotation), space.whitening)


def _annotated_terms(
    recipe: Recipe, space: FaceSpace, first: Prediction, examples: Examples
) -> dict[str, Callable[[], Array]]:
    """L_3d in its forms."""
    predicted, annotation = (
        jax.tree.map(lambda leaf: leaf[: examples.annotated_count], first),
        examples.annotation,
    )
    target = annotated_vectors(examples, space)

    def wpdc():
        weights = losses.displacement_weights(
            unwhiten(predicted.vector, space.whitening),
            official_from_coefficients(annotation),
            space.affine_landmarks,
        )
        return losses.weighted_parameter_distance(predicted.vector, target, weights)

    def vdc():
        vertices = project(predicted.coefficients, space.vertices)
        weights = jnp.ones(vertices.shape[:-1])
        return losses.point_distance(
            vertices, project(annotation, space.vertices), weights, recipe.point_norm
        )

    return {
        "wpdc": wpdc,
        "pdc": lambda: losses.parameter_distance(predicted.vector, target),
        "vdc": vdc,
        "coefficients": lambda: losses.coefficient_distance(predicted.coefficients, annotation),
    }


def _consistency_terms(
    recipe: Recipe, first: Prediction, second: Prediction | None, examples: Examples
) -> dict[str, Callable[[], Array]]:
    """L_2d_con, L_3d_con and L_cyc."""
    chosen = LANDMARK_SETS[recipe.landmark_map.points]
    weights = pick_weights(examples.visible, chosen)
    labels = pick_points(examples.landmarks, chosen)

    def against_labels(prediction: Prediction) -> Array:
        projected = pick_points(prediction.landmarks[..., :2], chosen)
        return losses.point_distance(projected, labels, weights, recipe.point_norm)

    terms = {"l_2d_con": lambda: against_labels(first)}
    if second is not None:
        every = jnp.ones(first.landmarks.shape[:-1])
        terms["l_3d_con"] = lambda: losses.point_distance(
            second.landmarks, first.landmarks, every, recipe.point_norm
        )
        terms["l_cyc"] = lambda: against_labels(second)
    return terms
