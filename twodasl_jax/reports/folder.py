"""The files of a report: `report.json`, `report.md`, `curve.png` and `report.html`."""

import pathlib
from collections.abc import Sequence

from twodasl_jax.files import atomic_files
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.reports import curve, document, page, table
from twodasl_jax.reports.document import Document


def write(
    folder: pathlib.Path, report: Document, photos: AnnotatedPhotos, predictions: Predictions
) -> None:
    """Writes all files of a report.

    Args:
      folder: an existing folder.
      report: the document of the errors.
      photos: the test set.
      predictions: the predictions on its photos.
    """
    document.write(folder / "report.json", report)
    write_table(folder / "report.md", table.HEADER, table.rows(report))
    picture = curve.draw(report)
    atomic_files.write_bytes(folder / "curve.png", picture)
    page.write(folder / "report.html", report, picture, photos, predictions)


def write_table(path: pathlib.Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Writes a table in Markdown."""
    atomic_files.write_bytes(path, f"{table.markdown(header, rows)}\n".encode())
