"""The two passes of 2DASL and the terms of its loss (section 3 of the paper).

    first pass    image, landmark map of x_2d  ->  a'    ->  3D landmarks x_3d,   projected y_2d
    second pass   image, landmark map of y_2d  ->  a''   ->  3D landmarks x_3d',  projected y_2d'

`loss_terms` compares both predictions with each other, with the labels and with the annotations. The terms have the
names of `LossWeights`; `twodasl_jax.losses` lists their equations.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Key, PyTree

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.data.augmentation import FaceSamples, augment, simulate_detector
from twodasl_jax.data.face_crops import VISIBLE
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    official_from_coefficients,
    unwhiten,
    whiten,
)
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.geometry.landmark_map import draw_landmark_map
from twodasl_jax.geometry.landmark_sets import LANDMARK_SETS, pick_points, pick_weights
from twodasl_jax.networks import network_input
from twodasl_jax.training.devices import example_keys
from twodasl_jax.training.face_space import FaceSpace
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.state import LabelledFaces, TrainBatch

Terms = dict[str, Float[Array, " _"]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Examples:
    """The augmented batch of one step: A annotated images, followed by the in-the-wild images.

    Attributes:
      image: (B, 120, 120, 3) RGB, 0 to 255.
      input_landmarks: (B, 68, 2) the landmarks that the first landmark map draws, crop frame; nan for a missing one.
      landmarks: (B, 68, 2) the labels x_2d, crop frame; nan for a missing one.
      visible: (B, 68) whether a label counts.
      annotation: the annotated coefficients of the first A images.
    """

    image: Float[Array, "B 120 120 3"]
    input_landmarks: Float[Array, "B 68 2"]
    landmarks: Float[Array, "B 68 2"]
    visible: Bool[Array, "B 68"]
    annotation: Coefficients

    @property
    def annotated_count(self) -> int:
        """A, the number of annotated images."""
        return len(self.annotation.shape)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prediction:
    """The result of one pass for B images.

    Attributes:
      vector: (B, C) whitened coefficient vectors.
      coefficients: the coefficients of these vectors.
      landmarks: (B, 68, 3) the 3D landmarks x_3d in the crop frame; their x and y are y_2d.
    """

    vector: Float[Array, "B C"]
    coefficients: Coefficients
    landmarks: Float[Array, "B 68 3"]


def draw_examples(
    recipe: Recipe, space: FaceSpace, batch: TrainBatch, key: Key[Array, ""]
) -> Examples:
    """Augments a batch and simulates a detector for its input landmarks."""
    annotated_key, wild_key = jax.random.split(key)
    annotation = space.coefficients(batch.annotated.vector)
    annotated, annotated_landmarks = _draw_part(
        recipe, space, batch.annotated, annotation, annotated_key
    )
    wild, wild_landmarks = _draw_part(recipe, space, batch.wild, None, wild_key)
    return Examples(
        image=jnp.concatenate([annotated.image, wild.image]),
        input_landmarks=jnp.concatenate([annotated_landmarks, wild_landmarks]),
        landmarks=jnp.concatenate([annotated.landmarks, wild.landmarks]),
        visible=jnp.concatenate([annotated.visible, wild.visible]),
        annotation=annotated.coefficients,
    )


def _draw_part(recipe, space, faces: LabelledFaces, annotation, key):
    keys = example_keys(key, len(faces.image), recipe.axis_name)
    augment_keys, detector_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    samples = FaceSamples(
        image=faces.image.astype(jnp.float32),
        landmarks=faces.landmarks,
        visible=faces.visibility == VISIBLE,
        coefficients=annotation,
    )
    augmented = augment(augment_keys, samples, space.mirror, recipe.augmentation)
    input_landmarks = simulate_detector(
        detector_keys, augmented.landmarks, augmented.visible, recipe.detection
    )
    return augmented, input_landmarks


def two_passes(
    recipe: Recipe, space: FaceSpace, variables: PyTree, examples: Examples
) -> tuple[Prediction, Prediction | None, PyTree]:
    """Runs the first pass on the input landmarks and, if a term requires it, the second pass on the predicted ones.

    Returns:
      The first prediction, the second prediction or None, and the BatchNorm statistics after both passes.
    """
    first, batch_stats = predict(recipe, space, variables, examples, examples.input_landmarks)
    if not recipe.loss_weights.needs_second_pass:
        return first, None, batch_stats
    updated_variables = {"params": variables["params"], "batch_stats": batch_stats}
    projected = first.landmarks[..., :2]
    second, batch_stats = predict(recipe, space, updated_variables, examples, projected)
    return first, second, batch_stats


def predict(
    recipe: Recipe,
    space: FaceSpace,
    variables: PyTree,
    examples: Examples,
    landmarks: Float[Array, "B 68 2"],
) -> tuple[Prediction, PyTree]:
    """Runs one pass on the images and on the landmark map of `landmarks`.

    A Gaussian map passes gradients to the landmarks, a hard map does not (`MapStyle`).

    Returns:
      The prediction and the updated BatchNorm statistics.
    """
    order, inverse = _group_order(recipe, examples)
    maps = draw_landmark_map(landmarks[order], recipe.landmark_map)
    inputs = network_input(examples.image[order], maps)
    vector, updated = recipe.network.apply(variables, inputs, train=True, mutable=["batch_stats"])
    vector = vector[inverse]
    coefficients = space.coefficients(unwhiten(vector, space.whitening))
    landmarks_3d = decode(space.landmarks, weak_perspective(coefficients))
    return Prediction(vector, coefficients, landmarks_3d), updated["batch_stats"]


def _group_order(recipe: Recipe, examples: Examples) -> tuple[np.ndarray | slice, ...]:
    """Returns the permutation that makes BatchNorm groups contiguous, and its inverse.

    Each group contains its share of annotated and of in-the-wild images, as on a device of its own.
    """
    count = recipe.network.groups.count
    if count == 1:
        return slice(None), slice(None)
    parts = np.split(np.arange(len(examples.image)), [examples.annotated_count])
    order = np.concatenate([part.reshape(count, -1) for part in parts], axis=1).ravel()
    return order, np.argsort(order)


def loss_terms(
    recipe: Recipe,
    space: FaceSpace,
    first: Prediction,
    second: Prediction | None,
    examples: Examples,
) -> Terms:
    """Returns the per-example values of every term with a weight, except L_sc.

    Terms of annotated images have A values, other terms B values. Terms without examples are left out.
    """
    terms = (
        _annotated_terms(recipe, space, first, examples)
        | _consistency_terms(recipe, first, second, examples)
        | {"prior": lambda: losses.coefficient_prior(first.coefficients)}
    )
    weighted = {name: term() for name, term in terms.items() if getattr(recipe.loss_weights, name)}
    return {name: values for name, values in weighted.items() if len(values)}


def annotated_vectors(examples: Examples, space: FaceSpace) -> Float[Array, "A C"]:
    """Returns the whitened annotations, a*."""
    return whiten(official_from_coefficients(examples.annotation), space.whitening)


def _annotated_terms(
    recipe: Recipe, space: FaceSpace, first: Prediction, examples: Examples
) -> dict[str, Callable[[], Array]]:
    """The forms of L_3d."""
    predicted = jax.tree.map(lambda leaf: leaf[: examples.annotated_count], first)
    annotation, target = examples.annotation, annotated_vectors(examples, space)

    def wpdc():
        weights = losses.displacement_weights(
            unwhiten(predicted.vector, space.whitening),
            official_from_coefficients(annotation),
            space.affine_landmarks,
        )
        return losses.weighted_parameter_distance(predicted.vector, target, weights)

    def vdc():
        vertices, true_vertices = (
            decode(space.vertices, weak_perspective(coefficients))
            for coefficients in (predicted.coefficients, annotation)
        )
        weights = jnp.ones(vertices.shape[:-1])
        return losses.point_distance(vertices, true_vertices, weights, recipe.point_norm)

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
    landmark_set = LANDMARK_SETS[recipe.landmark_map.points]
    weights = pick_weights(examples.visible, landmark_set)
    labels = pick_points(examples.landmarks, landmark_set)

    def distance_to_labels(prediction: Prediction) -> Array:
        projected = pick_points(prediction.landmarks[..., :2], landmark_set)
        return losses.point_distance(projected, labels, weights, recipe.point_norm)

    terms = {"l_2d_con": lambda: distance_to_labels(first)}
    if second is not None:
        equal_weights = jnp.ones(first.landmarks.shape[:-1])
        terms["l_3d_con"] = lambda: losses.point_distance(
            second.landmarks, first.landmarks, equal_weights, recipe.point_norm
        )
        terms["l_cyc"] = lambda: distance_to_labels(second)
    return terms
