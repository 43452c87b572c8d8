"""Tests of BatchNorm and its gradient against Flax, over groups and devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from twodasl_jax.networks import BatchGroups, BatchNorm
from twodasl_jax.networks.normalization import normalize

SHAPE = (6, 5, 4, 3)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x = random.normal(1.0, 2.0, SHAPE).astype(np.float32)
    variables = {
        "params": {"scale": np.float32([1, 0.5, -2]), "bias": np.float32([0, 1, 2])},
        "batch_stats": {"mean": np.float32([0.1, 0.2, 0.3]), "var": np.float32([1, 2, 3])},
    }
    return x, variables, random.normal(size=SHAPE).astype(np.float32)


def ours(train=True, groups=BatchGroups(), **settings):
    return BatchNorm(train, 0.9, groups, **settings)


def flax_norm(train=True):
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5)


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), one, other)


def test_equals_flax_in_training_and_inference(data):
    x, variables, _ = data
    close(
        ours().apply(variables, x, mutable=["batch_stats"]),
        flax_norm().apply(variables, x, mutable=["batch_stats"]),
    )
    close(ours(train=False).apply(variables, x), flax_norm(train=False).apply(variables, x))


def test_has_variables_of_flax(data):
    x = data[0]
    key = jax.random.key(0)
    close(ours(train=False).init(key, x), flax_norm(train=False).init(key, x))


def test_gradients_equal_flax(data):
    x, variables, weight = data

    def gradients(norm):
        def loss(params, x):
            y, _ = norm.apply(variables | {"params": params}, x, mutable=["batch_stats"])
            return jnp.sum(weight * jnp.sin(y))

        return jax.grad(loss, argnums=(0, 1))(variables["params"], x)

    close(gradients(ours()), gradients(flax_norm()))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_equal_finite_differences(data, count):
    x, variables, weight = data
    params = variables["params"]

    def loss(x, scale, bias):
        return jnp.sum(weight * normalize(x, scale, bias, BatchGroups(count), 1e-5)[0] ** 2)

    with jax.enable_x64(True):
        arguments = [np.asarray(a, np.float64) for a in (x, params["scale"], params["bias"])]
        # Statistics are float32 by design, which limits the accuracy of the differences.
        check_grads(loss, arguments, 1, modes=["rev"], atol=0.05, rtol=0.02, eps=1e-2)


def test_groups_equal_separate_batches(data):
    x, variables, _ = data
    y, updated = ours(groups=BatchGroups(3)).apply(variables, x, mutable=["batch_stats"])
    parts = [flax_norm().apply(variables, part, mutable=["batch_stats"]) for part in np.split(x, 3)]
    close(y, np.concatenate([part for part, _ in parts]))
    means = jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *(stats for _, stats in parts))
    close(updated, means)


def test_running_statistics_have_no_gradient(data):
    x, variables, _ = data

    def statistics(x):
        _, updated = ours().apply(variables, x, mutable=["batch_stats"])
        return sum(leaf.sum() for leaf in jax.tree.leaves(updated))

    np.testing.assert_array_equal(jax.grad(statistics)(x), 0)


def test_synchronised_devices_equal_one_batch(data):
    x, variables, weight = data

    def loss_and_statistics(x, weight, groups):
        def loss(x):
            y, updated = ours(groups=groups).apply(variables, x, mutable=["batch_stats"])
            return jnp.sum(weight * jnp.sin(y)), (y, updated)

        gradient, (y, updated) = jax.grad(loss, has_aux=True)(x)
        return gradient, y, updated

    split = [array.reshape(2, 3, *SHAPE[1:]) for array in (x, weight)]
    many = jax.vmap(
        lambda x, w: loss_and_statistics(x, w, BatchGroups(1, "data")), axis_name="data"
    )(*split)
    gradient, y, updated = loss_and_statistics(x, weight, BatchGroups())
    close(many[0].reshape(SHAPE), gradient)
    close(many[1].reshape(SHAPE), y)
    close(jax.tree.map(lambda leaf: leaf[0], many[2]), updated)


def test_bfloat16_keeps_float32_statistics(data):
    x, variables, _ = data
    exact, _ = ours().apply(variables, x, mutable=["batch_stats"])
    y, updated = ours(dtype=jnp.bfloat16).apply(variables, x, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(y.astype(np.float32), exact, atol=0.05)
