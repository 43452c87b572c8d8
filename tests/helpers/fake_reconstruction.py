"""A reconstructor for tests of what comes after it: it finds as many faces as the photo tells it."""

import numpy as np

from twodasl_jax.geometry import projection, rotation
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.imaging.detection import FaceBoxes
from twodasl_jax.inference.reconstruction import Face


def make_face(model, centre, scale=0.5, yaw=0.0, score=0.75, expression=()):
    """A face of mean identity with the first expression coefficients, projected to a place in a photo."""
    angles = np.array([yaw, 0, 0], np.float32)
    camera = projection.WeakPerspective(
        scale=np.array(scale, np.float32),
        rotation=rotation.rotation_from_euler(np.radians(angles)),
        translation=np.array([*centre, 0], np.float32),
    )

    def pad(values, size):
        return np.pad(np.asarray(values, np.float32), (0, size - len(values)))

    shape = pad((), len(model.shape_std))
    expression = pad(expression, len(model.expression_std))

    def place(space):
        return np.asarray(
            projection.picture_from_model(camera, synthesize(space, shape, expression))
        )

    x, y = centre
    box = np.array([x - 60, y - 60, x + 60, y + 60], np.float32)
    # The crop is as large as the box.
    in_crop = np.array(projection.affine_from_camera(camera))
    in_crop[:2, 3] -= box[:2]
    return Face(
        vertices=place(model),
        landmarks=place(landmark_space(model)),
        coefficients=np.asarray(
            official_from_coefficients(Coefficients(in_crop, shape, expression))
        ),
        box=box,
        euler_angles=angles,
        score=score,
    )


class FakeReconstructor:
    """Returns one face for each unit of the red of a photo's first pixel; its blue makes their expression."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image):
        height, width, _ = image.shape
        count, expression = int(image[0, 0, 0]), image[0, 0, 2] / 100
        # The later a face, the larger it is, and the stronger its expression.
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
    """A photo in which `FakeReconstructor` finds so many faces with so much of the first expression, in percent."""
    image = np.full((height, width, 3), (90, 140, 200), np.uint8)
    image[0, 0] = count, 0, expression
    return image


class FakeFollower:
    """Sees the red squares of `frame_with_squares` as faces: a reconstructor and a detector for tests of videos."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image, boxes):
        """Finds the square in each box, or in its middle where there is none."""
        return [
            make_face(self.model, self._centre(image, box), scale=0.3, expression=(0.5,))
            for box in boxes
        ]

    def detect(self, image):
        """Finds at most one square in each half of the picture."""
        half = image.shape[1] / 2
        halves = ((0, 0, half, image.shape[0]), (half, 0, 2 * half, image.shape[0]))
        centres = [self._centre(image, box) for box in halves if _is_red(_cut(image, box)).any()]
        boxes = [[x - 40, y - 40, x + 40, y + 40] for x, y in centres]
        return FaceBoxes(
            np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32)
        )

    def judge(self, crop):
        """Is sure of crops that show red."""
        return 0.9 if _is_red(crop).any() else 0.0

    def _centre(self, image, box):
        rows, columns = np.nonzero(_is_red(_cut(image, box)))
        x0, y0, x1, y1 = np.maximum(box, 0).astype(int)
        if not len(rows):
            return (x0 + x1) / 2, (y0 + y1) / 2
        return columns.mean() + x0 + 0.5, rows.mean() + y0 + 0.5


def frame_with_squares(*centres, height=120, width=200):
    """A frame in which `FakeFollower` sees faces at these places."""
    image = np.full((height, width, 3), (60, 110, 100), np.uint8)
    for x, y in centres:
        image[y - 6 : y + 6, x - 6 : x + 6] = (250, 10, 10)
    return image


def _cut(image, box):
    x0, y0, x1, y1 = np.maximum(box, 0).astype(int)
    return image[y0:y1, x0:x1]


def _is_red(image):
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    return (red > 180) & (green < 90) & (blue < 90)
