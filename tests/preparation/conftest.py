"""Fixtures of the data tests: formula faces, their crops and their pseudo annotations."""

from tests.data.conftest import crops, face_folder, pseudo_3d

__all__ = ["crops", "face_folder", "pseudo_3d"]
