"""Tests of the three formats of landmark files: round trips, and the location of faults."""

import io
import pathlib

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.errors import DatasetError
from twodasl_jax.preparation.landmark_files import parse_csv, parse_npz, parse_pts

PATH = pathlib.Path("folder/file")
COORDINATES = st.floats(-5000, 20000, width=32)
LANDMARKS = hnp.arrays(np.float32, (68, 2), elements=COORDINATES)
TABLES = hnp.arrays(np.float32, (3, 68, 2), elements=COORDINATES | st.just(np.nan))
VISIBILITIES = hnp.arrays(np.int8, (3, 68), elements=st.integers(0, 2))
PICTURES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
    min_size=3,
    max_size=3,
)


@hypothesis.given(LANDMARKS)
def test_pts_round_trip(landmarks):
    np.testing.assert_allclose(
        parse_pts(formula_faces.pts(landmarks).encode(), PATH), landmarks, rtol=1e-6, atol=1e-6
    )


def test_pts_files_count_pixels_from_one():
    text = "version: 1\nn_points:  68\n{\n" + "1.0 2.5\r\n" * 68 + "}"
    np.testing.assert_array_equal(parse_pts(text.encode(), PATH), [[0.5, 2.0]] * 68)


@hypothesis.given(PICTURES, TABLES)
def test_csv_round_trip(pictures, landmarks):
    labels = parse_csv(formula_faces.table(pictures, landmarks).encode(), PATH)
    assert labels.names == tuple(pictures)
    assert labels.visibility is None
    np.testing.assert_array_equal(labels.landmarks, landmarks)


@hypothesis.given(TABLES, VISIBILITIES)
def test_csv_round_trip_with_visibility(landmarks, visibility):
    labels = parse_csv(formula_faces.table("abc", landmarks, visibility).encode("utf-8-sig"), PATH)
    np.testing.assert_array_equal(labels.landmarks, landmarks)
    np.testing.assert_array_equal(labels.visibility, visibility)


def test_columns_may_have_any_order():
    landmarks = np.arange(136, dtype=np.float32).reshape(1, 68, 2)
    header, row = (
        line.split(",") for line in formula_faces.table(["a.jpg"], landmarks).splitlines()
    )
    text = ", ".join(header[::-1]) + "\n" + ",".join(row[::-1]) + "\n\n"
    labels = parse_csv(text.encode(), PATH)
    assert labels.names == ("a.jpg",)
    np.testing.assert_array_equal(labels.landmarks, landmarks)


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_npz_round_trip():
    landmarks = np.random.default_rng(0).uniform(0, 500, (2, 68, 2))
    content = npz(names=np.array([b"a.jpg", b"b.jpg"]), pts68=landmarks, boxes=np.ones((2, 4), int))
    labels = parse_npz(content, PATH)
    assert labels.names == ("a.jpg", "b.jpg")
    assert labels.visibility is None
    np.testing.assert_allclose(labels.landmarks, landmarks, rtol=1e-6)
    assert labels.boxes.dtype == np.float32


POINTS = "1 2\n" * 68


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a .pts file is `version: 1`"),
        ("1 2\n3 4", "a .pts file is `version: 1`"),
        (f"version: 1\nn_points: 68\n{{\n{POINTS}", "a .pts file is"),
        ("version: 1\nn_points: 39\n{\n" + "1 2\n" * 39 + "}", "it has 39 landmarks, not 68"),
        ("version: 1\nn_points: 68\n{\n" + "1 2\n" * 67 + "3}", "it has 67.5 landmarks, not 68"),
        (f"version: 1\nn_points: 68\n{{\nx{POINTS}}}", "could not convert string to float: 'x1'"),
    ],
)
def test_faulty_pts_file_is_reported(text, fault):
    with pytest.raises(DatasetError) as raised:
        parse_pts(text.encode(), PATH)
    assert str(PATH) in str(raised.value)
    assert fault in str(raised.value)


GOOD = formula_faces.table(["a.jpg", "b.jpg"], np.ones((2, 68, 2)), np.full((2, 68), 2))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the header lacks column 'name'"),
        (GOOD.replace("y67", "z67"), "line 1: the header lacks column 'y67'"),
        (GOOD.replace("v3,", ""), "line 1: the header lacks column 'v3'"),
        (GOOD.replace("name", "name,score"), "line 1: the header has an unknown column 'score'"),
        (GOOD.replace("name", "name,x5"), "line 1: the header repeats column 'x5'"),
        (GOOD + "c.jpg,1\n", "line 4: it has 2 cells, the header 205"),
        (GOOD.replace("b.jpg,1,1", "b.jpg,1,one"), "line 3, column y0: 'one' is not a number"),
        (GOOD.replace("b.jpg,1,1", 'b.jpg,"1,5",1'), "line 3, column x0: '1,5' is not a number"),
        (GOOD.splitlines()[0], "no line below its header"),
        (GOOD.replace(",2\r\n", ",3\r\n"), "a visibility is 3; write 0"),
        (GOOD + "x" * 200_000, "line 4: field larger than field limit"),
    ],
)
def test_faults_of_csv_are_located(text, fault):
    with pytest.raises(DatasetError) as raised:
        parse_csv(text.encode(), PATH)
    assert str(PATH) in str(raised.value)
    assert fault in str(raised.value)


@pytest.mark.parametrize("parse", [parse_pts, parse_csv])
def test_binary_file_is_reported(parse):
    with pytest.raises(DatasetError, match=r"folder/file: it is not UTF-8 text"):
        parse(b"\xff\xfe\x00", PATH)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PK\x03\x04 not really", "damaged"),
        (npz(names=np.array(["a"])), "no array pts68"),
        (npz(names=np.array(["a"]), pts68=np.ones((2, 68, 2))), r"names has shape (1), expected"),
        (npz(names=np.array(["a"]), pts68=np.ones((1, 39, 2))), r"expected (1, 68, 2)"),
        (npz(names=np.array(["a"]), pts68=np.full((1, 68, 2), "x")), "pts68 has type <U1"),
        (
            npz(
                names=np.array(["a"]),
                pts68=np.ones((1, 68, 2)),
                visibility=np.ones((1, 68), bool),
            ),
            "visibility has type bool",
        ),
    ],
)
def test_faulty_npz_is_reported(content, fault):
    with pytest.raises(DatasetError) as raised:
        parse_npz(content, PATH)
    assert str(PATH) in str(raised.value)
    assert fault in str(raised.value)
