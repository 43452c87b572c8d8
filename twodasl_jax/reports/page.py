"""A page of the worst faces and some random faces, with true and predicted landmarks."""

import base64
import html
import io
import pathlib
import string
from collections.abc import Sequence

import numpy as np
import tqdm
from jaxtyping import Float, Int, UInt8
from PIL import Image

from twodasl_jax.errors import InputError
from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.rendering.points import compare_points
from twodasl_jax.reports import table
from twodasl_jax.reports.document import Document, errors_of, metrics

_FACES_PER_SECTION = 20
_SEED = 0

_PAGE = string.Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>$title</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 92rem; padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap }
th, td { border-bottom: 1px solid #8885; padding: .2rem .7rem .2rem 0; text-align: left }
.wide { overflow-x: auto }
.faces { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)) }
img { max-width: 100% }
figure { margin: 0 } figure img { border-radius: 4px; width: 100% }
figcaption { font-size: 12px } .true { color: #2a9d4f } .predicted { color: #d8483e }
</style>
<h1>$title</h1>
<p>$about</p>
<div class="wide">$headlines</div>
<p><img src="$curve" alt="cumulative error curve" width="680"></p>
<p>Crops of the faces, with <b class="true">true landmarks (rings)</b> and
<b class="predicted">predicted landmarks (discs)</b>. Rings without discs mean that there is no prediction.</p>
$sections
<h2>All metrics</h2>
<div class="wide">$everything</div>
""")


def write(
    path: pathlib.Path,
    document: Document,
    curve: bytes,
    photos: AnnotatedPhotos,
    predictions: Predictions,
) -> None:
    """Writes the page as one self-contained file. It shows an error message for each unreadable photo.

    Args:
      path: the file to write.
      document: the document of the report.
      curve: the cumulative error curve, PNG.
      photos: the test set.
      predictions: the predictions on its photos.
    """
    about = document["about"]
    rows_of_text = table.rows(document)
    text = _PAGE.substitute(
        title=html.escape(f"{about['method']} on {about['protocol']}"),
        about=html.escape("; ".join(f"{key}: {_as_text(value)}" for key, value in about.items())),
        headlines=_html_table(table.headlines(rows_of_text)),
        curve=_data_url("png", curve),
        sections=_sections(document, photos, predictions),
        everything=_html_table(rows_of_text),
    )
    atomic_files.write_bytes(path, text.encode())


def worst_faces(errors: Float[np.ndarray, " N"], count: int) -> Int[np.ndarray, " K"]:
    """Returns the indices of the faces with the largest errors, in descending order. Skips faces without an error."""
    order = np.argsort(-np.nan_to_num(errors, nan=-np.inf), kind="stable")
    return order[: min(count, int(np.isfinite(errors).sum()))]


def other_faces(
    errors: Float[np.ndarray, " N"], excluded: Int[np.ndarray, " K"], count: int
) -> Int[np.ndarray, " L"]:
    """Returns the indices of random faces that have an error and are not excluded, always the same."""
    rest = np.setdiff1d(np.flatnonzero(np.isfinite(errors)), excluded)
    drawn = np.random.default_rng(_SEED).permutation(len(rest))[:count]
    return np.sort(rest[drawn])


def draw_face(
    row: int, photos: AnnotatedPhotos, predictions: Predictions
) -> UInt8[np.ndarray, "360 360 3"]:
    """Draws the crop of a face with true landmarks as green rings and predicted landmarks as red discs.

    Args:
      row: the index of the face.
      photos: the test set.
      predictions: the predictions on its photos. A face without a prediction has no discs.

    Returns:
      The RGB image.

    Raises:
      PhotoError: the photo cannot be read.
    """
    box, annotation = photos.boxes[row], photos.first_annotation()
    no_points = np.zeros((0, 2), np.float32)
    return compare_points(
        crop_photo(read_photo(photos.photos[row]), box),
        _in_crop(no_points if annotation is None else annotation.points[row, :, :2], box),
        _in_crop(predictions.landmarks[row, :, :2], box),
    )


def _sections(document: Document, photos: AnnotatedPhotos, predictions: Predictions) -> str:
    metric, reference = metrics(document)[0]
    errors = errors_of(document, metric, reference)
    worst = worst_faces(errors, _FACES_PER_SECTION)
    groups = {
        "Faces without a prediction": np.flatnonzero(np.isnan(errors))[:_FACES_PER_SECTION],
        "The worst faces": worst,
        "Other faces, chosen at random": other_faces(errors, worst, _FACES_PER_SECTION),
    }
    total = sum(map(len, groups.values()))
    sections = []
    with tqdm.tqdm(total=total, desc="page", unit="face", leave=False, disable=None) as progress:
        for title, rows in groups.items():
            figures = []
            for row in rows:
                figures.append(_figure(row, errors[row], photos, predictions))
                progress.update()
            heading = f"<h2>{title}</h2><p>By {metric}, {reference}.</p>"
            if figures:
                sections.append(f'{heading}<div class="faces">{"".join(figures)}</div>')
    return "".join(sections)


def _figure(row: int, error: float, photos: AnnotatedPhotos, predictions: Predictions) -> str:
    name = html.escape(photos.names[row])
    value = "no prediction" if np.isnan(error) else f"{error:.2f}"
    yaw = "" if photos.yaw is None else f", yaw {round(float(photos.yaw[row]))}&deg;"
    try:
        picture = draw_face(row, photos, predictions)
    except InputError as problem:
        return f"<figure><figcaption>{name}: {html.escape(str(problem))}</figcaption></figure>"
    source = _data_url("jpeg", _jpeg(picture))
    return (
        f'<figure><img src="{source}" alt="{name}"><figcaption>{name}<br><b>{value}</b>{yaw}'
        "</figcaption></figure>"
    )


def _in_crop(points: Float[np.ndarray, "P 2"], box: Float[np.ndarray, "4"]) -> np.ndarray:
    return np.asarray(crop_from_image(points, box))


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _jpeg(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _html_table(rows: Sequence[tuple[str, ...]]) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inside}</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table>{line('th', table.HEADER)}{body}</table>"


def _as_text(value: object) -> str:
    return f"{len(value)} faces" if isinstance(value, list) else str(value)
