"""Tests of pooling, of pointwise and depthwise convolution against Flax, and of the self-critic."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twodasl_jax.networks import SelfCritic
from twodasl_jax.networks.depthwise import DepthwiseConv
from twodasl_jax.networks.pointwise import PointwiseConv
from twodasl_jax.networks.pooling import max_pool


@pytest.mark.parametrize("size", [6, 7, 8, 15])
@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 0)])
def test_max_pool_and_its_gradient_equal_flax(size, window, stride, padding):
    x = jax.random.normal(jax.random.key(size), (2, size, size, 3))

    def ours(x):
        return max_pool(x, window, stride, padding)

    def flax_pool(x):
        edges = ((padding, padding), (padding, padding))
        return nn.max_pool(x, (window, window), (stride, stride), edges)

    np.testing.assert_array_equal(ours(x), flax_pool(x))
    one, other = (jax.grad(lambda x, f=f: (f(x) ** 3).sum())(x) for f in (ours, flax_pool))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_equal_maxima_share_gradient():
    gradient = jax.grad(lambda x: max_pool(x, 2, 2).sum())(jnp.ones((1, 2, 2, 1)))
    assert gradient.sum() == pytest.approx(1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_pointwise_equals_1x1_convolution(stride, dtype):
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 4))
    ours = PointwiseConv(6, stride, dtype)
    flax_conv = nn.Conv(6, (1, 1), (stride, stride), use_bias=False, dtype=dtype)
    variables = flax_conv.init(jax.random.key(1), x)
    assert jax.tree.all(jax.tree.map(np.array_equal, ours.init(jax.random.key(1), x), variables))
    tolerance = 1e-5 if dtype == jnp.float32 else 0.03
    one, other = (f.apply(variables, x).astype(np.float32) for f in (ours, flax_conv))
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", [5, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_and_its_gradients_equal_grouped_convolution(stride, size):
    x = jax.random.normal(jax.random.key(0), (2, size, size + 1, 4))
    ours = DepthwiseConv(stride)
    flax_conv = nn.Conv(
        4, (3, 3), (stride, stride), padding=1, feature_group_count=4, use_bias=False
    )
    variables = flax_conv.init(jax.random.key(1), x)
    assert jax.tree.all(jax.tree.map(np.array_equal, ours.init(jax.random.key(1), x), variables))

    def value_and_gradients(network):
        y, back = jax.vjp(network.apply, variables, x)
        return y, back(jnp.sin(y))

    one, other = map(value_and_gradients, (ours, flax_conv))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one, other)


def test_depthwise_in_bfloat16_is_close_to_float32():
    x = jax.random.normal(jax.random.key(0), (1, 6, 6, 2))
    variables = DepthwiseConv().init(jax.random.key(1), x)
    rounded = DepthwiseConv(dtype=jnp.bfloat16).apply(variables, x)
    assert rounded.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        rounded.astype(np.float32), DepthwiseConv().apply(variables, x), atol=0.05
    )


@pytest.fixture(scope="module")
def critic():
    network, key = SelfCritic(), jax.random.key(0)
    image, vector = jax.random.normal(key, (3, 120, 120, 3)), jax.random.normal(key, (3, 62))
    return network, jax.jit(network.init)(key, image, vector), image, vector


def test_critic_has_layers_of_paper(critic):
    _, variables, _, _ = critic
    shapes = {name: leaf["kernel"].shape for name, leaf in variables["params"].items()}
    assert [shapes[f"convolutions_{i}"][:2] for i in range(6)] == [(3, 3)] * 6
    assert [shapes[f"hidden_{i}"][1] for i in range(3)] == [512, 1024, 1024]
    assert shapes["hidden_0"][0] == 512 + 62
    assert shapes["logit"] == (1024, 1)


def test_critic_scores_each_pair_separately(critic):
    network, variables, image, vector = critic
    logits = network.apply(variables, image, vector)
    assert logits.shape == (3,)
    assert logits.dtype == jnp.float32
    alone = network.apply(variables, image[1:2], vector[1:2])
    np.testing.assert_allclose(logits[1:2], alone, rtol=1e-4, atol=1e-6)
    latent = network.apply(variables, image, method="encode")
    assert latent.shape == (3, 512)
    swapped = network.apply(variables, latent[::-1], vector, method="score")
    assert np.abs(np.asarray(swapped[0] - logits[0])) > 1e-6
