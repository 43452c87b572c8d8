"""The cumulative error curve and the HTML page, including missing photos."""

import io

import imageio.v3 as imageio
import numpy as np

from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, Annotation
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.rendering.points import compare_points, contact_sheet
from twodasl_jax.reports import curve, document, page

ABOUT = {
    "protocol": "p",
    "method": "<b>m</b>",
    "crop": "c",
    "landmarks": "none",
    "points": "model",
    "failed": ["b"],
}


def report(values, metric="nme68_2d"):
    errors = FaceErrors(metric, "original", "%", values, np.ones(len(values), bool))
    names = [chr(ord("a") + row) for row in range(len(values))]
    return document.build(ABOUT, names, None, [errors])


def test_curve_depends_on_errors():
    pictures = [
        imageio.imread(io.BytesIO(curve.draw(report(np.array(values, "f")))))
        for values in ([1, 2, 3], [1, 2, np.nan], [9, 9.5, 30])
    ]
    assert pictures[0].shape[1] > 600
    assert all((pictures[0] != other).any() for other in pictures[1:])


def test_worst_and_other_faces_are_disjoint():
    errors = np.array([1.0, np.nan, 5.0, 2.0, 4.0, 3.0])
    worst = page.worst_faces(errors, 2)
    assert worst.tolist() == [2, 4]
    others = page.other_faces(errors, worst, 2)
    assert len(others) == 2
    assert not set(others) & {1, 2, 4}
    worst = page.worst_faces(errors, 20)
    assert worst.tolist() == [2, 4, 5, 3, 0]
    assert page.other_faces(errors, worst, 20).tolist() == []


def test_landmarks_are_drawn_at_their_position():
    crop = np.zeros((120, 120, 3), np.uint8)
    true, predicted = np.array([[30.0, 60.0], [np.nan, 3.0]]), np.array([[90.0, 20.0]])
    picture = compare_points(crop, true, predicted).astype(int)
    red, green = picture[..., 0] > 200, picture[..., 1] > 200
    np.testing.assert_allclose(np.argwhere(red).mean(axis=0) / 3, [20, 90], atol=0.5)
    np.testing.assert_allclose(np.argwhere(green).mean(axis=0) / 3, [60, 30], atol=0.5)
    # The centre of a ring is empty; the centre of a disc is filled.
    assert not green[180, 90]
    assert red[60, 270]


def test_contact_sheet_is_filled_row_by_row():
    drawings = [np.full((360, 360, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = contact_sheet(drawings, 2)
    assert sheet.shape == (720, 720, 3)
    assert [sheet[row, column, 0] for row in (5, 365) for column in (5, 365)] == [10, 20, 30, 255]


def test_draws_crop_of_face_with_landmarks(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.zeros((60, 60, 3), np.uint8))
    photos = AnnotatedPhotos(
        names=("a",),
        photos=(tmp_path / "a.png",),
        boxes=np.array([[10, 20, 50, 60]], "f"),
        crop="c",
        annotations={
            "original": Annotation(np.full((1, 68, 2), [20, 30], "f"), np.ones((1, 68), bool))
        },
    )
    predictions = Predictions("m", np.full((1, 68, 3), [40, 50, 7], "f"))
    picture = page.draw_face(0, photos, predictions).astype(int)
    red, green = picture[..., 0] > 200, picture[..., 1] > 200
    # A pixel of the photo is 3 pixels of the crop and 9 pixels of the drawing.
    np.testing.assert_allclose(np.argwhere(green).mean(axis=0), [90, 90], atol=1.5)
    np.testing.assert_allclose(np.argwhere(red).mean(axis=0), [270, 270], atol=1.5)


def test_page_is_self_contained_and_names_missing_photos(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.full((50, 50, 3), 90, np.uint8))
    points = np.random.default_rng(0).uniform(10, 40, (2, 68, 2)).astype("f")
    photos = AnnotatedPhotos(
        names=("a", "b"),
        photos=(tmp_path / "a.png", tmp_path / "b.png"),
        boxes=np.array([[5, 5, 45, 45]] * 2, "f"),
        crop="c",
        annotations={"original": Annotation(points, np.ones((2, 68), bool))},
    )
    written = report(np.array([3.25, np.nan], "f"))
    path = tmp_path / "report.html"
    page.write(path, written, curve.draw(written), photos, Predictions("m", points))
    text = path.read_text("utf-8")
    assert "&lt;b&gt;m&lt;/b&gt; on p" in text
    assert "<b>3.25</b>" in text
    assert "Cannot read" in text
    assert "b.png" in text
    assert text.count("data:image/jpeg") == 1
    assert "Faces without a prediction" in text
    assert "Other faces" not in text
    assert "failed: 1 faces" in text
    assert text.count("data:image/png") == 1
    assert "http" not in text
