"""Tests of `Reconstructor`, on a network with random weights."""

import jax
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.errors import BoxError, LandmarksError, PhotoError, WeightsError
from twodasl_jax.geometry.coefficients import Whitening, coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import box_from_landmarks, image_from_crop
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.mirroring import coefficient_mirror, mirror_coefficients
from twodasl_jax.geometry.morphable_model import LandmarkRows
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import CompactNet

MAP = MapStyle("inner", "hard")
BOXES = np.array(
    [[10.0, 20.0, 140.0, 150.0], [150.5, -20.25, 330.5, 159.75], [0.0, 0.0, 90.0, 120.0]]
)


@pytest.fixture(scope="module")
def weights(face_model):
    network = CompactNet()
    variables = network.init(jax.random.key(0), np.zeros((1, 120, 120, 4), np.float32), train=False)
    pose = np.array([0.45, 0, 0, 60, 0, 0.45, 0, 60, 0, 0, 0.45, 0], np.float32)
    mean = np.concatenate([pose, np.zeros(50, np.float32)])
    std = np.concatenate([np.where(pose > 1, 3.0, 0.05), np.ones(50)]).astype(np.float32)
    digest = face_model_files.digest(face_model)
    return Weights("compact", jax.device_get(variables), Whitening(mean, std), digest, MAP)


@pytest.fixture(scope="module")
def reconstructor(face_model, weights):
    return Reconstructor(face_model, weights)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def faces(reconstructor, photo):
    return reconstructor(photo, boxes=BOXES)


def test_faces_have_documented_shapes_in_order_of_boxes(faces, face_model):
    assert len(faces) == 3
    for face, box in zip(faces, BOXES, strict=True):
        assert face.vertices.shape == face_model.mean.shape
        assert face.landmarks.shape == (68, 3)
        assert face.coefficients.shape == (62,)
        np.testing.assert_array_equal(face.box, box)
        assert np.isnan(face.score)


def test_coefficients_decode_to_vertices(faces, face_model):
    for face in faces:
        in_crop = decode(face_model, coefficients_from_official(face.coefficients))
        np.testing.assert_allclose(image_from_crop(in_crop, face.box), face.vertices, atol=2e-3)


def test_face_from_coefficients_reproduces_face(reconstructor, faces):
    for face in faces:
        again = reconstructor.face_from_coefficients(face.coefficients, face.box)
        np.testing.assert_allclose(again.vertices, face.vertices, atol=2e-3)
        np.testing.assert_allclose(again.landmarks, face.landmarks, atol=2e-3)
        np.testing.assert_allclose(again.euler_angles, face.euler_angles, atol=1e-3)
        np.testing.assert_array_equal(again.box, face.box)
        assert np.isnan(again.score)


def test_euler_angles_match_coefficients(faces):
    for face in faces:
        affine = face.coefficients[:12].reshape(3, 4)
        rotation = affine[:, :3] / np.linalg.norm(affine[0, :3])
        np.testing.assert_allclose(
            rotation_from_euler(np.radians(face.euler_angles)), rotation, atol=1e-4
        )


def test_landmarks_lie_on_mesh(faces, face_model):
    for face in faces:
        corners = face.vertices[face_model.landmark_vertices]
        expected = np.einsum("lk,lkd->ld", face_model.landmark_weights, corners)
        np.testing.assert_allclose(face.landmarks, expected, atol=2e-3)


def test_face_does_not_depend_on_batch(reconstructor, photo, faces):
    for face, box in zip(faces, BOXES, strict=True):
        alone = reconstructor(photo, boxes=box[None])[0]
        np.testing.assert_allclose(alone.vertices, face.vertices, atol=2e-3)


def test_second_photo_does_not_recompile(reconstructor, photo):
    reconstructor(photo, boxes=np.tile(BOXES[:1], (4, 1)))
    programs = reconstructor._from_crops._cache_size()
    reconstructor(photo[:200, :300], boxes=np.tile(BOXES[:1], (3, 1)))
    assert reconstructor._from_crops._cache_size() == programs


