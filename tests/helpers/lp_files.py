"""Faces of the formula model in 300W-LP's files and units: micrometres, another origin, y up, 199 + 29 coefficients."""

import jax
import numpy as np
import scipy.io
from PIL import Image, ImageDraw

from twodasl_jax.geometry.coefficients import pose7_from_camera
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    picture_from_model,
)
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.preparation.pseudo_3d import drop_far_jaw

# Where the model's origin lies in the frame of the file's coefficients, mm.
ORIGIN = np.array([-0.5, -12.0, 90.0], np.float32)
# How far a label lies from a jaw point that is turned away, pixels.
OUTLINE = 25.0


def random_fields(model, count, seed=0):
    """Returns the fields of so many `.mat` files, and the shape and expression coefficients in standard deviations."""
    random = np.random.default_rng(seed)
    angles = np.radians(random.uniform((-75, -15, -15), (75, 15, 15), (count, 3)))
    camera = WeakPerspective(
        scale=random.uniform(1.1, 1.4, count).astype("f"),
        rotation=np.asarray(rotation_from_euler(angles.astype("f"))),
        translation=random.uniform((200, 200, -50), (250, 250, 50), (count, 3)).astype("f"),
    )
    shape = random.normal(size=(count, len(model.shape_std))).astype("f") * 0.5
    expression = random.normal(size=(count, len(model.expression_std))).astype("f") * 0.5
    points = jax.vmap(picture_from_model)(
        camera, synthesize(landmark_space(model), shape, expression)
    )
    fields = [
        {
            "pt2d": labels.T.astype(float),
            "Pose_Para": pose[None],
            "Shape_Para": _column(1000 * shape[row] * model.shape_std, 199),
            "Exp_Para": _column(1000 * expression[row] * model.expression_std, 29),
            "roi": np.array([[1, 1, 900, 900]], np.int16),
        }
        for row, (labels, pose) in enumerate(
            zip(_outlined(np.asarray(points)[..., :2], angles[:, 0]), _poses(camera), strict=True)
        )
    ]
    return fields, shape, expression


def write_pair(folder, name, fields):
    """Writes `name`.mat, and `name`.jpg with a white disc at the tip of the nose."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(f"{path}.mat", fields)
    picture = Image.new("RGB", (450, 450))
    ImageDraw.Draw(picture).circle(tuple(fields["pt2d"][:, 30]), 8, "white")
    picture.save(f"{path}.jpg")


def _outlined(points, yaw):
    far = np.isnan(drop_far_jaw(points, yaw))
    return points + np.where(far, OUTLINE, 0.0)


def _poses(camera):
    """Returns the `Pose_Para` of cameras to the image frame."""
    moved = camera.translation - np.asarray(affine_from_camera(camera))[..., :3] @ ORIGIN
    return np.asarray(
        pose7_from_camera(WeakPerspective(camera.scale / 1000, camera.rotation, moved), 450)
    )


def _column(values, size):
    return np.pad(np.asarray(values, float), (0, size - len(values)))[:, None]
