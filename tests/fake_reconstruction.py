"""A reconstructor for tests of what comes after it: it finds as many faces as the photo tells it."""

import numpy as np

from twodasl_jax.detection import FaceBoxes
from twodasl_jax.geometry import projection, rotation
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.reconstruction import Face


def make_face(model, centre, scale=0.5, yaw=0.0, score=0.75):
    """The mean face of a model, projected to a place in a photo."""
    angles = np.array([yaw, 0, 0], np.float32)
    camera = projection.WeakPerspective(
        scale=np.array(scale, np.float32),
        rotation=rotation.rotation_from_euler(np.radians(angles)),
        translation=np.array([*centre, 0], np.float32),
    )

    def place(points):
        return np.asarray(projection.picture_from_model(camera, np.asarray(points)))

    x, y = centre
    return Face(
        vertices=place(model.mean),
        landmarks=place(landmark_space(model).mean),
        coefficients=np.arange(62, dtype=np.float32),
        box=np.array([x - 60, y - 60, x + 60, y + 60], np.float32),
        euler_angles=angles,
        score=score,
    )


class FakeReconstructor:
    """Returns one face for each unit of the red of a photo's first pixel."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image):
        height, width, _ = image.shape
        count = int(image[0, 0, 0])
        return [
            make_face(self.model, (width * (number + 1) / (count + 1), height / 2))
            for number in range(count)
        ]


def photo_with_faces(count, height=120, width=200):
    """A photo in which `FakeReconstructor` finds so many faces."""
    image = np.full((height, width, 3), (90, 140, 200), np.uint8)
    image[0, 0, 0] = count
    return image


class FakeFollower:
    """Sees the red squares of `frame_with_squares` as faces: a reconstructor and a detector for tests of videos."""

    def __init__(self, model):
        self.model = model

    def __call__(self, image, boxes):
        """Finds the square in each box, or in its middle where there is none."""
        return [make_face(self.model, self._centre(image, box), scale=0.3) for box in boxes]

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
