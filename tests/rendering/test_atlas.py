"""The atlas of the embedded face model, and atlases of two squares worked by hand."""

import numpy as np
import pytest

from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.atlas import build_atlas

# Two squares of 2 x 2 mm and 1 x 1 mm, of two triangles each; the second lies behind the first.
POINTS = np.array(
    [
        *([0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]),
        *([0, 0, -5], [1, 0, -5], [1, 1, -5], [0, 1, -5]),
    ],
    np.float32,
)
SQUARES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)


@pytest.fixture(scope="module")
def embedded():
    return embedded_face_model()


@pytest.fixture(scope="module")
def atlas(embedded):
    fields = (embedded.mean, embedded.triangles, embedded.uv, embedded.uv_triangles)
    return build_atlas(*map(np.asarray, fields))


def area(corners):
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    padded = (np.pad(edge, ((0, 0), (0, 3 - edge.shape[1]))) for edge in (a, b))
    return np.linalg.norm(np.cross(*padded), axis=-1) / 2


def count_overlaps(atlas, size=1024):
    """Counts the texels that another triangle covers if the order of the triangles is reversed."""
    flat = np.pad(atlas.uv * size, ((0, 0), (0, 1)))
    first = rasterizer.rasterize(flat, atlas.triangles, size, size).triangle
    last = rasterizer.rasterize(flat, atlas.triangles[::-1], size, size).triangle
    return (first != np.where(last < 0, last, len(atlas.triangles) - 1 - last)).sum()


def test_rows_map_to_vertices_of_their_triangles(embedded, atlas):
    np.testing.assert_array_equal(atlas.vertices[atlas.triangles], embedded.triangles)
    assert set(atlas.vertices) == set(range(len(embedded.mean)))


def test_charts_lie_within_square_and_fill_almost_half_of_it(atlas):
    assert (atlas.uv.min() > 0.01) & (atlas.uv.max() < 0.99)
    assert area(atlas.uv[atlas.triangles]).sum() > 0.45


def test_charts_do_not_overlap(atlas):
    assert count_overlaps(atlas) < 0.0005 * 1024**2


def test_face_is_upright_with_right_eye_on_left(embedded, atlas):
    nearest = {
        landmark: np.linalg.norm(
            np.asarray(embedded.mean) - np.asarray(landmark_space(embedded).mean)[landmark], axis=-1
        ).argmin()
        for landmark in (8, 30, 36, 45)
    }
    chin, nose, right_eye, left_eye = (
        atlas.uv[atlas.vertices == nearest[landmark]][0] for landmark in (8, 30, 36, 45)
    )
    assert right_eye[0] < nose[0] < left_eye[0]
    assert chin[1] < nose[1] < right_eye[1]
    assert abs(right_eye[1] - left_eye[1]) < 0.005


def test_charts_have_one_scale_and_keep_their_shape():
    # The large square has the smaller chart. It is rotated: its right edge is at the bottom.
    uv = np.array(
        [
            *([0, 0.1], [0, 0], [0.1, 0], [0.1, 0.1]),
            *([0.3, 0.3], [0.9, 0.3], [0.9, 0.9], [0.3, 0.9]),
        ],
        np.float32,
    )
    atlas = build_atlas(POINTS, SQUARES, uv, SQUARES)
    areas = area(atlas.uv[atlas.triangles])
    np.testing.assert_allclose(areas / area(POINTS[SQUARES]), areas[0] / 2, rtol=1e-4)
    right = atlas.uv[1] - atlas.uv[0]
    assert right[0] > 0
    np.testing.assert_allclose(right[1], 0, atol=1e-6)


def test_overlapping_triangles_are_separated():
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    atlas = build_atlas(POINTS, SQUARES, uv, SQUARES % 4)
    assert len(atlas.uv) == 8
    assert count_overlaps(atlas, 256) == 0
    np.testing.assert_array_equal(atlas.vertices[atlas.triangles], SQUARES)
    areas = area(atlas.uv[atlas.triangles])
    np.testing.assert_allclose(areas / area(POINTS[SQUARES]), areas[0] / 2, rtol=1e-4)


def test_unused_texture_coordinates_are_dropped():
    uv = np.concatenate([POINTS[:, :2] / 2 + POINTS[:, 2:], np.full((3, 2), 0.5)]).astype(
        np.float32
    )
    assert len(build_atlas(POINTS, SQUARES, uv, SQUARES).uv) == 8
