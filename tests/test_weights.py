"""Weights survive their file, and a file that holds none is named."""

import jax
import numpy as np
import pytest

from twodasl_jax.errors import WeightsError
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.weights import Weights, load_weights, save_weights


@pytest.fixture
def weights():
    random = np.random.default_rng(0)
    variables = {
        "params": {"head": {"kernel": random.normal(size=(3, 2)).astype(np.float32)}},
        "batch_stats": {"norm": {"mean": random.normal(size=3).astype(np.float32)}},
    }
    whitening = Whitening(np.arange(62, dtype=np.float32), np.full(62, 3.0, np.float32))
    return Weights("compact", variables, whitening, "0123456789abcdef")


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 0), (np.float16, 1e-3)])
def test_round_trip(tmp_path, weights, dtype, tolerance):
    save_weights(tmp_path / "w.npz", weights, dtype)
    loaded = load_weights(tmp_path / "w.npz")
    assert (loaded.architecture, loaded.face_model) == ("compact", "0123456789abcdef")
    np.testing.assert_array_equal(loaded.whitening.std, weights.whitening.std)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance),
        loaded.variables,
        weights.variables,
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded.variables)} == {np.dtype("float32")}


def test_a_file_that_is_no_weights_is_named(tmp_path):
    missing, text, other = (tmp_path / name for name in ("missing.npz", "text.npz", "other.npz"))
    text.write_text("no archive")
    np.savez(other, something=np.zeros(3))
    for path in (missing, text, other):
        with pytest.raises(WeightsError, match=path.name):
            load_weights(path)


def test_truncated_file_is_named(tmp_path, weights):
    path = tmp_path / "w.npz"
    save_weights(path, weights)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(WeightsError, match=r"w\.npz"):
        load_weights(path)


def test_pickles_are_refused(tmp_path, weights):
    path = tmp_path / "w.npz"
    np.savez(path, architecture=np.array(["compact"], object), face_model=np.array("x"))
    with pytest.raises(WeightsError, match="pickle"):
        load_weights(path)


def test_nan_and_unknown_architectures_are_refused(tmp_path, weights):
    weights.variables["params"]["head"]["kernel"][0, 0] = np.nan
    save_weights(tmp_path / "nan.npz", weights)
    with pytest.raises(WeightsError, match="head/kernel"):
        load_weights(tmp_path / "nan.npz")
    save_weights(tmp_path / "old.npz", Weights("vgg", {}, weights.whitening, weights.face_model))
    with pytest.raises(WeightsError, match="'vgg'"):
        load_weights(tmp_path / "old.npz")
