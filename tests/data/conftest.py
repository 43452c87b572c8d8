"""A prepared data set of formula faces."""

import pytest

from tests.data import faces
from twodasl_jax import face_model as face_model_files
from twodasl_jax.data.annotations import read_annotations
from twodasl_jax.data.face_crops import prepare_face_crops
from twodasl_jax.data.faces_2d import faces_2d_source
from twodasl_jax.data.pseudo_3d import fit_pseudo_3d


@pytest.fixture(scope="package")
def face_folder(tmp_path_factory, face_model):
    """A folder of crops and annotations as users bring them."""
    folder = tmp_path_factory.mktemp("faces")
    faces.write_folder(folder, faces.random_faces(face_model)[-1])
    return folder


@pytest.fixture(scope="package")
def pseudo_3d(face_folder, face_model):
    """Its pseudo 3D annotations."""
    crops = read_annotations(face_folder)
    return fit_pseudo_3d(face_model, crops.landmarks, crops.visibility)


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory, face_folder, pseudo_3d, face_model):
    """The folder of the prepared data set."""
    folder = tmp_path_factory.mktemp("data")
    digest = face_model_files.digest(face_model)
    crops = read_annotations(face_folder)
    source = faces_2d_source(face_folder / "images.zip", crops, pseudo_3d, digest)
    prepare_face_crops(source, folder)
    return folder
