"""One training step: pure, repeatable, and it learns."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.data import faces
from twodasl_jax.data.augmentation import Augmentation, LandmarkInput
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.morphable_model import truncate
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.networks import CompactNet
from twodasl_jax.training.loop import build_space
from twodasl_jax.training.step import LossWeights, Recipe, TrainBatch, create_state, train_step


@pytest.fixture(scope="module")
def batch(face_model):
    camera, shape, expression, points = faces.random_faces(face_model, 8)
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    landmarks = points[..., :2].copy()
    landmarks[0, 5] = np.nan
    return TrainBatch(
        image=np.stack([faces.draw(p) for p in points]),
        landmarks=landmarks,
        visibility=np.full((8, 68), 2, np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients)),
    )


@pytest.fixture(scope="module")
def recipe():
    return Recipe(
        network=CompactNet(),
        optimizer=optax.adamw(1e-3),
        augmentation=Augmentation(),
        landmark_input=LandmarkInput(),
        loss_weights=LossWeights(coefficients=0.01, prior=0.001),
        average_decay=0.9,
    )


@pytest.fixture(scope="module")
def step(recipe, face_model, batch):
    return jax.jit(functools.partial(train_step, recipe, build_space(face_model, batch.vector)))


@pytest.fixture(scope="module")
def start(recipe):
    return create_state(recipe, jax.random.key(0))


def equal(a, b):
    return all(
        jax.tree.leaves(
            jax.tree.map(
                lambda x, y: np.array_equal(x, y),
                dataclasses.replace(a, key=0),
                dataclasses.replace(b, key=0),
            )
        )
    )


def test_the_same_twice(step, start, batch):
    first, second = step(start, batch), step(start, batch)
    assert equal(first[0], second[0])
    assert first[1] == second[1]


def test_metrics_name_every_term_and_sum_up(step, start, batch, recipe):
    _, metrics = step(start, batch)
    weights = dataclasses.asdict(recipe.loss_weights)
    assert set(metrics) == set(weights) | {"loss", "gradient_norm"}
    total = sum(weight * metrics[name] for name, weight in weights.items())
    assert metrics["loss"] == pytest.approx(float(total), rel=1e-5)
    assert all(np.isfinite(value) for value in metrics.values())


def test_everything_moves_by_one_step(step, start, batch):
    after, _ = step(start, batch)
    assert after.step == 1
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), start.params, after.params)
    assert min(jax.tree.leaves(moved)) > 0
    assert not np.array_equal(
        start.batch_stats["stage1_norm"]["mean"], after.batch_stats["stage1_norm"]["mean"]
    )


def test_the_average_follows_the_parameters(step, start, batch):
    after, _ = step(start, batch)
    # decay min(0.9, 1 / 10) in the first step
    expected = jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, start.params, after.params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7), after.average, expected
    )


def test_every_step_draws_anew(step, start, batch):
    # The only randomness here is the landmark map; with another step number it is another one.
    later = dataclasses.replace(start, step=jnp.asarray(7, jnp.int32))
    assert step(start, batch)[1]["loss"] != step(later, batch)[1]["loss"]


@pytest.mark.slow
def test_all_terms_of_a_small_batch_fall_together(step, start, batch):
    state, first = step(start, batch)
    for _ in range(120):
        state, last = step(state, batch)
    assert last["landmarks_3d"] < 0.35 * first["landmarks_3d"]
    assert last["landmarks_2d"] < 0.35 * first["landmarks_2d"]


def test_a_model_with_other_component_counts_trains_too(recipe, face_model, batch):
    small = truncate(face_model, 6, 3)
    other = dataclasses.replace(batch, vector=batch.vector[:, :21])
    recipe = dataclasses.replace(recipe, network=CompactNet(output_size=21))
    step = jax.jit(functools.partial(train_step, recipe, build_space(small, other.vector)))
    _, metrics = step(create_state(recipe, jax.random.key(0)), other)
    assert np.isfinite(metrics["loss"])
