"""A reconstructor for tests of what comes after it: it finds as many faces as the photo tells it."""

import numpy as np

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
