"""Random faces of the formula face model, as pictures and labels in the formats of users."""

import csv
import io
import zipfile

import numpy as np
from PIL import Image

from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler

COUNT = 60


def random_faces(model, count=COUNT, seed=0):
    """Returns random faces.

    Returns:
      The cameras to the crop frame, the shape coefficients, the expression coefficients, and the
      (count, 68, 3) landmarks.
    """
    random = np.random.default_rng(seed)
    angles = np.radians(random.uniform((-75, -15, -15), (75, 15, 15), (count, 3)))
    camera = WeakPerspective(
        scale=random.uniform(0.42, 0.5, count).astype(np.float32),
        rotation=np.asarray(rotation_from_euler(angles.astype(np.float32))),
        translation=np.stack([*random.uniform(57, 63, (2, count)), np.zeros(count)], -1).astype(
            np.float32
        ),
    )
    shape = random.normal(size=(count, model.shape_std.shape[0])).astype(np.float32) * 0.5
    expression = random.normal(size=(count, model.expression_std.shape[0])).astype(np.float32) * 0.5
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    points = np.asarray(decode(landmark_space(model), coefficients))
    return camera, shape, expression, points


def draw(points):
    """Returns a 120x120 picture with a smooth bright blob at each of (68, 3) landmarks.

    The jaw is red. The other landmarks alternate between green and blue.
    """
    centres = np.arange(120) + 0.5
    picture = np.zeros((120, 120, 3))
    for index, (x, y, _) in enumerate(points):
        blob = (
            np.exp(-((centres - x) ** 2) / 4)[None, :] * np.exp(-((centres - y) ** 2) / 4)[:, None]
        )
        picture[..., 0 if index < 17 else 1 + index % 2] += blob
    return (255 * np.clip(picture, 0, 1)).astype(np.uint8)


def names(count=COUNT):
    """Returns the file names of the pictures."""
    return [f"face{row:03}.png" for row in range(count)]


def png(picture):
    """Returns the content of a PNG file of a picture."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def pts(landmarks):
    """Returns the text of a `.pts` file of (68, 2) landmarks in the image frame."""
    lines = "\n".join(f"{x:.9g} {y:.9g}" for x, y in landmarks.astype(float) + 0.5)
    return f"version: 1\nn_points: {len(landmarks)}\n{{\n{lines}\n}}\n"


def table(pictures, landmarks, visibility=None):
    """Returns the text of a `.csv` file; the cells of missing landmarks are empty."""
    header = ["name", *(f"{axis}{k}" for k in range(68) for axis in "xy")]
    header += [] if visibility is None else [f"v{k}" for k in range(68)]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row, name in enumerate(pictures):
        cells = ["" if np.isnan(value) else f"{value:.9g}" for value in landmarks[row].ravel()]
        writer.writerow([name, *cells, *([] if visibility is None else visibility[row])])
    return buffer.getvalue()


def write_folder(folder, points):
    """Writes `images.zip` and `annotations.npz`; the left brow of every fifth face is hidden.

    Args:
      folder: the folder.
      points: the (N, 68, 3) landmarks in the crop frame.
    """
    visibility = np.full((len(points), 68), 2, np.int8)
    visibility[::5, 17:22] = 1
    np.savez(
        folder / "annotations.npz",
        names=np.array(names(len(points))),
        pts68=points[..., :2].astype(np.float32),
        visibility=visibility,
    )
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name, landmarks in zip(names(len(points)), points, strict=True):
            archive.writestr(name, png(draw(landmarks)))
