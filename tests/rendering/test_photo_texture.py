"""Textures of a flat wall that a photo shows completely or in part."""

import numpy as np
import pytest

from twodasl_jax.rendering import photo_confidence, photo_texture
from twodasl_jax.rendering.atlas import Atlas

SIDE = 16  # of the photo, the wall and its texture
INNER = slice(2, SIDE - 2)


def wall(z=0.0, size=SIDE):
    """Returns a fine flat mesh that faces the camera and fills the photo, one texel per pixel."""
    x, y = np.meshgrid(np.arange(size + 1.0), np.arange(size + 1.0))
    vertices = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3).astype(np.float32)
    index = np.arange((size + 1) ** 2).reshape(size + 1, size + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)]).reshape(-1, 3)
    return vertices, triangles, index[:, ::-1].reshape(-1)


def texture_of(image, vertices, triangles, mirror, size=SIDE, cavity=0.0):
    count = len(vertices)
    ones = np.ones(count, np.float32)
    surface = photo_confidence.FaceSurface(triangles, mirror, ones, cavity * ones)
    flat, _, _ = wall()
    uv = flat[:, :2] * [1, -1] / SIDE + [0, 1]
    atlas = Atlas(uv.astype(np.float32), np.arange(count), triangles)
    return photo_texture.photo_texture(image, vertices, surface, atlas, size)


def photo(side=SIDE, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def symmetric_photo():
    half = photo()[:, : SIDE // 2]
    return np.concatenate([half, half[:, ::-1]], axis=1)


def test_visible_texel_has_colour_of_its_pixel():
    texture = texture_of(photo(), *wall())
    np.testing.assert_array_equal(texture[INNER, INNER], photo()[INNER, INNER])


def test_finer_photo_is_averaged():
    vertices, triangles, mirror = wall()
    fine = photo(4 * SIDE)
    texture = texture_of(fine, vertices * np.float32(4), triangles, mirror)
    mean = fine.reshape(SIDE, 4, SIDE, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(texture[INNER, INNER], mean[INNER, INNER], atol=1.01)


def test_coarser_photo_is_interpolated():
    ramp = np.repeat(np.arange(SIDE, dtype=np.uint8)[None, :, None] * 16, SIDE, axis=0).repeat(3, 2)
    texture = texture_of(ramp, *wall(), size=2 * SIDE)
    columns = np.arange(8, 24)
    np.testing.assert_allclose(texture[16, 8:24, 0], 16 * ((columns + 0.5) / 2 - 0.5), atol=0.51)


def test_texels_outside_photo_take_mirrored_colour():
    image = symmetric_photo()
    texture = texture_of(image[:, :11], *wall())
    np.testing.assert_allclose(texture[INNER, 11:14], image[INNER, 11:14], atol=1)


def test_mirrored_colour_is_corrected_for_lighting():
    # One side is darker by 60. Its outermost part lies outside the photo.
    image = np.full((SIDE, SIDE, 3), 150, np.uint8)
    image[::2] -= 20
    image[:, SIDE // 2 :] -= 60
    texture = texture_of(image[:, :13], *wall()).astype(int)
    expected = image[INNER, 13].astype(int)
    assert np.abs(texture[INNER, 13] - expected).max() < 30, (
        "half of the difference to the lit side"
    )


def test_hidden_surface_continues_visible_colour():
    vertices, triangles, mirror = wall()
    image = photo()
    image[:] = (10, 200, 30)
    texture = texture_of(image[:6], vertices, triangles, mirror)
    np.testing.assert_allclose(texture, np.broadcast_to([10, 200, 30], texture.shape), atol=1)


def test_hair_colour_does_not_spread_over_hidden_skin():
    image = np.full((SIDE, SIDE, 3), (200, 160, 140), np.uint8)
    image[:3] = (20, 10, 0)
    texture = texture_of(image[:9], *wall()).astype(int)
    assert texture[1, 8, 0] < 60
    np.testing.assert_allclose(
        texture[12:, 4:12], np.broadcast_to([200, 160, 140], (4, 8, 3)), atol=15
    )


def test_hidden_cavity_is_dark_and_visible_cavity_is_not():
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    texture = texture_of(image[:8], *wall(), cavity=1.0)
    assert texture[13:, :, 1].max() < 60
    np.testing.assert_array_equal(texture[2:6, INNER], 200)


def test_point_confidence_is_zero_behind_another_part():
    """A part of the mesh in front of the right side of the wall hides it."""
    vertices, triangles, _ = wall()
    in_front = np.array([[11, -1, 9], [17, -1, 9], [17, 17, 9], [11, 17, 9]], np.float32)
    both = np.concatenate([vertices, in_front])
    quad = len(vertices) + np.array([[0, 3, 2], [0, 2, 1]])
    face = photo_confidence.rasterize_face(both, np.concatenate([triangles, quad]))
    confidence = photo_confidence.point_confidence(vertices, face, SIDE, SIDE)
    confidence = confidence.reshape(SIDE + 1, SIDE + 1)
    np.testing.assert_array_equal(confidence[INNER, 2:10], 1)
    np.testing.assert_array_equal(confidence[:, 12:], 0)


@pytest.mark.parametrize("shift", [500, -500])
def test_face_outside_photo_is_grey(shift):
    vertices, triangles, mirror = wall()
    texture = texture_of(photo(), vertices + np.float32(shift), triangles, mirror)
    np.testing.assert_array_equal(texture, 160)


def test_back_faces_take_no_colour_from_photo():
    vertices, triangles, mirror = wall()
    texture = texture_of(photo(), vertices, triangles[:, ::-1], mirror)
    np.testing.assert_array_equal(texture, 160)


def test_vertex_confidence_is_zero_at_outline_and_for_oblique_surface():
    vertices, triangles, mirror = wall()
    ones = np.ones(len(vertices), np.float32)
    surface = photo_confidence.FaceSurface(triangles, mirror, ones, 0 * ones)
    # The left part, up to x = 8, leans back by 80 degrees.
    angle = np.radians(80)
    leaning = vertices.copy()
    beyond = np.maximum(8 - vertices[:, 0], 0)
    leaning[:, 0] += beyond * (1 - np.cos(angle)).astype(np.float32)
    leaning[:, 2] -= beyond * np.sin(angle).astype(np.float32)
    face = photo_confidence.rasterize_face(leaning, triangles)
    confidence = photo_confidence.vertex_confidence(leaning, surface, face)
    confidence = confidence.reshape(SIDE + 1, SIDE + 1)
    np.testing.assert_array_equal(confidence[INNER, 10:15], 1)
    np.testing.assert_array_equal(confidence[:, :7], 0)
    np.testing.assert_array_equal(confidence[:, -1], 0)
