"""Test sets in the format of the published ones, with faces of the small face model."""

import pathlib

import imageio.v3 as imageio
import numpy as np
import scipy.io

from twodasl_jax.geometry.coefficients import Coefficients, pose7_from_camera
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import save_face_model

ROOT = pathlib.Path(__file__).parents[2]
SIDE = 450
YAWS = (0.0, -20.0, 45.0, -50.0, 70.0, 80.0)


class Faces:
    """Six faces, two per yaw bin.

    Attributes:
      names: the names of the faces.
      yaw: (6,) yaw in degrees.
      pose: (6, 3) yaw, pitch and roll in degrees.
      shape: (6, 40) shape coefficients.
      expression: (6, 10) expression coefficients.
      camera: the cameras to the image frame.
      points: (6, 68, 3) landmarks in the image frame.
      pose7: (6, 7) the poses in the layout of 300W-LP.
      boxes: (6, 4) crop boxes in the image frame.
    """

    def __init__(self, model):
        random = np.random.default_rng(5)
        count = len(YAWS)
        self.names = [f"image{number:05d}" for number in range(2, 2 + count)]
        self.yaw = np.array(YAWS)
        pitch, roll = random.normal(0, 10, (2, count))
        self.pose = np.stack([self.yaw, pitch, roll], axis=1)
        self.shape, self.expression = (
            random.normal(size=(count, 40)),
            random.normal(size=(count, 10)),
        )
        self.camera = camera = WeakPerspective(
            scale=random.uniform(1.0, 1.4, count).astype("f"),
            rotation=np.asarray(rotation_from_euler(np.radians(self.pose).astype("f"))),
            translation=random.uniform(180, 260, (count, 3)).astype("f"),
        )
        coefficients = Coefficients(
            affine_from_camera(camera), self.shape.astype("f"), self.expression.astype("f")
        )
        self.points = np.asarray(decode(landmark_space(model), coefficients))
        self.pose7 = np.asarray(pose7_from_camera(camera, SIDE))
        self.boxes = np.asarray(box_from_landmarks(self.points[..., :2]))


def write_images(folder, names):
    """Writes images of noise in the size of AFLW2000-3D's images."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        noise = np.random.default_rng(number).integers(0, 255, (45, 45, 3), np.uint8)
        imageio.imwrite(folder / f"{name}.jpg", noise.repeat(10, 0).repeat(10, 1))


def write_aflw2000(folder, faces):
    """Writes `imageNNNNN.jpg` and `.mat` with the fields, shapes and types of the published files."""
    write_images(folder, faces.names)
    for row, name in enumerate(faces.names):
        fields = {
            "pt2d": np.zeros((2, 21)),
            "pt3d_68": faces.points[row].T.astype(np.float32),
            "Pose_Para": faces.pose7[row : row + 1].astype(np.float32),
            "Shape_Para": np.zeros((199, 1)),
            "Exp_Para": np.zeros((29, 1)),
            "roi": np.array([[1, 1, SIDE, SIDE]], np.int16),
        }
        scipy.io.savemat(folder / f"{name}.mat", fields)


def write_aflw_lfpa(folder, points, visible, boxes):
    """Writes `BoundingBox.mat`, `Landmark.mat` and `TestImages/1.jpg`, ... for (N, 34, 2) landmarks."""
    write_images(folder / "TestImages", range(1, 1 + len(points)))
    corners = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    rows = np.concatenate([points[..., 0], points[..., 1], visible], axis=1)
    scipy.io.savemat(folder / "BoundingBox.mat", {"bboxesT": corners, "bboxesTr": corners[:0]})
    scipy.io.savemat(folder / "Landmark.mat", {"phisT": rows, "phisTr": rows[:0]})


def write_synthetic(folder, faces, model):
    """Writes the files of experiments/render_test_set.py --source=face_model, with images of noise."""
    write_annotations(
        folder,
        faces,
        pose=faces.pose,
        shape=faces.shape,
        expression=faces.expression,
        scale=faces.camera.scale,
        rotation=faces.camera.rotation,
        translation=faces.camera.translation,
    )
    save_face_model(folder / "face_model.npz", model)


def write_annotations(folder, faces, **more):
    """Writes `annotations.npz` and `images/`; `more` are optional arrays."""
    write_images(folder / "images", faces.names)
    np.savez(
        folder / "annotations.npz",
        names=[f"{name}.jpg" for name in faces.names],
        yaw=faces.yaw,
        pts68=faces.points.swapaxes(1, 2),
        roi_box=faces.boxes,
        **more,
    )
