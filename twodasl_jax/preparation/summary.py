"""Summaries of a preparation: printed statistics, a contact sheet and the whitening."""

import pathlib

import imageio.v3 as imageio
import numpy as np
import tensorflow_datasets as tfds

from twodasl_jax.data.face_crops import HIDDEN, MARGIN, VISIBLE, read_index, whitening_of
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.preparation.outliers import OutlierReport
from twodasl_jax.preparation.pseudo_3d import Pseudo3D
from twodasl_jax.rendering import points

_SHEET = (5, 8)  # rows and columns
_COLOURS = {VISIBLE: points.TRUE_COLOUR, HIDDEN: points.PREDICTED_COLOUR}


def print_fit_errors(fits: Pseudo3D) -> None:
    """Prints the number of fits and the quartiles of their errors."""
    fitted = np.isfinite(fits.error)
    quartiles = np.percentile(100 * fits.error[fitted], [25, 50, 75, 95])
    print(
        f"{len(fitted)} faces, {(~fitted).sum()} of them without a fit for lack of landmarks; error, % of the face "
        "size: quartiles {:.2f} {:.2f} {:.2f}, 95th percentile {:.2f}".format(*quartiles)
    )


def print_outliers(report: OutlierReport, num_faces: int) -> None:
    """Prints the numbers of dropped landmarks and faces.

    Args:
      report: the result of `drop_outliers`.
      num_faces: the number of faces before outliers were dropped.
    """
    regions = ", ".join(f"{count} {region}" for region, count in report.points.items())
    print(
        f"Outliers dropped: {sum(report.points.values())} of {report.compared} ({regions}); faces dropped: "
        f"{report.faces} of {num_faces}; the worst: {', '.join(report.worst) or 'none'}"
    )


def summarize(builder: tfds.core.DatasetBuilder, data_dir: pathlib.Path) -> None:
    """Writes the contact sheet and the whitening of a prepared data set, and prints its statistics.

    Args:
      builder: the data set.
      data_dir: its folder.
    """
    _write_contact_sheet(builder, data_dir / "contact_sheet.png")
    index = read_index(builder, "train")
    annotations = index.vectors[np.isfinite(index.error)]
    if len(annotations):
        whitening = whitening_of(annotations)
        with replacing(data_dir / "whitening.npz") as beside:
            np.savez(beside, mean=whitening.mean, std=whitening.std)
    counts = {name: builder.info.splits[name].num_examples for name in builder.info.splits}
    print(f"{data_dir}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    yaw = np.degrees(np.abs(index.yaw))
    print(
        "|yaw| up to 30, 60, 90 degrees: {} {} {}".format(*np.histogram(yaw, [0, 30, 60, 181])[0])
    )
    print(
        f"Check {data_dir / 'contact_sheet.png'}: visible landmarks are green, hidden ones are red."
    )


def _write_contact_sheet(builder: tfds.core.DatasetBuilder, path: pathlib.Path) -> None:
    """Draws forty training faces with their landmarks."""
    records = builder.as_data_source("train")
    rows, columns = _SHEET
    chosen = np.linspace(0, len(records) - 1, rows * columns).astype(int)
    drawings = []
    for row in sorted(set(chosen.tolist())):
        record = records[row]
        drawing = points.enlarge(record["image"])
        for visibility, colour in _COLOURS.items():
            included = record["visibility"][:, None] == visibility
            landmarks = np.where(included, record["landmarks"], np.nan)
            drawing = points.add_points(drawing, landmarks + MARGIN, colour, filled=False)
        drawings.append(drawing)
    with replacing(path) as beside:
        imageio.imwrite(beside, points.contact_sheet(drawings, columns)[::2, ::2])
