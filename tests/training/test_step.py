"""The training step: purity, both updates, every option and its cost, and convergence."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.helpers import formula_faces, small_runs
from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.coefficients import official_from_coefficients, unwhiten
from twodasl_jax.geometry.morphable_model import truncate
from twodasl_jax.networks import normalize_image
from twodasl_jax.training.face_space import build_space
from twodasl_jax.training.method import draw_examples
from twodasl_jax.training.recipe import create_state
from twodasl_jax.training.self_critic import critic_pairs, update_critic
from twodasl_jax.training.settings import LossWeights
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch
from twodasl_jax.training.step import train_step, update_regressor

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(7)


@pytest.fixture(scope="module")
def batch(face_model):
    return small_runs.batch(face_model)


@pytest.fixture(scope="module")
def space(face_model, batch):
    return build_space(face_model, whitening_of(batch.annotated.vector), 20)


@pytest.fixture(scope="module")
def recipe():
    return small_runs.recipe()


@pytest.fixture(scope="module")
def step(recipe, space):
    return jax.jit(functools.partial(train_step, recipe, space))


@pytest.fixture(scope="module")
def start(recipe):
    return create_state(recipe, jax.random.key(0))


def test_step_is_deterministic(step, start, batch):
    assert small_runs.same(step(start, batch, KEY), step(start, batch, KEY))


def test_metrics_contain_every_term_and_their_sum(step, start, batch, recipe):
    _, metrics = step(start, batch, KEY)
    weights = dataclasses.asdict(recipe.loss_weights)
    names = {f"{kind}/{name}" for name in weights for kind in ("raw", "weighted")}
    norms = {f"{p}/{n}_norm" for p in ("regressor", "critic") for n in ("gradient", "update")}
    assert set(metrics) == names | norms | {"loss", "nme68", "critic/loss", "critic/accuracy"}
    for name, weight in weights.items():
        expected = weight * float(metrics[f"raw/{name}"])
        assert metrics[f"weighted/{name}"] == pytest.approx(expected, rel=1e-5)
    total = sum(float(metrics[f"weighted/{name}"]) for name in weights)
    assert metrics["loss"] == pytest.approx(total, rel=1e-5)
    assert all(np.isfinite(value) for value in metrics.values())


def test_step_changes_all_parameters_of_both_networks(step, start, batch):
    after, _ = step(start, batch, KEY)
    assert after.step == 1
    for before, now in (
        (start.regressor.params, after.regressor.params),
        (start.regressor.batch_stats, after.regressor.batch_stats),
        (start.critic.params, after.critic.params),
    ):
        moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), before, now)
        assert min(jax.tree.leaves(moved)) > 0


@pytest.fixture(scope="module")
def examples(recipe, space, batch):
    return draw_examples(recipe, space, batch, KEY)


def test_regressor_update_does_not_depend_on_critic_update(step, recipe, space, start, batch):
    frozen = dataclasses.replace(recipe, critic=small_runs.critic_recipe(updates=0))
    after, _ = jax.jit(functools.partial(train_step, frozen, space))(start, batch, KEY)
    assert small_runs.same(after.critic, start.critic)
    both, _ = step(start, batch, KEY)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        after.regressor,
        both.regressor,
    )
    assert not small_runs.same(after.regressor.params, start.regressor.params)


@pytest.fixture(scope="module")
def pairs(recipe, space, examples):
    return critic_pairs(recipe, space, examples, jax.random.normal(KEY, (16, 62)))


@pytest.mark.parametrize("updates", [1, 3])
def test_several_critic_updates_equal_repeated_single_updates(start, pairs, updates):
    many, _ = update_critic(small_runs.critic_recipe(updates=updates), start.critic, pairs, None)
    one_by_one = start.critic
    for _ in range(updates):
        one_by_one, _ = update_critic(small_runs.critic_recipe(), one_by_one, pairs, None)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), many, one_by_one
    )
    assert not small_runs.same(many.params, start.critic.params)


def test_zero_update_leaves_regressor_unchanged_bit_for_bit(recipe, space, start, batch):
    frozen = dataclasses.replace(recipe, optimizer=optax.set_to_zero())
    state = dataclasses.replace(
        start, regressor=dataclasses.replace(start.regressor, optimizer=frozen.optimizer.init({}))
    )
    after, _ = jax.jit(functools.partial(train_step, frozen, space))(state, batch, KEY)
    assert small_runs.same(after.regressor.params, start.regressor.params)
    assert not small_runs.same(after.critic.params, start.critic.params)


def test_update_with_l_sc_alone_decreases_l_sc(recipe, space, start, batch):
    """A small step along the gradient of L_sc decreases L_sc of the same examples."""
    alone = dataclasses.replace(
        recipe,
        loss_weights=LossWeights(l_sc=1.0),
        optimizer=optax.sgd(1e-3),
        critic=small_runs.critic_recipe(updates=0),
    )
    state = create_state(alone, jax.random.key(0))
    step = jax.jit(functools.partial(train_step, alone, space))
    after, before = step(state, batch, KEY)
    assert before["regressor/gradient_norm"] > 0
    again = dataclasses.replace(after, step=state.step)
    assert step(again, batch, KEY)[1]["raw/l_sc"] < before["raw/l_sc"]


def test_ramp_scales_weight_of_l_sc(recipe, space, start, batch):
    ramp = optax.linear_schedule(0.0, 1.0, 4)
    recipe = dataclasses.replace(recipe, critic=small_runs.critic_recipe(ramp=ramp))
    step = jax.jit(functools.partial(train_step, recipe, space))
    for number, share in ((0, 0.0), (1, 0.25), (9, 1.0)):
        state = dataclasses.replace(start, step=jnp.asarray(number, jnp.int32))
        _, metrics = step(state, batch, KEY)
        expected = share * recipe.loss_weights.l_sc * float(metrics["raw/l_sc"])
        assert metrics["weighted/l_sc"] == pytest.approx(expected, rel=1e-5)


def test_pairs_are_annotations_and_predictions(recipe, space, examples):
    vectors = jax.random.normal(KEY, (16, 62))
    pairs = critic_pairs(recipe, space, examples, vectors)
    truth = official_from_coefficients(examples.annotation)
    np.testing.assert_allclose(unwhiten(pairs.real, space.whitening), truth, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(pairs.fake, vectors[8:])
    np.testing.assert_array_equal(pairs.row, np.arange(16))


def test_mismatched_pairs_have_annotation_of_next_image(recipe, space, examples):
    recipe = dataclasses.replace(recipe, critic=small_runs.critic_recipe(mismatched=True))
    pairs = critic_pairs(recipe, space, examples, jax.random.normal(KEY, (16, 62)))
    np.testing.assert_array_equal(pairs.row, [*range(16), *range(8)])
    np.testing.assert_array_equal(pairs.fake[8:], np.roll(pairs.real, -1, axis=0))


def test_critic_loss_weighs_real_and_fake_equally(recipe, start, pairs):
    """Compares loss and accuracy with NumPy, from the logit of each pair."""
    critic = recipe.critic
    variables, images = {"params": start.critic.params}, normalize_image(pairs.image)
    logits = [
        float(critic.network.apply(variables, images[row][None], vector[None])[0])
        for row, vector in zip(pairs.row, np.concatenate([pairs.real, pairs.fake]), strict=True)
    ]
    real, fake = np.array(logits[:8]), np.array(logits[8:])
    _, report = update_critic(critic, start.critic, pairs, None)
    expected = np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake)).mean()
    assert report["critic/loss"] == pytest.approx(expected, rel=1e-4)
    assert report["critic/accuracy"] == pytest.approx(((real > 0).mean() + (fake <= 0).mean()) / 2)


def test_average_follows_parameters(step, start, batch):
    after, _ = step(start, batch, KEY)
    # The decay in the first step is min(0.9, 1 / 10).
    expected = jax.tree.map(
        lambda old, new: 0.1 * old + 0.9 * new, start.regressor.params, after.regressor.params
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        after.regressor.average,
        expected,
    )


def test_steps_draw_different_random_numbers(step, start, batch):
    later = dataclasses.replace(start, step=jnp.asarray(7, jnp.int32))
    assert step(start, batch, KEY)[1]["loss"] != step(later, batch, KEY)[1]["loss"]


def test_nme68_equals_numpy(recipe, face_model, start):
    batch = small_runs.batch(face_model)
    space = build_space(face_model, whitening_of(batch.annotated.vector), "landmarks")
    fixed = dataclasses.replace(
        recipe,
        augmentation=Augmentation(),
        loss_weights=LossWeights(pdc=1.0),
        critic=None,
    )
    state = create_state(fixed, jax.random.key(0))
    _, predicted, metrics = update_regressor(
        fixed, space, state, draw_examples(fixed, space, batch, KEY)
    )
    vectors = np.asarray(predicted, np.float64) * space.whitening.std + space.whitening.mean
    errors = []
    for row, vector in enumerate(vectors):
        # Weak perspective: Gram-Schmidt of the first two rows, their mean length, y down.
        matrix = vector[:12].reshape(3, 4)
        lengths = np.linalg.norm(matrix[:2, :3], axis=1)
        first = matrix[0, :3] / lengths[0]
        second = matrix[1, :3] - first * (first @ matrix[1, :3])
        second /= np.linalg.norm(second)
        s = space.landmarks
        shape = (
            np.asarray(s.mean, np.float64)
            + np.asarray(s.shape_basis) @ (vector[12:52] * s.shape_std)
            + np.asarray(s.expression_basis) @ (vector[52:] * s.expression_std)
        )
        x = lengths.mean() * shape @ first + matrix[0, 3]
        y = 121 - (lengths.mean() * shape @ second + matrix[1, 3])
        part, index = (batch.annotated, row) if row < 8 else (batch.wild, row - 8)
        truth = (
            small_runs.batch(face_model).annotated.landmarks[row]
            if row < 8
            else part.landmarks[index]
        )
        counted = ~np.isnan(truth).any(-1) & (part.visibility[index] == 2)
        if row < 8:
            truth, counted = exact_landmarks(face_model, row), np.ones(68, bool)
        distance = np.hypot(x - truth[:, 0], y - truth[:, 1])[counted].mean()
        errors.append(100 * distance / np.sqrt(np.prod(np.ptp(truth[counted], axis=0))))
    assert metrics["nme68"] == pytest.approx(np.mean(errors), rel=1e-3)


def exact_landmarks(face_model, row):
    return formula_faces.random_faces(face_model, 16)[-1][row, :, :2]


def empty(faces):
    return jax.tree.map(lambda leaf: leaf[:0], faces)


def test_step_without_in_the_wild_images(step, start, batch):
    after, metrics = step(start, TrainBatch(batch.annotated, empty(batch.wild)), KEY)
    assert "raw/wpdc" in metrics
    assert not {"raw/l_sc", "critic/loss"} & set(metrics)
    assert small_runs.same(after.critic, start.critic)
    assert all(np.isfinite(value) for value in metrics.values())


def test_step_without_annotated_images(step, start, batch):
    after, metrics = step(start, TrainBatch(empty(batch.annotated), batch.wild), KEY)
    assert {"raw/l_2d_con", "raw/l_3d_con", "raw/l_cyc"} <= set(metrics)
    # Without annotated images there are no consistent pairs for the critic.
    assert not {"raw/wpdc", "raw/pdc", "raw/vdc", "raw/coefficients", "raw/l_sc"} & set(metrics)
    assert small_runs.same(after.critic, start.critic)
    assert all(np.isfinite(value) for value in metrics.values())


def count(name, function, *arguments):
    return str(jax.make_jaxpr(function)(*arguments)).count(f"{name}[")


def convolutions(recipe, space, batch):
    """Returns the number of convolutions of a step, forward and backward."""
    state = create_state(recipe, jax.random.key(0))
    return count(
        "conv_general_dilated", functools.partial(train_step, recipe, space), state, batch, KEY
    )


def without(recipe, *names):
    weights = dataclasses.replace(recipe.loss_weights, **dict.fromkeys(names, 0.0))
    return dataclasses.replace(
        recipe, loss_weights=weights, critic=recipe.critic if weights.l_sc else None
    )


def test_loss_with_zero_weight_costs_nothing(recipe, space, batch):
    one_pass = convolutions(without(recipe, "l_3d_con", "l_cyc", "l_sc"), space, batch)
    assert one_pass == 2  # forward, and backward to the kernel
    assert convolutions(without(recipe, "l_sc"), space, batch) == 2 * one_pass
    assert convolutions(without(recipe, "l_3d_con", "l_sc"), space, batch) == 2 * one_pass
    assert convolutions(without(recipe, "l_cyc", "l_sc"), space, batch) == 2 * one_pass
    # The critic encodes once for the regressor, and forward and backward for its own update.
    assert convolutions(recipe, space, batch) == 2 * one_pass + 3


def test_state_without_l_sc_has_no_critic(recipe):
    assert create_state(without(recipe, "l_sc"), jax.random.key(0)).critic is None


def test_second_stage_has_only_the_vertex_distance(recipe, space, start, batch):
    tuned = dataclasses.replace(recipe, loss_weights=LossWeights(vdc=1.0), critic=None)
    state = dataclasses.replace(start, critic=None)
    _, metrics = jax.jit(functools.partial(train_step, tuned, space))(state, batch, KEY)
    assert {name for name in metrics if name.startswith("raw/")} == {"raw/vdc"}


def test_model_with_other_component_counts_trains(recipe, face_model, batch):
    cut = truncate(face_model, 6, 3)
    annotated = dataclasses.replace(batch.annotated, vector=batch.annotated.vector[:, :21])
    other = TrainBatch(annotated, batch.wild)
    recipe = dataclasses.replace(recipe, network=small_runs.SmallNet(output_size=21))
    space = build_space(cut, whitening_of(annotated.vector), "all")
    step = jax.jit(functools.partial(train_step, recipe, space))
    _, metrics = step(create_state(recipe, jax.random.key(0)), other, KEY)
    assert np.isfinite(metrics["loss"])


@pytest.mark.slow
def test_all_terms_decrease_on_small_batch_and_critic_ends_near_chance(recipe, face_model):
    # Both parts contain the same faces, so that images do not help the critic.
    annotated = small_runs.batch(face_model, 8, 0).annotated
    fields = {f.name: getattr(annotated, f.name) for f in dataclasses.fields(LabelledFaces)}
    batch = TrainBatch(AnnotatedFaces(**vars(annotated)), LabelledFaces(**fields))
    recipe = dataclasses.replace(
        recipe,
        optimizer=optax.adam(1e-3),
        augmentation=Augmentation(),
        detection=SimulatedDetector(1.0, 0.0, 0.0, 0.0),
        loss_weights=dataclasses.replace(small_runs.ALL_LOSSES, prior=0.0),
        critic=small_runs.critic_recipe(optimizer=optax.adam(1e-4)),
    )
    space = build_space(face_model, whitening_of(annotated.vector), 20)
    step = jax.jit(functools.partial(train_step, recipe, space), donate_argnums=0)
    state, critic_losses = create_state(recipe, jax.random.key(0)), []
    state, first = step(state, batch, KEY)
    for _ in range(600):
        state, last = step(state, batch, KEY)
        critic_losses.append(float(last["critic/loss"]))
    for name in [*(name for name in first if name.startswith("raw/")), "nme68"]:
        if name != "raw/l_sc":
            assert last[name] < 0.35 * first[name], name
    # A critic at chance gives every pair a score of one half, with a loss of log 2 for each kind.
    assert np.mean(critic_losses[-100:]) == pytest.approx(2 * np.log(2), abs=0.05)
    assert last["raw/l_sc"] == pytest.approx(np.log(2), abs=0.1)
