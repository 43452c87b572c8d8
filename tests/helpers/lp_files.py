"""Random faces of the formula face model in the file format of 300W-LP.

The format has micrometres, another model origin, y up, and 199 + 29 coefficients.
"""

import numpy as np
import scipy.io
from PIL import Image, ImageDraw

from twodasl_jax.geometry.coefficients import Coefficients, pose7_from_camera
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.preparation.pseudo_3d import drop_far_jaw

# The origin of the formula model in the model frame of the files, in mm.
ORIGIN = np.array([-0.5, -12.0, 90.0], np.float32)
# The distance of a jaw label on the far side from the landmark of the model, in pixels.
OUTLINE = 25.0


def random_fields(model, count, seed=0):
    """Returns random faces.

    Returns:
      The fields of `count` `.mat` files, and the true shape and expression coefficients.
    """
    random = np.random.default_rng(seed)
    angles = np.radians(random.uniform((-75, -15, -15), (75, 15, 15), (count, 3)))
    camera = WeakPerspective(
        scale=random.uniform(1.1, 1.4, count).astype("f"),
        rotation=np.asarray(rotation_from_euler(angles.astype("f"))),
        translation=random.uniform((200, 200, -50), (250, 250, 50), (count, 3)).astype("f"),
    )
    shape = random.normal(size=(count, len(model.shape_std))).astype("f") * 0.5
    expression = random.normal(size=(count, len(model.expression_std))).astype("f") * 0.5
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    landmarks = np.asarray(decode(landmark_space(model), coefficients))[..., :2]
    fields = [
        {
            "pt2d": labels.T.astype(float),
            "Pose_Para": pose[None],
            "Shape_Para": _column(1000 * shape[row] * model.shape_std, 199),
            "Exp_Para": _column(1000 * expression[row] * model.expression_std, 29),
            "roi": np.array([[1, 1, 900, 900]], np.int16),
        }
        for row, (labels, pose) in enumerate(
            zip(_outlined(landmarks, angles[:, 0]), _poses(camera), strict=True)
        )
    ]
    return fields, shape, expression


def write_pair(folder, name, fields):
    """Writes NAME.mat, and NAME.jpg with a white disc at the tip of the nose."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(f"{path}.mat", fields)
    picture = Image.new("RGB", (450, 450))
    ImageDraw.Draw(picture).circle(tuple(fields["pt2d"][:, 30]), 8, "white")
    picture.save(f"{path}.jpg")


def _outlined(points, yaw):
    """Moves the jaw labels of the far side away from the landmarks, like manual labels."""
    far = np.isnan(drop_far_jaw(points, yaw))
    return points + np.where(far, OUTLINE, 0.0)


def _poses(camera):
    """Returns the `Pose_Para` of cameras."""
    moved = camera.translation - np.asarray(affine_from_camera(camera))[..., :3] @ ORIGIN
    return np.asarray(
        pose7_from_camera(WeakPerspective(camera.scale / 1000, camera.rotation, moved), 450)
    )


def _column(values, size):
    return np.pad(np.asarray(values, float), (0, size - len(values)))[:, None]