def test_more_faces_than_largest_batch(reconstructor, photo):
    many = reconstructor(photo, boxes=np.tile(BOXES, (6, 1)))
    assert len(many) == 18
    np.testing.assert_allclose(many[17].vertices, many[2].vertices, atol=2e-3)


def test_mirrored_photo_gives_mirrored_face(reconstructor, photo, face_model):
    box = np.array([[30.0, 40.0, 160.0, 170.0]])
    mirrored_box = np.array([[320.0 - 160.0, 40.0, 320.0 - 30.0, 170.0]])
    face = reconstructor(photo, boxes=box)[0]
    mirrored = reconstructor(photo[:, ::-1], boxes=mirrored_box)[0]
    expected = face.vertices[face_model.mirror] * [-1, 1, 1] + [320, 0, 0]
    np.testing.assert_allclose(mirrored.vertices, expected, atol=5e-3)


def test_flip_averaging_is_mean_of_photo_and_mirror_image(photo, face_model, weights):
    averaging = Reconstructor(face_model, weights)
    single = Reconstructor(face_model, weights, reflect=False)
    box = np.array([[30.0, 40.0, 160.0, 170.0]])
    mirrored_box = np.array([[320.0 - 160.0, 40.0, 320.0 - 30.0, 170.0]])
    direct = coefficients_from_official(single(photo, boxes=box)[0].coefficients)
    flipped = coefficients_from_official(single(photo[:, ::-1], boxes=mirrored_box)[0].coefficients)
    flipped_back = mirror_coefficients(flipped, coefficient_mirror(face_model))
    averaged = coefficients_from_official(averaging(photo, boxes=box)[0].coefficients)
    np.testing.assert_allclose(averaged.shape, (direct.shape + flipped_back.shape) / 2, atol=1e-3)
    expression = (direct.expression + flipped_back.expression) / 2
    np.testing.assert_allclose(averaged.expression, expression, atol=1e-3)


def test_refinement_moves_face_towards_landmarks(reconstructor, photo, face_model, weights):
    refining = Reconstructor(face_model, weights, refine=True)
    landmarks = formula_faces.random_faces(face_model, 2)[-1][..., :2] * 130 / 120 + BOXES[0, :2]
    landmarks[1] = np.nan
    boxes = BOXES[[0, 0]]
    plain, refined = (
        net(photo, boxes=boxes, landmarks=landmarks) for net in (reconstructor, refining)
    )

    def distance(face):
        return np.linalg.norm(face.landmarks[17:, :2] - landmarks[0, 17:], axis=-1).mean()

    assert distance(refined[0]) < 0.6 * distance(plain[0])
    np.testing.assert_array_equal(refined[1].coefficients, plain[1].coefficients)
    in_crop = decode(face_model, coefficients_from_official(refined[0].coefficients))
    np.testing.assert_allclose(image_from_crop(in_crop, boxes[0]), refined[0].vertices, atol=2e-3)


def test_landmarks_of_another_mark_up_are_converted(reconstructor, photo, face_model, weights):
    """Converted landmarks must give nearly the same faces as landmarks in the face model's mark-up."""
    corners = np.asarray(face_model.landmark_vertices)
    rows = LandmarkRows(np.roll(corners, 1, axis=0), face_model.landmark_weights)
    converting = Reconstructor(face_model, weights, rows)
    first = reconstructor(photo, boxes=BOXES)
    own = np.stack([face.landmarks[:, :2] for face in first]) + np.float32([3, -2])
    theirs = np.stack(
        [np.einsum("pk,pkd->pd", rows.weights, face.vertices[rows.vertices]) for face in first]
    )[..., :2] + np.float32([3, -2])
    expected = reconstructor(photo, boxes=BOXES, landmarks=own)
    converted = converting(photo, boxes=BOXES, landmarks=theirs)
    unconverted = reconstructor(photo, boxes=BOXES, landmarks=theirs)

    def difference(faces):
        pairs = zip(faces, expected, strict=True)
        return np.mean([np.abs(face.coefficients - other.coefficients) for face, other in pairs])

    # A landmark near the edge of a pixel may be drawn in the neighbouring pixel.
    assert difference(converted) < 0.2 * difference(unconverted)
    alone = converting(photo, boxes=BOXES)
    np.testing.assert_array_equal(alone[0].coefficients, first[0].coefficients)


