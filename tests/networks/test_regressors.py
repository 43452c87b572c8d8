"""Tests of the regressors and their input: parameter counts, shapes, precision, statistics, folding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.networks import (
    ARCHITECTURES,
    CompactNet,
    MobileNetV1,
    ResNet50,
    fold,
    network_input,
    normalize_image,
    portable,
    regress,
)

INPUT = jax.ShapeDtypeStruct((2, 120, 120, 4), jnp.float32)


def parameter_count(network):
    variables = jax.eval_shape(
        lambda: network.init(jax.random.key(0), jnp.zeros(INPUT.shape), train=False)
    )
    return sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))


def test_resnet50_has_parameter_count_of_official_network():
    assert parameter_count(ResNet50()) == 23_638_206


def test_compact_net_is_small():
    assert parameter_count(CompactNet()) < 2_000_000


def test_portable_network_has_same_output():
    network = MobileNetV1(width=8)
    x = jax.random.normal(jax.random.key(1), (1, 120, 120, 4))
    variables = network.init(jax.random.key(0), x, train=False)
    np.testing.assert_allclose(
        portable(network).apply(variables, x, train=False),
        network.apply(variables, x, train=False),
        atol=1e-5,
    )
    assert portable(CompactNet()) == CompactNet()


@pytest.mark.parametrize(
    "network",
    [pytest.param(ResNet50(), marks=pytest.mark.slow), CompactNet(), MobileNetV1(width=8)],
)
def test_folded_network_has_same_output(network):
    x = jax.random.normal(jax.random.key(1), (2, 120, 120, 4))
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), x, train=False))
    random = np.random.default_rng(0)
    # Statistics and scales far from their initial values.
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            random.normal(0, 0.1, leaf.shape)
            if path[-1].key in ("kernel", "bias", "mean")
            else random.uniform(0.5, 2, leaf.shape)
        ).astype("f"),
        shapes,
    )
    folded, params = fold(network, variables)
    assert set(params) == {"params"}
    assert all(path[-1].key != "scale" for path, _ in jax.tree_util.tree_leaves_with_path(params))
    expected = np.asarray(jax.jit(lambda v: network.apply(v, x, train=False))(variables))
    found = np.asarray(jax.jit(lambda v: folded.apply(v, x, train=False))(params))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_mobilenet_has_parameter_count_of_published_network():
    assert parameter_count(MobileNetV1()) == 3_270_526
    assert parameter_count(MobileNetV1(width=16)) == 850_398


@pytest.mark.parametrize("network", [ResNet50(), CompactNet(), MobileNetV1(width=8)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_output_and_parameters_are_float32(network, dtype):
    network = network.clone(dtype=dtype)
    variables, output = jax.eval_shape(
        lambda x: (
            (variables := network.init(jax.random.key(0), x, train=False)),
            network.apply(variables, x, train=False),
        ),
        INPUT,
    )
    assert output.shape == (2, 62)
    assert output.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_resnet50_has_published_map_sizes():
    network = ResNet50()

    def stages(x):
        variables = network.init(jax.random.key(0), x, train=False)
        return network.apply(variables, x, train=False, capture_intermediates=True)[1]

    captured = jax.eval_shape(stages, INPUT)["intermediates"]
    sizes = [captured[name]["__call__"][0].shape[1] for name in (
        "stem_conv", "stage1_block2", "stage2_block3", "stage3_block5", "stage4_block2"
    )]  # fmt: skip
    assert sizes == [60, 30, 15, 8, 8]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_registry_builds_regressors_of_any_output_size(name):
    network = ARCHITECTURES[name](output_size=21)
    output, _ = jax.eval_shape(
        lambda x: network.init_with_output(jax.random.key(0), x, train=False), INPUT
    )
    assert output.shape == (2, 21)


@pytest.fixture(scope="module")
def compact():
    network = CompactNet()
    images = jax.random.normal(jax.random.key(1), INPUT.shape)
    return network, network.init(jax.random.key(0), images, train=False), images


def test_training_updates_statistics_only(compact):
    network, variables, images = compact
    _, updated = network.apply(variables, images, train=True, mutable=["batch_stats"])
    assert set(updated) == {"batch_stats"}
    before, after = variables["batch_stats"]["stage1_norm"], updated["batch_stats"]["stage1_norm"]
    convolved = np.asarray(
        jax.lax.conv_general_dilated(
            images, variables["params"]["stage1_conv"]["kernel"], (2, 2), ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    )  # fmt: skip
    expected = 0.97 * np.asarray(before["mean"]) + 0.03 * convolved.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(after["mean"], expected, atol=1e-5)


def test_inference_processes_images_separately(compact):
    network, variables, images = compact
    together = network.apply(variables, images, train=False)
    alone = network.apply(variables, images[1:], train=False)
    np.testing.assert_allclose(together[1:], alone, atol=1e-5)


def test_bfloat16_is_close_to_float32(compact):
    network, variables, images = compact
    exact = network.apply(variables, images, train=False)
    rounded = network.clone(dtype=jnp.bfloat16).apply(variables, images, train=False)
    assert 0 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()


def test_normalize_image_by_hand():
    pixels = np.array([[[0, 127, 255]]], np.uint8)
    np.testing.assert_allclose(normalize_image(pixels), [[[-0.99609375, -0.00390625, 0.99609375]]])


def test_network_input_appends_landmark_map():
    image = np.full((1, 4, 4, 3), 255, np.uint8)
    landmark_map = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    inputs = network_input(image, landmark_map)
    np.testing.assert_array_equal(inputs[..., 3], landmark_map)
    np.testing.assert_allclose(inputs[..., :3], 127.5 / 128)


def test_regress_equals_network_with_normalised_input_and_unwhitened_output(compact):
    network, variables, _ = compact
    random = np.random.default_rng(0)
    image = random.integers(256, size=(2, 120, 120, 3)).astype(np.uint8)
    landmark_map = random.uniform(-1, 1, (2, 120, 120)).astype(np.float32)
    mean, std = random.normal(size=62).astype("f"), random.uniform(1, 2, 62).astype("f")
    scaled = (image.astype(np.float32) - 127.5) / 128
    inputs = np.concatenate([scaled, landmark_map[..., None]], axis=-1)
    expected = np.asarray(network.apply(variables, inputs, train=False)) * std + mean
    predicted = regress(network, variables, Whitening(mean, std), image, landmark_map)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-5)
