"""The shaded mesh: patches worked by hand."""

import numpy as np
import pytest

from tests.helpers.small_pictures import SHOWN, SQUARE, SQUARE_TRIANGLES, circle_of_landmarks, photo
from twodasl_jax.rendering import layers, sampling, surface

OPAQUE = round(255 * 0.76)


def test_a_mesh_covers_its_pixels_with_smooth_edges():
    row, column, rgba = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    assert (row, column) == (5, 10)
    assert rgba.shape == (10, 11, 4)
    np.testing.assert_array_equal(rgba[:, :10, 3], OPAQUE)
    # Half of the last column is covered.
    np.testing.assert_allclose(rgba[:, 10, 3], OPAQUE / 2, atol=1)
    assert len(np.unique(rgba[..., :3].reshape(-1, 3), axis=0)) == 1


def test_a_mesh_fades_between_its_vertices():
    fading = np.array([1, 0, 0, 1], np.float32)
    _, _, rgba = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, fading, 30, 40)
    # The pixel centres lie 0.5, 1.5, ... of 10.5 pixels behind the opaque edge.
    expected = OPAQUE * (1 - (np.arange(10) + 0.5) / 10.5)
    np.testing.assert_allclose(rgba[5, :10, 3], expected, atol=2)


def test_the_face_is_opaque_and_what_is_far_from_it_is_not():
    landmarks = circle_of_landmarks()
    far = np.array([[100, 90, -500]], np.float32)
    opacity = surface.opacity_around(np.concatenate([landmarks, far]), landmarks)
    np.testing.assert_array_equal(opacity, [1] * 68 + [0])


def test_strips_do_not_show(monkeypatch):
    whole = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    monkeypatch.setattr(sampling, "_STRIP_SAMPLES", 100)
    cut = surface.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    np.testing.assert_array_equal(whole.rgba, cut.rgba)


def test_light_comes_from_the_upper_left():
    def brightness(normal):
        return float(surface._lambert(np.array([[normal]], np.float32))[0, 0])

    assert brightness([0, 0, 1]) == pytest.approx(0.24 + 0.76 * 0.755 + 0.20 * 0.6, rel=1e-5)
    assert brightness([0, 0, 3]) == pytest.approx(brightness([0, 0, 1]), rel=1e-5)
    assert brightness([-0.4, -0.5, 0.76]) > brightness([0, 0, 1]) > brightness([0.4, 0.5, 0.76])
    assert brightness([0, 0, -1]) == pytest.approx(0.24)
    assert brightness([0, 0, 0]) == pytest.approx(0.24)


def test_a_mesh_that_leaves_the_photo_is_cut_off():
    row, column, rgba = surface.mesh_layer(SQUARE - [15, 0, 0], SQUARE_TRIANGLES, SHOWN, 9, 40)
    assert (row, column) == (5, 0)
    assert rgba.shape == (4, 6, 4)
    np.testing.assert_array_equal(rgba[:, :5, 3], OPAQUE)


@pytest.mark.parametrize("shift", [(500, 0, 0), (-500, 0, 0), (0, -1e6, 0), (np.nan, 0, 0)])
def test_a_mesh_outside_the_photo_changes_nothing(shift):
    vertices = (SQUARE + shift).astype(np.float32)
    image = photo(30, 40)
    result = layers.composite(
        image, [surface.mesh_layer(vertices, SQUARE_TRIANGLES, SHOWN, 30, 40)]
    )
    np.testing.assert_array_equal(result, image)


def test_a_vertex_that_is_not_finite_takes_only_its_triangles_with_it():
    vertices = SQUARE.copy()
    vertices[1] = np.nan
    _, _, rgba = surface.mesh_layer(vertices, SQUARE_TRIANGLES, SHOWN, 30, 40)
    share = (rgba[..., 3] == OPAQUE).mean()
    assert 0.4 < share < 0.6
