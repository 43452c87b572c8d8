"""The two passes: gradients and statistics between them, and the loss terms."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.helpers import small_runs
from twodasl_jax import losses
from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.coefficients import official_from_coefficients, whiten
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.training.face_space import build_space
from twodasl_jax.training.method import (
    Prediction,
    draw_examples,
    loss_terms,
    predict,
    two_passes,
)
from twodasl_jax.training.recipe import create_state
from twodasl_jax.training.settings import LossWeights

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def run(face_model):
    """A recipe without randomness, its face space, its variables and its examples."""
    recipe = small_runs.recipe(
        augmentation=Augmentation(), detection=SimulatedDetector(1.0, 0.0, 0.0, 0.0), critic=None
    )
    batch = small_runs.batch(face_model, 3, 2)
    space = build_space(face_model, whitening_of(batch.annotated.vector), 20)
    regressor = create_state(recipe, jax.random.key(0)).regressor
    variables = {"params": regressor.params, "batch_stats": regressor.batch_stats}
    return recipe, space, variables, draw_examples(recipe, space, batch, jax.random.key(1))


def with_map_kind(run, kind):
    recipe, *rest = run
    return dataclasses.replace(recipe, landmark_map=MapStyle("official", kind)), *rest


@pytest.mark.parametrize(("kind", "flows"), [("hard", False), ("gaussian", True)])
def test_second_pass_has_gradient_to_its_landmarks_only_through_gaussian_map(run, kind, flows):
    recipe, space, variables, examples = with_map_kind(run, kind)
    first, _ = predict(recipe, space, variables, examples, examples.input_landmarks)

    def l_cyc(points, params):
        again = variables | {"params": params}
        second, _ = predict(recipe, space, again, examples, points)
        return loss_terms(recipe, space, first, second, examples)["l_cyc"].sum()

    to_points, to_weights = jax.grad(l_cyc, argnums=(0, 1))(
        first.landmarks[..., :2], variables["params"]
    )
    assert np.isfinite(to_points).all()
    assert bool(np.abs(to_points).max() > 0) is flows
    # The parameters get a gradient from either map.
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(to_weights["head"]))


@pytest.mark.parametrize(("kind", "flows"), [("hard", False), ("gaussian", True)])
def test_cycle_has_gradient_through_first_pass_only_with_gaussian_map(run, kind, flows):
    """Compares the gradient of L_cyc through both passes with that of the second pass from the same landmarks."""
    recipe, space, variables, examples = with_map_kind(run, kind)
    params = variables["params"]
    landmarks = two_passes(recipe, space, variables, examples)[0].landmarks[..., :2]

    def l_cyc(first, second):
        return loss_terms(recipe, space, first, second, examples)["l_cyc"].sum()

    def through_both(params):
        return l_cyc(*two_passes(recipe, space, variables | {"params": params}, examples)[:2])

    def second_alone(params):
        changed = variables | {"params": params}
        return l_cyc(*(predict(recipe, space, changed, examples, landmarks)[0],) * 2)

    both, alone = jax.grad(through_both)(params), jax.grad(second_alone)(params)
    difference = jax.tree.map(lambda a, b: np.abs(a - b).max() / np.abs(b).max(), both, alone)
    assert bool(max(jax.tree.leaves(difference)) > 0.01) is flows


def test_second_map_draws_first_prediction(run):
    recipe, space, variables, examples = run
    first, second, _ = two_passes(recipe, space, variables, examples)
    again, _ = predict(recipe, space, variables, examples, first.landmarks[..., :2])
    np.testing.assert_allclose(second.vector, again.vector, rtol=1e-5)
    assert np.abs(second.vector - first.vector).max() > 1e-3


def test_second_pass_updates_statistics_of_first_pass(run):
    recipe, space, variables, examples = run
    first, _, after = two_passes(recipe, space, variables, examples)
    _, between = predict(recipe, space, variables, examples, examples.input_landmarks)
    carried = variables | {"batch_stats": between}
    _, expected = predict(recipe, space, carried, examples, first.landmarks[..., :2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), after, expected)


def test_single_pass_without_cycle(run):
    recipe, space, variables, examples = run
    single = dataclasses.replace(recipe, loss_weights=LossWeights(l_2d_con=1.0))
    assert two_passes(single, space, variables, examples)[1] is None


def test_perfect_prediction_has_zero_loss(run):
    """Both passes predict the annotation, and the labels are its projection."""
    recipe, space, _, examples = run
    annotated = jax.tree.map(lambda leaf: leaf[:3], dataclasses.replace(examples, annotation=None))
    examples = dataclasses.replace(annotated, annotation=examples.annotation)
    truth = examples.annotation
    perfect = Prediction(
        whiten(official_from_coefficients(truth), space.whitening),
        truth,
        decode(space.landmarks, weak_perspective(truth)),
    )
    terms = loss_terms(recipe, space, perfect, perfect, examples)
    assert set(terms) == {f.name for f in dataclasses.fields(LossWeights)} - {"l_sc"}
    for name in set(terms) - {"prior"}:
        np.testing.assert_allclose(terms[name], 0, atol=1e-5, err_msg=name)


def test_terms_equal_their_equations(run):
    recipe, space, variables, examples = run
    first, second, _ = two_passes(recipe, space, variables, examples)
    terms = loss_terms(recipe, space, first, second, examples)
    one, two, labels = (
        np.asarray(a) for a in (first.landmarks, second.landmarks, examples.landmarks)
    )
    np.testing.assert_allclose(
        terms["l_3d_con"], np.linalg.norm(two - one, axis=-1).mean(axis=1) / 120, rtol=1e-4
    )
    official = [(17, 17), (19, 19), (21, 21), (22, 22), (24, 24), (26, 26), (36, 36), (37, 40)]
    official += [(39, 39), (42, 42), (43, 46), (45, 45), (31, 31), (30, 30), (35, 35), (48, 48)]
    official += [(62, 66), (54, 54)]
    weights = [1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1, 4, 1, 2, 4, 2]
    for name, points in (("l_2d_con", one), ("l_cyc", two)):
        for row, visible in enumerate(np.asarray(examples.visible)):
            total = cost = 0.0
            for (a, b), weight in zip(official, weights, strict=True):
                target = (labels[row, a] + labels[row, b]) / 2
                if visible[a] and visible[b] and not np.isnan(target).any():
                    drawn = (points[row, a, :2] + points[row, b, :2]) / 2
                    cost += weight * np.linalg.norm(drawn - target) / 120
                    total += weight
            assert terms[name][row] == pytest.approx(cost / total, rel=1e-4)


def test_terms_use_the_configured_point_norm(run):
    recipe, space, variables, examples = run
    squared = dataclasses.replace(recipe, point_norm=losses.POINT_NORMS["squared"])
    first, second, _ = two_passes(recipe, space, variables, examples)
    terms = loss_terms(squared, space, first, second, examples)
    distance = np.linalg.norm(np.asarray(second.landmarks - first.landmarks) / 120, axis=-1)
    np.testing.assert_allclose(terms["l_3d_con"], (distance**2).mean(axis=1), rtol=1e-4)
