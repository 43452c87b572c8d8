"""Fixtures of the protocol tests."""

import numpy as np
import pytest

from tests.helpers.protocol_files import Faces, write_annotations
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.protocols.annotations import read_annotated_photos


@pytest.fixture(scope="session")
def faces(face_model):
    return Faces(face_model)


@pytest.fixture
def photos(tmp_path, faces):
    """A test set with one hidden landmark in the first face, and detected landmarks one pixel off."""
    visible = np.ones((6, 68))
    visible[0, 5] = 0
    detected = np.asarray(crop_from_image(faces.points[..., :2] + 1, faces.boxes))
    write_annotations(tmp_path, faces, visible=visible, fan68_crop=detected)
    return read_annotated_photos(tmp_path)
