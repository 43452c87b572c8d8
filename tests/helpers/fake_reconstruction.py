"""Fake reconstructors and photos for tests of what follows the reconstruction."""

import numpy as np

from twodasl_jax.geometry import projection, rotation
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.imaging.detection import FaceBoxes
from twodasl_jax.inference.reconstruction import Face


def make_face(model, centre, scale=0.5, yaw=0.0, score=0.75, expression=()):
    """Returns a face of mean shape in a photo. `expression` has the first coefficients."""
    angles = np.array([yaw, 0, 0], np.float32)
    camera = projection.WeakPerspective(
        scale=np.array(scale, np.float32),
        rotation=rotation.rotation_from_euler(np.radians(angles)),
        translation=np.array([*centre, 0], np.float32),
    )

    def pad(values, size):
        return np.pad(np.asarray(values, np.float32), (0, size - len(values)))

    in_image = Coefficients(
        projection.affine_from_camera(camera),
        pad((), len(model.shape_std)),
        pad(expression, len(model.expression_std)),
    )
    x, y = centre
    box = np.array([x - 60, y - 60, x + 60, y + 60], np.float32)
    # The box has the size of the crop, so the frames differ by a translation.
    crop_affine = np.array(in_image.affine)
    crop_affine[:2, 3] -= box[:2]
    in_crop = Coefficients(crop_affine, in_image.shape, in_image.expression)
    return Face(
        vertices=np.asarray(decode(model, in_image)),
        landmarks=np.asarray(decode(landmark_space(model), in_image)),
        coefficients=np.asarray(official_from_coefficients(in_crop)),
        box=box,
        euler_angles=angles,
        score=score,
    )


class FakeReconstructor:
    """Reads the number of faces from the first pixel's red, and their expression from its blue."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image):
        height, width, _ = image.shape
        count, expression = int(image[0, 0, 0]), image[0, 0, 2] / 100
        # Each face is larger than the previous one and has a stronger expression.
        return [
            make_face(
                self.model,
                (width * (number + 1) / (count + 1), height / 2),
                scale=0.5 + number / 100,
                expression=(expression + number / 10,),
            )
            for number in range(count)
        ]


def photo_with_faces(count, height=120, width=200, expression=0):
    """Returns a photo with `count` faces for `FakeReconstructor`. `expression` is in hundredths."""
    image = np.full((height, width, 3), (90, 140, 200), np.uint8)
    image[0, 0] = count, 0, expression
    return image


class FakeFaceSource:
    """A reconstructor and detector for tests of videos. Red squares are faces."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image, boxes):
        """Returns a face at the square in each box, or at the centre of a box without a square."""
        return [
            make_face(self.model, self._centre(image, box), scale=0.3, expression=(0.5,))
            for box in boxes
        ]

    def detect(self, image):
        """Detects at most one square in each half of the image."""
        half = image.shape[1] / 2
        halves = ((0, 0, half, image.shape[0]), (half, 0, 2 * half, image.shape[0]))
        centres = [self._centre(image, box) for box in halves if _is_red(_crop(image, box)).any()]
        boxes = [[x - 40, y - 40, x + 40, y + 40] for x, y in centres]
        return FaceBoxes(
            np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32)
        )

    def score(self, crop):
        """Returns 0.9 for a crop with red pixels, and 0 for any other."""
        return 0.9 if _is_red(crop).any() else 0.0

    def _centre(self, image, box):
        rows, columns = np.nonzero(_is_red(_crop(image, box)))
        x0, y0, x1, y1 = np.maximum(box, 0).astype(int)
        if not len(rows):
            return (x0 + x1) / 2, (y0 + y1) / 2
        return columns.mean() + x0 + 0.5, rows.mean() + y0 + 0.5


def frame_with_squares(*centres, height=120, width=200):
    """Returns a frame in which `FakeFaceSource` finds a face at each of the centres."""
    image = np.full((height, width, 3), (60, 110, 100), np.uint8)
    for x, y in centres:
        image[y - 6 : y + 6, x - 6 : x + 6] = (250, 10, 10)
    return image


def _crop(image, box):
    x0, y0, x1, y1 = np.maximum(box, 0).astype(int)
    return image[y0:y1, x0:x1]


def _is_red(image):
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return (red > 180) & (green < 90) & (blue < 90)
