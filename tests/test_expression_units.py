"""Expression units: their files, the names of components, and the activations that make an expression."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.errors import FaceModelError
from twodasl_jax.expression_units import ExpressionUnits, component_names
from twodasl_jax.expression_units.metric import vertex_metric
from twodasl_jax.face_model import (
    embedded_expression_units,
    embedded_face_model,
    load_expression_units,
    save_face_model,
)

NAMES = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthLeft", "mouthRight")


def made_of(model, units, mixing):
    """The model with one expression component for each row of a matrix of activations at one standard deviation."""
    basis = np.asarray(units.displacements @ np.asarray(mixing, np.float32).T)
    return dataclasses.replace(
        model, expression_basis=basis / 2, expression_std=np.full(len(mixing), 2, np.float32)
    )


@pytest.fixture(scope="module")
def units(face_model):
    """Five units on the small model: one on the midline and two pairs of twins, at right angles to each other."""
    metric = vertex_metric(
        np.asarray(face_model.mean),
        np.asarray(face_model.triangles),
        np.asarray(face_model.landmark_vertices),
        np.asarray(face_model.landmark_weights),
    )
    columns = np.random.default_rng(1).normal(size=(metric.size * 3, len(NAMES)))
    fields = np.linalg.qr(columns)[0].reshape(-1, 3, len(NAMES))
    return ExpressionUnits(
        NAMES,
        (fields / np.sqrt(metric)[:, None, None]).astype(np.float32),
        metric.astype(np.float32),
        np.zeros(len(NAMES), np.float32),
    )


@pytest.mark.parametrize(
    ("activations", "name"),
    [
        ([1, 0, 0, 0, 0], "jawOpen"),
        ([-1, 0, 0, 0, 0], "-jawOpen"),
        ([0, 2, 2, 0, 0], "mouthSmile"),
        ([0, 1, 0, 0, 0], "mouthSmileLeft"),
        ([0, -1, 1, 0, 0], "mouthSmileRight - mouthSmileLeft"),
        ([0, 0, 0, 1, -1], "mouthLeft"),
        ([0, 0, 0, -1, 1], "mouthRight"),
        ([1, -2, -2, 0, 0], "jawOpen - mouthSmile"),
        ([-3, -1, -1, 0, 0], "-jawOpen - mouthSmile"),
        ([3, 1, 1, 0.1, 0], "jawOpen + mouthSmile"),
        ([9, 1, 1, 1, 1], "jawOpen"),
    ],
)
def test_a_component_is_named_after_what_makes_most_of_it(face_model, units, activations, name):
    assert component_names(units, made_of(face_model, units, [activations])) == (name,)


def test_components_that_do_the_same_are_numbered(face_model, units):
    model = made_of(face_model, units, [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [9, 1, 1, 0, 0]])
    assert component_names(units, model) == ("jawOpen (1)", "mouthSmile", "jawOpen (2)")


def test_the_components_of_the_embedded_model_have_names_of_their_own():
    names = component_names(embedded_expression_units(), embedded_face_model(40, 20))
    assert names[:10] == (
        "mouthDimple + browDown",
        "mouthPucker - mouthSmile",
        "mouthLeft",
        "-mouthFrown - mouthRollUpper",
        "jawOpen - eyeBlink",
        "jawOpen - browDown",
        "jawOpen",
        "jawLeft + mouthRight",
        "jawOpen + mouthShrugUpper",
        "jawOpen + mouthStretch",
    )
    assert len(set(names)) == 20
    assert max(map(len, names)) < 36


def test_a_file_keeps_the_units(tmp_path, face_model, units):
    path = tmp_path / "model.npz"
    save_face_model(path, face_model, units)
    loaded = load_expression_units(path)
    assert loaded.names == NAMES
    largest = np.abs(units.displacements).max()
    np.testing.assert_allclose(loaded.displacements, units.displacements, atol=largest / 2048)
    np.testing.assert_array_equal(loaded.metric, units.metric)
    np.testing.assert_array_equal(loaded.at_rest, units.at_rest)
    save_face_model(path, face_model)
    assert load_expression_units(path) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"names": ("a", "a", "b", "c", "d")}, "expression_unit_names are not 5 different names"),
        ({"names": ("a", "b")}, r"expression_unit_names has shape \(2,\)"),
        ({"at_rest": np.full(5, np.nan)}, "at_rest has values that are not finite"),
        ({"metric": np.ones(3)}, r"metric has shape \(3,\)"),
        ({"displacements": np.zeros((9, 3, 5))}, r"expression_units has shape \(9, 3, 5\)"),
    ],
)
def test_units_that_do_not_fit_a_model_are_not_written(tmp_path, face_model, units, change, reason):
    with pytest.raises(FaceModelError, match=reason):
        save_face_model(tmp_path / "model.npz", face_model, dataclasses.replace(units, **change))
    assert not list(tmp_path.iterdir())
