"""Tests of the conventions on published data: 300W-LP poses and official 2DASL coefficients.

The tests need the research data sets (fixture `shared_data`) and are skipped without them.
"""

import jax
import numpy as np
import pytest
import scipy.io

from twodasl_jax.geometry import coefficients, frames
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.geometry.rotation import euler_from_rotation

IMAGE_HEIGHT = 450
YAW_BINS = [(0, 30), (30, 60), (60, 180)]


@pytest.fixture(scope="module")
def official(shared_data):
    return dict(np.load(shared_data / "official" / "bfm68.npz"))


@pytest.fixture(scope="module")
def landmarks_of_bfm(official):
    """The landmark space of the official coefficients, in its own units (std of one)."""
    return ShapeSpace(
        mean=official["mean"].reshape(68, 3),
        shape_basis=official["shape_basis"].reshape(68, 3, 40).astype("f"),
        shape_std=np.ones(40, "f"),
        expression_basis=official["expression_basis"].reshape(68, 3, 10).astype("f"),
        expression_std=np.ones(10, "f"),
    )


@pytest.fixture(scope="module")
def annotations(shared_data):
    return dict(np.load(shared_data / "aflw2000_dev" / "annotations.npz"))


@pytest.fixture(scope="module")
def mats(shared_data, annotations):
    folder = shared_data / "aflw2000_dev" / "images"
    return [scipy.io.loadmat(folder / f"{name[:10]}.mat") for name in annotations["names"][:100]]


def poses(mats):
    return np.concatenate([mat["Pose_Para"] for mat in mats]).astype("f")


def projected(space, mats):
    """Projects the 68 landmarks of the parameters, with 40 shape and 10 expression components."""
    shape = np.stack([mat["Shape_Para"][:40, 0] for mat in mats]).astype("f")
    expression = np.stack([mat["Exp_Para"][:10, 0] for mat in mats]).astype("f")
    camera = coefficients.camera_from_pose7(poses(mats), IMAGE_HEIGHT)
    face = Coefficients(np.asarray(affine_from_camera(camera)), shape, expression)
    return np.asarray(decode(space, face))


def test_poses_of_aflw2000_project_model_onto_annotated_points(landmarks_of_bfm, mats):
    points = projected(landmarks_of_bfm, mats)
    annotated = np.stack([mat["pt3d_68"].T for mat in mats])
    difference = points - annotated
    assert np.median(np.linalg.norm(difference[..., :2], axis=-1)) < 1.3
    assert np.median(np.abs(difference[..., 2])) < 1
    # A convention that differs by half a pixel would change the mean over all points.
    np.testing.assert_allclose(difference.mean(axis=(0, 1)), 0, atol=0.25)


def test_pose_of_300w_lp_projects_model_onto_labels(landmarks_of_bfm, shared_data):
    (path,) = (shared_data / "300wlp_sample").glob("*.mat")
    mat = scipy.io.loadmat(path)
    points = projected(landmarks_of_bfm, [mat])[0]
    # The labels are 2D and follow the visible outline of the cheek, so only inner points compare.
    distance = np.linalg.norm(points[17:, :2] - mat["pt2d"].T[17:], axis=-1)
    assert distance.mean() < 5


def test_euler_yaw_equals_annotated_yaw(annotations, mats):
    camera = coefficients.camera_from_pose7(poses(mats), IMAGE_HEIGHT)
    yaw = euler_from_rotation(camera.rotation)[:, 0]
    annotated = np.radians(annotations["yaw"][: len(mats)])
    # Beyond 90 degrees of yaw the function returns an equivalent triple, with the same sine.
    np.testing.assert_allclose(np.sin(yaw), np.sin(annotated), atol=1e-5)
    usual = np.abs(annotated) < np.pi / 2
    assert usual.sum() >= len(mats) - 1
    np.testing.assert_allclose(yaw[usual], annotated[usual], atol=1e-4)


def test_official_coefficients_have_published_error(official, landmarks_of_bfm, annotations):
    whitening = coefficients.Whitening(official["param_mean"], official["param_std"])

    @jax.jit
    def landmarks(whitened, boxes):
        vector = coefficients.unwhiten(whitened, whitening)
        face = coefficients.coefficients_from_official(vector)
        return frames.image_from_crop(decode(landmarks_of_bfm, face), boxes)

    predicted = landmarks(annotations["official_2dasl_params"], annotations["roi_box"])
    truth = annotations["pts68"][:, :2].transpose(0, 2, 1)
    size = np.sqrt(np.prod(np.ptp(truth, axis=1), axis=-1))
    distance = np.linalg.norm(predicted[..., :2] - truth, axis=-1).mean(axis=-1)
    errors, yaw = 100 * distance / size, np.abs(annotations["yaw"])
    bins = [errors[(yaw > low) & (yaw <= high)].mean() for low, high in YAW_BINS]
    np.testing.assert_allclose(bins, [2.694, 3.428, 4.465], atol=0.005)
    np.testing.assert_allclose(np.mean(bins), 3.529, atol=0.005)
