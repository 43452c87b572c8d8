"""Draws the images of a face model's card: the mean face, components, and random faces.

  python experiments/face_model/draw.py --output_dir=docs/images [--model=FILE.npz]

OUTPUT_DIR receives face_model_mean.png (frontal, half profile and profile view, with the 68 landmarks in the second
row), face_model_shape.png and face_model_expression.png (the first components at -2 and +2 standard deviations, with
all other coefficients zero), and face_model_random.png (random identities with random expression units). Skin, eyes and
the inside of the mouth have one colour each.
"""

import pathlib

import numpy as np
from absl import flags
from jaxtyping import Float, UInt8
from PIL import Image

from twodasl_jax.commands import entry_points
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.rendering import marks, rasterizer, visibility
from twodasl_jax.rendering.layers import composite

SAMPLES = 2  # per pixel and direction
PART_COLOURS = np.array([[219, 184, 160], [242, 242, 247], [64, 20, 20]], np.float32)
AMBIENT = 0.2
LIGHT = np.array([-0.35, -0.40, 0.85]) / np.linalg.norm([-0.35, -0.40, 0.85])
# The width of a view in millimetres, and its centre in the model frame.
EXTENT, CENTRE = 290.0, np.array([0.0, 15.0, -40.0])
SEED = 3

_OUTPUT = flags.DEFINE_string("output_dir", "docs/images", "The folder of the images.")
_MODEL = flags.DEFINE_string(
    "model", "twodasl_jax/assets/face_model.npz", "The file of the face model (.npz)."
)


def view(points: Float[np.ndarray, "P 3"], yaw: float, size: int) -> Float[np.ndarray, "P 3"]:
    """Returns model points in the frame of a view.

    Args:
      points: (P, 3) points in the model frame.
      yaw: degrees.
      size: the width and height of the view, pixels.
    """
    rotation = np.asarray(rotation_from_euler(np.array([np.radians(yaw), 0.0, 0.0], np.float32)))
    scale = size / EXTENT
    rotated = (points - CENTRE) @ rotation.T * [scale, -scale, scale]
    return rotated + [size / 2, size / 2, 0.0]


def draw(
    arrays: dict[str, np.ndarray], vertices: Float[np.ndarray, "V 3"], yaw: float, size: int
) -> UInt8[np.ndarray, "H W 3"]:
    """Returns an image of one face on white.

    Args:
      arrays: the arrays of the face model's file.
      vertices: (V, 3) the face in the model frame.
      yaw: degrees.
      size: the width and height of the image, pixels.
    """
    large = size * SAMPLES
    mesh, triangles = view(vertices, yaw, large), arrays["triangles"]
    raster = rasterizer.rasterize(mesh, triangles, large, large)
    normals = vertex_normals(mesh, triangles)
    normal = rasterizer.interpolate(raster, triangles, normals)
    light = AMBIENT + (1 - AMBIENT) * np.clip(normal @ LIGHT, 0.0, 1.0)
    picture = np.full((large, large, 3), 255.0)
    colours = PART_COLOURS[arrays["triangle_parts"][raster.triangle[raster.covered]]]
    picture[raster.covered] = colours * light[raster.covered, None]
    shape = (size, SAMPLES, size, SAMPLES, 3)
    return picture.reshape(shape).mean(axis=(1, 3)).round().astype(np.uint8)


def draw_landmarks(
    arrays: dict[str, np.ndarray], picture: UInt8[np.ndarray, "H W 3"], yaw: float
) -> UInt8[np.ndarray, "H W 3"]:
    """Returns an image of the mean face with its landmarks."""
    size = len(picture)
    corners = arrays["mean"][arrays["landmark_vertices"]]
    landmarks = np.einsum("lk,lkc->lc", arrays["landmark_weights"], corners)
    points = view(landmarks, yaw, size).astype(np.float32)
    visible = visibility.visible_points(
        points, view(arrays["mean"], yaw, size).astype(np.float32), arrays["triangles"]
    )
    return composite(picture, [marks.landmark_layer(points, visible, size, size)])


def tile(pictures: list[UInt8[np.ndarray, "H W 3"]], columns: int) -> UInt8[np.ndarray, "h w 3"]:
    """Returns images of equal size arranged in rows."""
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    return np.vstack(rows)


def draw_mean(arrays: dict[str, np.ndarray]) -> UInt8[np.ndarray, "H W 3"]:
    """Returns three views of the mean face, without landmarks in the first row and with landmarks in the second."""
    yaws = (0.0, 45.0, 90.0)
    plain = [draw(arrays, arrays["mean"], yaw, 320) for yaw in yaws]
    marked = [
        draw_landmarks(arrays, picture, yaw) for picture, yaw in zip(plain, yaws, strict=True)
    ]
    return tile(plain + marked, columns=3)


def draw_components(
    arrays: dict[str, np.ndarray], kind: str, count: int
) -> UInt8[np.ndarray, "H W 3"]:
    """Returns two images for each of the first components of `kind`, "shape" or "expression"."""
    scaled = arrays[f"{kind}_basis"] * arrays[f"{kind}_std"]
    return tile(
        [
            draw(arrays, arrays["mean"] + sigmas * scaled[..., i], 25.0, 200)
            for i in range(count)
            for sigmas in (-2.0, 2.0)
        ],
        columns=6,
    )


def draw_random(arrays: dict[str, np.ndarray], count: int) -> UInt8[np.ndarray, "H W 3"]:
    """Returns random faces with shape coefficients from the prior and three active expression units."""
    random = np.random.default_rng(SEED)
    basis = arrays["shape_basis"][..., :40] * arrays["shape_std"][:40]
    # "mouthClose" only reverses a part of "jawOpen".
    usable = np.flatnonzero(arrays["expression_unit_names"] != "mouthClose")
    pictures = []
    for index in range(count):
        vertices = arrays["mean"] + basis @ random.standard_normal(basis.shape[-1])
        active = random.choice(usable, 3, replace=False)
        units = arrays["expression_units"][..., active]
        vertices = vertices + units @ random.uniform(0.0, 0.6, len(active))
        pictures.append(draw(arrays, vertices, (0.0, 35.0, -60.0)[index % 3], 200))
    return tile(pictures, columns=6)


def main() -> None:
    with np.load(_MODEL.value, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name in ("mean", "shape_basis", "shape_std", "expression_basis", "expression_std"):
        arrays[name] = arrays[name].astype(np.float64)
    pictures = {
        "mean": draw_mean(arrays),
        "shape": draw_components(arrays, "shape", 9),
        "expression": draw_components(arrays, "expression", 9),
        "random": draw_random(arrays, 18),
    }
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(picture).quantize(128).save(
            folder / f"face_model_{name}.png", optimize=True
        )


if __name__ == "__main__":
    entry_points.run(main)
