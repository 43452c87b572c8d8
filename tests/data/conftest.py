"""Fixtures: a folder of formula faces, and the data set that is prepared from it."""

import pytest

from tests.helpers import formula_faces
from twodasl_jax.data.face_crops import prepare_face_crops
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.preparation.in_the_wild import pseudo_3d_source
from twodasl_jax.preparation.labelled_images import crop_faces, read_labelled_images
from twodasl_jax.preparation.pseudo_3d import fit_pseudo_3d, label_weights


@pytest.fixture(scope="package")
def face_folder(tmp_path_factory, face_model):
    """A folder of pictures and labels in the format of users."""
    folder = tmp_path_factory.mktemp("faces")
    formula_faces.write_folder(folder, formula_faces.random_faces(face_model)[-1])
    return folder


@pytest.fixture(scope="package")
def crops(face_folder):
    """The crops of `face_folder`."""
    return crop_faces(read_labelled_images(face_folder), whole_pictures=True)


@pytest.fixture(scope="package")
def pseudo_3d(crops, face_model):
    """The pseudo annotations of `crops`."""
    return fit_pseudo_3d(
        landmark_space(face_model), crops.landmarks, label_weights(crops.visibility)
    )


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory, crops, pseudo_3d, face_model):
    """The folder of the data set that is prepared from `crops`."""
    folder = tmp_path_factory.mktemp("data")
    prepare_face_crops(pseudo_3d_source(crops, pseudo_3d, face_model), folder)
    return folder
