"""Tests of AFLW with two mark-ups, on files made from the embedded face model."""

import zipfile

import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.mark_ups import embedded_mark_up
from twodasl_jax.preparation.aflw import (
    AFLW_MIRROR,
    aflw_source,
    both_mark_ups,
    fit_aflw,
    read_aflw,
)
from twodasl_jax.preparation.pseudo_3d import fitted_landmarks

# The numbers of faces with 68 labels and of faces with 21 labels only. The first two faces lack the
# 21, and the photo of the third shows several faces.
BOTH, ALONE = 6, 4


@pytest.fixture(scope="module")
def model():
    return embedded_face_model()


@pytest.fixture(scope="module")
def truth(model):
    """The (BOTH + ALONE, 89, 2) landmarks of both mark-ups."""
    camera, shape, expression, _ = formula_faces.random_faces(model, BOTH + ALONE, seed=5)
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    space = both_mark_ups(model, embedded_mark_up("aflw", model))
    return np.asarray(decode(space, coefficients))[..., :2]


@pytest.fixture(scope="module")
def folder(truth, tmp_path_factory):
    root = tmp_path_factory.mktemp("aflw")
    names = np.array([f"image{row}.png" for row in range(BOTH + ALONE)])
    for part, rows in (("aflw68", range(BOTH)), ("aflw21", range(BOTH, BOTH + ALONE))):
        (root / part).mkdir()
        with zipfile.ZipFile(root / part / "images.zip", "w") as archive:
            for row in rows:
                picture = np.full((120, 120, 3), 20 * row, np.uint8)
                archive.writestr(names[row], formula_faces.png(picture))
    labels = truth[:BOTH, :68].copy()
    labels[3, :8] = np.nan
    np.savez(
        root / "aflw68" / "annotations.npz",
        names=names[:BOTH],
        pts68=labels,
        visibility=np.where(np.isnan(labels[..., 0]), 0, 2),
        multi_face_photo=np.arange(BOTH) == 2,
        label_residual_px=np.zeros(BOTH),
    )
    points = truth[2:, 68:].copy()
    points[0, 12] = np.nan
    np.savez(
        root / "aflw21" / "annotations.npz",
        names=names[2:],
        pts21=points,
        in_aflw68=np.arange(2, BOTH + ALONE) < BOTH,
    )
    return root


@pytest.fixture(scope="module")
def read(folder):
    return read_aflw(folder)


def test_both_mark_ups_are_joined_by_name(read, truth):
    assert read.names[:BOTH] == tuple(f"aflw68/image{row}.png" for row in range(BOTH))
    assert read.names[BOTH:] == tuple(f"aflw21/image{BOTH + row}.png" for row in range(ALONE))
    assert np.isnan(read.points[:2]).all()
    np.testing.assert_array_equal(read.points[3:], truth[3:, 68:])
    assert np.isnan(read.points[2, 12]).all()
    np.testing.assert_array_equal(read.landmarks[4], truth[4, :68])
    assert (read.visibility[4] == 2).all()


def test_labels_of_photos_with_several_faces_are_dropped(read):
    assert np.isnan(read.landmarks[2]).all()
    assert not read.visibility[2].any()
    assert np.isfinite(read.points[2, 0]).all()


def test_one_mark_up_suffices_for_fit(read, truth, model):
    fits = fit_aflw(model, embedded_mark_up("aflw", model), read)
    assert np.isfinite(fits.error).all()
    distance = np.linalg.norm(fitted_landmarks(model, fits.vectors) - truth[:, :68], axis=-1)
    # The mean over the inner landmarks. With the 21 alone the prior has more influence.
    off = distance[:, 17:].mean(axis=1)
    assert (off[:2] < 1.0).all(), off
    assert (off < 3.0).all(), off


def test_unlabelled_landmarks_are_stored_as_hidden_at_fitted_positions(read, model):
    fits = fit_aflw(model, embedded_mark_up("aflw", model), read)
    source = aflw_source(read, fits, model)
    records = {record["name"]: record for split in source.splits.values() for record in split()}
    assert set(records) == set(read.names)
    guessed = records["aflw68/image3.png"]
    assert guessed["visibility"].tolist() == [1] * 8 + [2] * 60
    fitted = fitted_landmarks(model, fits.vectors)
    np.testing.assert_array_equal(guessed["landmarks"][:8], fitted[3, :8])
    np.testing.assert_array_equal(guessed["landmarks"][8:], read.landmarks[3, 8:])
    alone = records["aflw21/image7.png"]
    assert (alone["visibility"] == 1).all()
    assert alone["image"][72, 72].tolist() == [140, 140, 140]
    assert np.isnan(read.landmarks[3, :8]).all()


def test_embedded_positions_match_names_of_landmarks(model):
    rows = embedded_mark_up("aflw", model)
    mean = np.einsum("pk,pkc->pc", rows.weights, model.mean[rows.vertices])
    mirrored = mean[AFLW_MIRROR] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, mean, atol=0.5)
    # "Left" is the left of the picture, where x is negative.
    assert (mean[[0, 1, 2, 6, 7, 8, 12, 13, 17], 0] < 0).all()
    brow, eye, nose, mouth, chin = mean[[1, 7, 14, 18, 20], 1]
    assert brow > eye > nose > mouth > chin


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(DatasetError, match=r"annotations\.npz"):
        read_aflw(tmp_path)
