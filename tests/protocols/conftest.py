"""Fixtures of the protocol tests."""

import pytest

from tests.helpers.protocol_files import Faces


@pytest.fixture(scope="session")
def faces(face_model):
    return Faces(face_model)
