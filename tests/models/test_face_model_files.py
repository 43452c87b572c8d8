"""Tests of face model files."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.errors import FaceModelError
from twodasl_jax.geometry.morphable_model import truncate
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.models.face_model import embedded_face_model, load_face_model, save_face_model

FIELDS = [field.name for field in dataclasses.fields(face_model_files.MorphableModel)]


@pytest.fixture
def arrays(face_model):
    return {name: np.asarray(getattr(face_model, name)) for name in FIELDS}


def test_face_model_survives_round_trip(tmp_path, face_model, arrays):
    save_face_model(tmp_path / "model.npz", face_model)
    loaded = load_face_model(tmp_path / "model.npz")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(loaded, name), arrays[name])
        assert getattr(loaded, name).dtype == arrays[name].dtype


def test_truncation_keeps_first_components(face_model):
    small = truncate(face_model, 5, 2)
    np.testing.assert_array_equal(small.shape_basis, face_model.shape_basis[..., :5])
    assert small.expression_std.shape == (2,)
    with pytest.raises(
        ValueError, match="cannot keep 41 shape components of a face model that has 40"
    ):
        truncate(face_model, 41, 2)


def test_digest_of_embedded_model_is_that_of_published_weights():
    # A change of the digest invalidates existing weights and prepared data sets.
    assert face_model_files.digest(embedded_face_model()) == "05e4f4e94cd11b2f"


def test_digest_depends_on_meaning_of_coefficients(face_model):
    digest = face_model_files.digest(face_model)
    assert digest != face_model_files.digest(truncate(face_model, 39, 10))
    scaled = dataclasses.replace(face_model, shape_std=face_model.shape_std * 2)
    assert digest != face_model_files.digest(scaled)
    other_texture = dataclasses.replace(face_model, uv=face_model.uv * 0.5)
    assert digest == face_model_files.digest(other_texture)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mean": np.zeros((3, 2))}, r"mean has shape \(3, 2\)"),
        ({"shape_std": np.float32(1)}, r"shape_std has shape \(\)"),
        ({"shape_std": np.array(["a"])}, "cannot be read"),
        ({"expression_std": np.ones(3)}, r"expected \(E\) with E = 10"),
        ({"triangles": np.full((3, 3), 10**6)}, "F = 3|outside"),
        ({"landmark_vertices": np.full((68, 3), -1)}, "outside 0"),
        ({"landmark_weights": np.zeros((68, 3))}, "do not sum to one"),
        ({"mirror": np.zeros(221, int)}, "mirror"),
        ({"mean": np.full((221, 3), np.nan)}, "not finite"),
        ({"uv": np.zeros((0, 2))}, "uv"),
    ],
)
def test_inconsistent_arrays_raise(tmp_path, arrays, change, reason):
    np.savez(tmp_path / "bad.npz", **(arrays | change))
    with pytest.raises(FaceModelError, match=reason):
        load_face_model(tmp_path / "bad.npz")


def test_other_files_raise(tmp_path, arrays):
    del arrays["uv"]
    np.savez(tmp_path / "lacking.npz", **arrays)
    np.save(tmp_path / "array.npz.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("lacking.npz", "array.npz.npy", "text.npz", "empty.npz", "missing.npz"):
        with pytest.raises(FaceModelError, match=name):
            load_face_model(tmp_path / name)


def test_invalid_model_is_not_written(tmp_path, face_model):
    broken = dataclasses.replace(face_model, mean=face_model.mean * np.nan)
    with pytest.raises(FaceModelError, match="not finite"):
        save_face_model(tmp_path / "model.npz", broken)
    assert not list(tmp_path.iterdir())