def test_landmarks_change_face_and_missing_ones_do_not(reconstructor, photo, face_model):
    landmarks = formula_faces.random_faces(face_model, 1)[-1][..., :2] + 20
    box = BOXES[:1]
    without = reconstructor(photo, boxes=box)[0].coefficients
    given = reconstructor(photo, boxes=box, landmarks=landmarks)[0].coefficients
    missing = reconstructor(photo, boxes=box, landmarks=np.full((1, 68, 2), np.nan))[0].coefficients
    assert np.abs(given - without).max() > 1e-4
    np.testing.assert_array_equal(missing, without)


def test_box_is_computed_from_landmarks(reconstructor, photo, face_model):
    landmarks = formula_faces.random_faces(face_model, 2)[-1][..., :2].astype(np.float32) + 40
    landmarks[1, :5] = np.nan
    found = reconstructor(photo, landmarks=landmarks)
    np.testing.assert_allclose(
        [face.box for face in found], box_from_landmarks(landmarks), rtol=1e-5
    )


def test_photo_without_face_gives_no_faces(reconstructor):
    assert reconstructor(np.full((200, 200, 3), 90, np.uint8)) == []


def test_empty_boxes_give_no_faces(reconstructor, photo):
    assert reconstructor(photo, boxes=np.zeros((0, 4))) == []
    assert reconstructor(photo, boxes=[]) == []


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        ({"boxes": [1, 2, 3, 4]}, BoxError, r"\(4,\).*\(N, 4\)"),
        ({"boxes": [[1, 2, 3]]}, BoxError, r"\(1, 3\)"),
        ({"boxes": [["a", 2, 3, 4]]}, BoxError, "not an array of numbers"),
        ({"boxes": [[5, 5, 5, 9]]}, BoxError, "no area"),
        ({"boxes": [[1, 2, np.nan, 4]]}, BoxError, "not finite"),
        ({"boxes": [[900, 900, 990, 990]]}, BoxError, "outside the photo of 320x240"),
        ({"landmarks": np.zeros((1, 67, 2))}, LandmarksError, r"\(1, 67, 2\)"),
        ({"landmarks": np.zeros((68, 2))}, LandmarksError, r"\(68, 2\)"),
        ({"boxes": BOXES, "landmarks": np.zeros((2, 68, 2))}, LandmarksError, "2 sets .* 3 boxes"),
        (
            {"boxes": BOXES[:1], "landmarks": np.full((1, 68, 2), np.inf)},
            LandmarksError,
            "infinite",
        ),
        ({"landmarks": np.full((1, 68, 2), np.nan)}, LandmarksError, "too few landmarks"),
        (
            {
                "landmarks": np.pad(
                    np.ones((1, 1, 2)), ((0, 0), (0, 67), (0, 0)), constant_values=np.nan
                )
            },
            LandmarksError,
            "too few",
        ),
    ],
)
def test_invalid_input_raises(reconstructor, photo, arguments, error, reason):
    with pytest.raises(error, match=reason):
        reconstructor(photo, **arguments)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((10, 10), np.float32),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 4, 3)),
        "photo.jpg",
        None,
    ],
)
def test_invalid_photo_raises(reconstructor, image):
    with pytest.raises(PhotoError):
        reconstructor(image, boxes=BOXES[:1])


def test_weights_of_another_face_model_raise(reconstructor, face_model):
    other = face_model_files.truncate(face_model, 40, 9)
    whitening = Whitening(np.zeros(62), np.ones(62))
    weights = Weights("compact", {}, whitening, "of another model", MAP)
    with pytest.raises(WeightsError, match="of another model"):
        Reconstructor(other, weights)
