"""Layers of a shaded square worked by hand."""

import numpy as np
import pytest

from tests.helpers.small_pictures import (
    OPAQUE_VERTICES,
    SQUARE,
    SQUARE_TRIANGLES,
    circle_of_landmarks,
    photo,
)
from twodasl_jax.rendering import layers, supersampling, surface

OPAQUE = round(255 * 0.76)


def test_mesh_has_antialiased_edges():
    row, column, rgba = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, OPAQUE_VERTICES, 30, 40)
    assert (row, column) == (5, 10)
    assert rgba.shape == (10, 11, 4)
    np.testing.assert_array_equal(rgba[:, :10, 3], OPAQUE)
    # The square covers half of the last column.
    np.testing.assert_allclose(rgba[:, 10, 3], OPAQUE / 2, atol=1)
    assert len(np.unique(rgba[..., :3].reshape(-1, 3), axis=0)) == 1


def test_opacity_is_interpolated_between_vertices():
    fading = np.array([1, 0, 0, 1], np.float32)
    _, _, rgba = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, fading, 30, 40)
    # The pixel centres lie 0.5, 1.5, ... of 10.5 pixels from the opaque edge.
    expected = OPAQUE * (1 - (np.arange(10) + 0.5) / 10.5)
    np.testing.assert_allclose(rgba[5, :10, 3], expected, atol=2)


def test_vertices_near_landmarks_are_opaque_and_far_ones_transparent():
    landmarks = circle_of_landmarks()
    far = np.array([[100, 90, -500]], np.float32)
    opacity = surface.opacity_around(np.concatenate([landmarks, far]), landmarks)
    np.testing.assert_array_equal(opacity, [1] * 68 + [0])


def test_layer_does_not_depend_on_strip_size(monkeypatch):
    whole = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, OPAQUE_VERTICES, 30, 40)
    monkeypatch.setattr(supersampling, "_STRIP_SAMPLES", 100)
    in_strips = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, OPAQUE_VERTICES, 30, 40)
    np.testing.assert_array_equal(whole.rgba, in_strips.rgba)


def test_light_comes_from_upper_left():
    def brightness(normal):
        return float(surface._lambert(np.array([[normal]], np.float32))[0, 0])

    assert brightness([0, 0, 1]) == pytest.approx(0.24 + 0.76 * 0.755 + 0.20 * 0.6, rel=1e-5)
    assert brightness([0, 0, 3]) == pytest.approx(brightness([0, 0, 1]), rel=1e-5)
    assert brightness([-0.4, -0.5, 0.76]) > brightness([0, 0, 1]) > brightness([0.4, 0.5, 0.76])
    assert brightness([0, 0, -1]) == pytest.approx(0.24)
    assert brightness([0, 0, 0]) == pytest.approx(0.24)


def test_layer_is_clipped_to_photo():
    row, column, rgba = surface.mesh_layer(
        SQUARE - [15, 0, 0], SQUARE_TRIANGLES, OPAQUE_VERTICES, 9, 40
    )
    assert (row, column) == (5, 0)
    assert rgba.shape == (4, 6, 4)
    np.testing.assert_array_equal(rgba[:, :5, 3], OPAQUE)


@pytest.mark.parametrize("shift", [(500, 0, 0), (-500, 0, 0), (0, -1e6, 0), (np.nan, 0, 0)])
def test_mesh_outside_photo_changes_nothing(shift):
    vertices = (SQUARE + shift).astype(np.float32)
    image = photo(30, 40)
    result = layers.composite(
        image, [surface.mesh_layer(vertices, SQUARE_TRIANGLES, OPAQUE_VERTICES, 30, 40)]
    )
    np.testing.assert_array_equal(result, image)


def test_vertex_that_is_not_finite_removes_only_its_triangles():
    vertices = SQUARE.copy()
    vertices[1] = np.nan
    _, _, rgba = surface.mesh_layer(vertices, SQUARE_TRIANGLES, OPAQUE_VERTICES, 30, 40)
    assert 0.4 < (rgba[..., 3] == OPAQUE).mean() < 0.6
