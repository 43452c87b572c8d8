"""The colours that a photo gives to a surface that it shows in part."""

import numpy as np
import pytest

from twodasl_jax.rendering import photo_texture, photo_trust
from twodasl_jax.rendering.atlas import Atlas

SIDE = 16  # of the photo, of the wall and of its texture
INNER = slice(2, SIDE - 2)


def wall(z=0.0, size=SIDE):
    """A flat, finely meshed square that faces the camera and fills a photo; texels lie on pixels."""
    x, y = np.meshgrid(np.arange(size + 1.0), np.arange(size + 1.0))
    vertices = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3).astype(np.float32)
    index = np.arange((size + 1) ** 2).reshape(size + 1, size + 1)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)]).reshape(-1, 3)
    return vertices, triangles, index[:, ::-1].reshape(-1)


def paint(image, vertices, triangles, mirror, size=SIDE, hollow=0.0):
    count = len(vertices)
    ones = np.ones(count, np.float32)
    surface = photo_trust.Surface(triangles, mirror, ones, hollow * ones)
    flat, _, _ = wall()
    uv = flat[:, :2] * [1, -1] / SIDE + [0, 1]
    atlas = Atlas(uv.astype(np.float32), np.arange(count), triangles)
    return photo_texture.photo_texture(image, vertices, surface, atlas, size)


def photo(side=SIDE, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def symmetric_photo():
    half = photo()[:, : SIDE // 2]
    return np.concatenate([half, half[:, ::-1]], axis=1)


def test_a_seen_texel_has_the_colour_of_its_pixel():
    texture = paint(photo(), *wall())
    np.testing.assert_array_equal(texture[INNER, INNER], photo()[INNER, INNER])


def test_a_photo_that_is_finer_than_the_texels_is_averaged():
    vertices, triangles, mirror = wall()
    fine = photo(4 * SIDE)
    texture = paint(fine, vertices * np.float32(4), triangles, mirror)
    mean = fine.reshape(SIDE, 4, SIDE, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(texture[INNER, INNER], mean[INNER, INNER], atol=1.01)


def test_a_photo_that_is_coarser_than_the_texels_is_interpolated():
    ramp = np.repeat(np.arange(SIDE, dtype=np.uint8)[None, :, None] * 16, SIDE, axis=0).repeat(3, 2)
    texture = paint(ramp, *wall(), size=2 * SIDE)
    columns = np.arange(8, 24)
    np.testing.assert_allclose(texture[16, 8:24, 0], 16 * ((columns + 0.5) / 2 - 0.5), atol=0.51)


def test_outside_the_photo_the_mirrored_side_counts():
    image = symmetric_photo()
    texture = paint(image[:, :11], *wall())
    np.testing.assert_allclose(texture[INNER, 11:14], image[INNER, 11:14], atol=1)


def test_the_mirrored_side_is_shown_in_the_light_of_its_own_side():
    # One side is lit, the other is darker by 60; the outermost part of the dark side is outside.
    image = np.full((SIDE, SIDE, 3), 150, np.uint8)
    image[::2] -= 20
    image[:, SIDE // 2 :] -= 60
    texture = paint(image[:, :13], *wall()).astype(int)
    expected = image[INNER, 13].astype(int)
    assert np.abs(texture[INNER, 13] - expected).max() < 30, (
        "half of what the lit side would differ"
    )


def test_a_hidden_surface_has_the_smooth_colour_of_the_seen_one():
    vertices, triangles, mirror = wall()
    image = photo()
    image[:] = (10, 200, 30)
    texture = paint(image[:6], vertices, triangles, mirror)
    np.testing.assert_allclose(texture, np.broadcast_to([10, 200, 30], texture.shape), atol=1)


def test_hair_does_not_run_down_over_hidden_skin():
    image = np.full((SIDE, SIDE, 3), (200, 160, 140), np.uint8)
    image[:3] = (20, 10, 0)
    texture = paint(image[:9], *wall()).astype(int)
    assert texture[1, 8, 0] < 60
    np.testing.assert_allclose(
        texture[12:, 4:12], np.broadcast_to([200, 160, 140], (4, 8, 3)), atol=15
    )


def test_a_hidden_hole_is_dark_and_a_seen_one_is_not():
    image = np.full((SIDE, SIDE, 3), 200, np.uint8)
    texture = paint(image[:8], *wall(), hollow=1.0)
    assert texture[13:, :, 1].max() < 60
    np.testing.assert_array_equal(texture[2:6, INNER], 200)


def test_what_lies_behind_another_part_takes_no_colour_from_it():
    """A finger of the mesh before the right half of the wall hides it from the photo."""
    vertices, triangles, _ = wall()
    before = np.array([[11, -1, 9], [17, -1, 9], [17, 17, 9], [11, 17, 9]], np.float32)
    both = np.concatenate([vertices, before])
    quad = len(vertices) + np.array([[0, 3, 2], [0, 2, 1]])
    view = photo_trust.view_face(both, np.concatenate([triangles, quad]))
    share = photo_trust.trust_in_points(vertices, view, SIDE, SIDE).reshape(SIDE + 1, SIDE + 1)
    np.testing.assert_array_equal(share[INNER, 2:10], 1)
    np.testing.assert_array_equal(share[:, 12:], 0)


@pytest.mark.parametrize("shift", [500, -500])
def test_a_face_outside_the_photo_is_grey(shift):
    vertices, triangles, mirror = wall()
    texture = paint(photo(), vertices + np.float32(shift), triangles, mirror)
    np.testing.assert_array_equal(texture, 160)


def test_a_surface_seen_from_behind_takes_no_colour_from_the_photo():
    vertices, triangles, mirror = wall()
    texture = paint(photo(), vertices, triangles[:, ::-1], mirror)
    np.testing.assert_array_equal(texture, 160)


def test_near_its_outline_and_turned_away_a_face_is_trusted_less():
    vertices, triangles, mirror = wall()
    ones = np.ones(len(vertices), np.float32)
    surface = photo_trust.Surface(triangles, mirror, ones, 0 * ones)
    # Only x = 0 is turned about: its left part leans back by 80 degrees.
    angle = np.radians(80)
    leaning = vertices.copy()
    beyond = np.maximum(8 - vertices[:, 0], 0)
    leaning[:, 0] += beyond * (1 - np.cos(angle)).astype(np.float32)
    leaning[:, 2] -= beyond * np.sin(angle).astype(np.float32)
    view = photo_trust.view_face(leaning, triangles)
    trust = photo_trust.trust_in_surface(leaning, surface, view).reshape(SIDE + 1, SIDE + 1)
    np.testing.assert_array_equal(trust[INNER, 10:15], 1)
    np.testing.assert_array_equal(trust[:, :7], 0)
    np.testing.assert_array_equal(trust[:, -1], 0)
