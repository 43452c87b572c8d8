"""What was prepared, in words and in a picture."""

import pathlib

import imageio.v3 as imageio
import numpy as np
import tensorflow_datasets as tfds

from twodasl_jax.data.face_crops import HIDDEN, MARGIN, VISIBLE, read_index
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.rendering import points
from twodasl_jax.training.face_space import whitening_of

_SHEET = (5, 8)  # rows and columns
_COLOURS = {VISIBLE: points.TRUE_COLOUR, HIDDEN: points.PREDICTED_COLOUR}


def summarize(builder: tfds.core.DatasetBuilder, data_dir: pathlib.Path) -> None:
    """Says what was prepared, and draws some of it."""
    records = builder.as_data_source("train")
    rows, columns = _SHEET
    chosen = np.linspace(0, len(records) - 1, rows * columns).astype(int)
    drawings = []
    for row in sorted(set(chosen.tolist())):
        record = records[row]
        drawing = points.enlarge(record["image"])
        for seen, colour in _COLOURS.items():
            shown = np.where(record["visibility"][:, None] == seen, record["landmarks"], np.nan)
            drawing = points.add_points(drawing, shown + MARGIN, colour, filled=False)
        drawings.append(drawing)
    with replacing(data_dir / "contact_sheet.png") as beside:
        imageio.imwrite(beside, points.contact_sheet(drawings, columns)[::2, ::2])
    index = read_index(builder, "train")
    yaw = np.degrees(np.abs(index.yaw))
    annotated = index.vectors[np.isfinite(index.error)]
    if len(annotated):
        whitening = whitening_of(annotated)
        with replacing(data_dir / "whitening.npz") as beside:
            np.savez(beside, mean=whitening.mean, std=whitening.std)
    counts = {name: builder.info.splits[name].num_examples for name in builder.info.splits}
    print(f"{data_dir}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    print(
        "|yaw| up to 30, 60, 90 degrees: {} {} {}".format(*np.histogram(yaw, [0, 30, 60, 181])[0])
    )
    print(
        f"Look at {data_dir / 'contact_sheet.png'}: green landmarks are visible, red ones hidden."
    )
