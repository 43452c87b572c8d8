"""Tests of expression units: their files, names of components, and fits of activations."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.errors import FaceModelError
from twodasl_jax.models.expression_units import component_names, fit_units
from twodasl_jax.models.expression_units.activation import scale_of, stem_of, twin_of
from twodasl_jax.models.face_model import (
    embedded_expression_units,
    embedded_face_model,
    load_expression_units,
    save_face_model,
)


def with_components(model, units, mixing):
    """Returns the model with other expression components: each row of `mixing` has the activations of one component."""
    basis = np.asarray(units.displacements @ np.asarray(mixing, np.float32).T)
    return dataclasses.replace(
        model, expression_basis=basis / 2, expression_std=np.full(len(mixing), 2, np.float32)
    )


@pytest.fixture
def units(expression_units):
    return expression_units


@pytest.fixture(scope="module")
def embedded():
    """Returns the embedded model and its units."""
    return embedded_face_model(), embedded_expression_units()


def projected(model, units, activations):
    """Returns the expression coefficients that are nearest to activations of the units, solved in float64."""
    root = np.sqrt(np.repeat(units.metric.astype(np.float64), 3))
    components = np.asarray(model.expression_basis * model.expression_std, np.float64)
    moved = units.displacements.astype(np.float64) @ (activations - units.at_rest)
    system = root[:, None] * components.reshape(len(root), -1)
    return np.linalg.lstsq(system, root * moved.ravel())[0].astype(np.float32)


def active(units, **activations):
    """Returns an activation vector from values by name. A name without a side sets both sides."""
    return np.array(
        [activations.get(name, activations.get(stem_of(name), 0.0)) for name in units.names]
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
def test_component_is_named_after_its_largest_units(face_model, units, activations, name):
    assert component_names(units, with_components(face_model, units, [activations])) == (name,)


def test_equal_names_are_numbered(face_model, units):
    model = with_components(face_model, units, [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [9, 1, 1, 0, 0]])
    assert component_names(units, model) == ("jawOpen (1)", "mouthSmile", "jawOpen (2)")


def test_components_of_embedded_model_have_different_names(embedded):
    names = component_names(embedded[1], embedded_face_model(40, 20))
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


def test_units_survive_round_trip(tmp_path, face_model, units):
    path = tmp_path / "model.npz"
    save_face_model(path, face_model, units)
    loaded = load_expression_units(path)
    assert loaded.names == units.names
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
def test_units_that_do_not_fit_model_are_not_written(tmp_path, face_model, units, change, reason):
    with pytest.raises(FaceModelError, match=reason):
        save_face_model(tmp_path / "model.npz", face_model, dataclasses.replace(units, **change))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", range(5))
def test_fit_satisfies_optimality_conditions(embedded, seed):
    """Checks the Karush-Kuhn-Tucker conditions, with the projection on the components by a pseudo-inverse."""
    model, units = embedded
    expression = np.random.default_rng(seed).normal(size=10).astype(np.float32)
    found = fit_units(units, model, expression)
    assert found.min() >= 0
    assert found.max() <= 1
    scale = np.array([scale_of(name) for name in units.names])
    used = scale > 0
    assert not found[~used].any()

    root = np.sqrt(np.repeat(units.metric.astype(np.float64), 3))[:, None]
    components = root * np.asarray(model.expression_basis * model.expression_std).reshape(-1, 10)
    movements = root * units.displacements.reshape(-1, 52).astype(np.float64)
    representable = components @ (np.linalg.pinv(components) @ movements)
    rest = representable @ (found - units.at_rest) - components @ expression
    share = found[used] / scale[used]
    slope = (representable.T @ rest)[used] + 0.03 * (share + 1) / scale[used]
    at_zero, at_one = found[used] < 1e-9, found[used] > 1 - 1e-9
    assert at_zero.any()
    assert slope[at_zero].min() > -1e-6
    assert np.all(slope[at_one] < 1e-6)
    assert np.abs(slope[~at_zero & ~at_one]).max() < 1e-6


@pytest.mark.parametrize(
    "name",
    ["jawOpen", "eyeBlink", "browDown", "mouthSmile", "mouthPucker", "mouthFunnel", "jawLeft"],
)
def test_single_active_unit_is_recovered(embedded, name):
    model, units = embedded
    activations = active(units, **{name: 0.6})
    found = fit_units(units, model, projected(model, units, activations))
    np.testing.assert_allclose(found, activations, atol=0.13)


def test_mean_face_has_activations_at_rest(embedded):
    model, units = embedded
    at_rest = fit_units(units, model, np.zeros(10, np.float32))
    np.testing.assert_allclose(at_rest, active(units, jawOpen=0.18), atol=0.005)


def test_symmetric_expression_gives_symmetric_activations(embedded):
    model, units = embedded
    expression = projected(model, units, active(units, mouthSmile=0.5, browInnerUp=0.7))
    found = dict(zip(units.names, fit_units(units, model, expression), strict=True))
    for name, value in found.items():
        assert value == pytest.approx(found[twin_of(name)], abs=0.01), name


@pytest.mark.parametrize(
    ("name", "left", "right"), [("mouthSmile", 0.75, 0.03), ("eyeBlink", 0.38, 0.38)]
)
def test_side_of_smile_is_recovered_and_side_of_wink_is_not(embedded, name, left, right):
    model, units = embedded
    expression = projected(model, units, active(units, **{f"{name}Left": 0.8}))
    found = dict(zip(units.names, fit_units(units, model, expression), strict=True))
    assert (found[f"{name}Left"], found[f"{name}Right"]) == pytest.approx((left, right), abs=0.02)


def test_batch_equals_single_fits(face_model, units):
    model = with_components(face_model, units, np.eye(5))
    expression = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    found = fit_units(units, model, expression)
    assert found.shape == (2, 3, 5)
    np.testing.assert_array_equal(found[1, 2], fit_units(units, model, expression[1, 2]))


def test_orthogonal_units_equal_coefficients(face_model, units):
    model = with_components(face_model, units, np.eye(5))
    expression = np.array([0.3, 0.5, -0.5, 0.0, 2.0], np.float32)
    found = fit_units(units, model, expression)
    # The squared displacement of a fully active unit is 100 mm^2, so the penalty changes little.
    np.testing.assert_allclose(found, [0.5, 0.5, 0, 0, 1], atol=0.01)
