"""Draws the pictures of a face model's card: the mean face, components, random faces.

  python experiments/face_model/draw.py --output_dir=docs/images [--model=FILE.npz]

writes face_model_mean.png (front, half profile, profile; with the 68 landmarks below),
face_model_shape.png and face_model_expression.png (the first components at -2 and +2 standard
deviations, the other coefficients zero) and face_model_random.png (random identities with random
activations of the expression units). Skin, eyes and the inside of the mouth have a colour each.
"""

import pathlib

import numpy as np
from absl import flags
from jaxtyping import Float, UInt8
from PIL import Image

from twodasl_jax.commands import entry_points
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.rendering import marks, rasterizer
from twodasl_jax.rendering.layers import composite

SAMPLES = 2  # per pixel and direction
PART_COLOURS = np.array([[219, 184, 160], [242, 242, 247], [64, 20, 20]], np.float32)
AMBIENT = 0.2
LIGHT = np.array([-0.35, -0.40, 0.85]) / np.linalg.norm([-0.35, -0.40, 0.85])
# What a picture shows: this many millimetres of the model frame around this point.
EXTENT, CENTRE = 290.0, np.array([0.0, 15.0, -40.0])
SEED = 3

_OUTPUT = flags.DEFINE_string("output_dir", "docs/images", "Where the pictures go.")
_MODEL = flags.DEFINE_string("model", "twodasl_jax/assets/face_model.npz", "The face model's file.")


def view(points: Float[np.ndarray, "P 3"], yaw: float, size: int) -> Float[np.ndarray, "P 3"]:
    """Returns model points as a picture of the given size sees them, yaw in degrees."""
    rotation = np.asarray(rotation_from_euler(np.array([np.radians(yaw), 0.0, 0.0], np.float32)))
    scale = size / EXTENT
    turned = (points - CENTRE) @ rotation.T * [scale, -scale, scale]
    return turned + [size / 2, size / 2, 0.0]


def draw(
    arrays: dict[str, np.ndarray], vertices: Float[np.ndarray, "V 3"], yaw: float, size: int
) -> UInt8[np.ndarray, "H W 3"]:
    """Draws one face on white.

    Args:
      arrays: the face model's file.
      vertices: the face in the model frame.
      yaw: degrees.
      size: width and height of the picture.
    """
    large = size * SAMPLES
    mesh, triangles = view(vertices, yaw, large), arrays["triangles"]
    raster = rasterizer.rasterize(mesh, triangles, large, large)
    normals = vertex_normals(mesh, triangles)
    normal = rasterizer.interpolate(raster, triangles, normals)
    light = AMBIENT + (1 - AMBIENT) * np.clip(normal @ LIGHT, 0.0, 1.0)
    covered = raster.triangle != rasterizer.NO_TRIANGLE
    picture = np.full((large, large, 3), 255.0)
    colours = PART_COLOURS[arrays["triangle_parts"][raster.triangle[covered]]]
    picture[covered] = colours * light[covered, None]
    shape = (size, SAMPLES, size, SAMPLES, 3)
    return picture.reshape(shape).mean(axis=(1, 3)).round().astype(np.uint8)


def draw_landmarks(
    arrays: dict[str, np.ndarray], picture: UInt8[np.ndarray, "H W 3"], yaw: float
) -> UInt8[np.ndarray, "H W 3"]:
    """Draws the mean face's landmarks over its picture."""
    size = len(picture)
    corners = arrays["mean"][arrays["landmark_vertices"]]
    landmarks = np.einsum("lk,lkc->lc", arrays["landmark_weights"], corners)
    points = view(landmarks, yaw, size).astype(np.float32)
    seen = rasterizer.unhidden_points(
        points, view(arrays["mean"], yaw, size).astype(np.float32), arrays["triangles"]
    )
    return composite(picture, [marks.landmark_layer(points, seen, size, size)])


def tile(pictures: list[UInt8[np.ndarray, "H W 3"]], columns: int) -> UInt8[np.ndarray, "h w 3"]:
    """Lays pictures of one size out in rows."""
    rows = [np.hstack(pictures[i : i + columns]) for i in range(0, len(pictures), columns)]
    return np.vstack(rows)


def draw_mean(arrays: dict[str, np.ndarray]) -> UInt8[np.ndarray, "H W 3"]:
    """Draws the mean face from three sides, without and with landmarks."""
    yaws = (0.0, 45.0, 90.0)
    plain = [draw(arrays, arrays["mean"], yaw, 320) for yaw in yaws]
    marked = [
        draw_landmarks(arrays, picture, yaw) for picture, yaw in zip(plain, yaws, strict=True)
    ]
    return tile(plain + marked, columns=3)


def draw_components(
    arrays: dict[str, np.ndarray], kind: str, count: int
) -> UInt8[np.ndarray, "H W 3"]:
    """Draws the first components of "shape" or "expression", two pictures each."""
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
    """Draws random faces, identities from the prior and three active expression units each."""
    random = np.random.default_rng(SEED)
    basis = arrays["shape_basis"][..., :40] * arrays["shape_std"][:40]
    # "mouthClose" only takes back what "jawOpen" does.
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
