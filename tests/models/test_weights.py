"""Tests of weights files."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twodasl_jax.errors import WeightsError
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.weights import (
    Weights,
    check_face_model,
    chosen_weights,
    embedded_weights,
    load_weights,
    save_weights,
)
from twodasl_jax.networks import CompactNet


@pytest.fixture
def weights():
    shapes = jax.eval_shape(
        lambda: CompactNet().init(jax.random.key(0), jnp.zeros((1, 120, 120, 4)), train=False)
    )
    random = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)
    whitening = Whitening(np.arange(62, dtype=np.float32), np.full(62, 3.0, np.float32))
    return Weights(
        "compact", variables, whitening, "0123456789abcdef", MapStyle("all", "gaussian", 2.0)
    )


@pytest.mark.parametrize("name", ["default", "open"])
def test_embedded_weights_belong_to_embedded_face_model(name):
    found = embedded_weights(name)
    check_face_model(found, embedded_face_model())
    assert chosen_weights(name).variables.keys() == found.variables.keys()


def test_unknown_weights_raise():
    with pytest.raises(WeightsError, match="unknown embedded weights 'best': use default"):
        embedded_weights("best")
    with pytest.raises(WeightsError, match=r"best\.npz cannot be read"):
        chosen_weights("best.npz")


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 0), (np.float16, 1e-3)])
def test_weights_survive_round_trip(tmp_path, weights, dtype, tolerance):
    save_weights(tmp_path / "w.npz", weights, dtype)
    loaded = load_weights(tmp_path / "w.npz")
    assert (loaded.architecture, loaded.face_model) == ("compact", "0123456789abcdef")
    assert loaded.landmark_map == MapStyle("all", "gaussian", 2.0)
    np.testing.assert_array_equal(loaded.whitening.std, weights.whitening.std)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=1e-6),
        loaded.variables,
        weights.variables,
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded.variables)} == {np.dtype("float32")}


def test_other_files_raise(tmp_path):
    missing, text, other = (tmp_path / name for name in ("missing.npz", "text.npz", "other.npz"))
    text.write_text("no archive")
    np.savez(other, something=np.zeros(3))
    for path in (missing, text, other):
        with pytest.raises(WeightsError, match=path.name):
            load_weights(path)


def test_truncated_file_raises(tmp_path, weights):
    path = tmp_path / "w.npz"
    save_weights(path, weights)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(WeightsError, match=r"w\.npz"):
        load_weights(path)


def test_pickle_raises(tmp_path, weights):
    path = tmp_path / "w.npz"
    np.savez(path, architecture=np.array(["compact"], object), face_model=np.array("x"))
    with pytest.raises(WeightsError, match="pickle"):
        load_weights(path)


def test_nan_raises(tmp_path, weights):
    weights.variables["params"]["head"]["kernel"][0, 0] = np.nan
    save_weights(tmp_path / "nan.npz", weights)
    with pytest.raises(WeightsError, match="head/kernel has values that are not finite"):
        load_weights(tmp_path / "nan.npz")


def test_variables_of_another_network_raise(tmp_path, weights):
    other = dataclasses.replace(weights, architecture="vgg")
    save_weights(tmp_path / "unknown.npz", other)
    with pytest.raises(WeightsError, match="'vgg'"):
        load_weights(tmp_path / "unknown.npz")
    del weights.variables["params"]["head"]
    save_weights(tmp_path / "headless.npz", weights)
    with pytest.raises(WeightsError, match="head/bias has shape None"):
        load_weights(tmp_path / "headless.npz")


def test_whitening_of_another_size_raises(tmp_path, weights):
    short = Whitening(np.zeros(3), np.ones(3))
    save_weights(tmp_path / "short.npz", dataclasses.replace(weights, whitening=short))
    with pytest.raises(WeightsError, match="the compact network needs"):
        load_weights(tmp_path / "short.npz")
