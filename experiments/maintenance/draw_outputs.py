"""Draws a contact sheet of the outputs of twodasl-reconstruct for the demo photos and a clip.

  pip install -e '.[demo,video]'
  python experiments/maintenance/draw_outputs.py --output_dir=docs/images

The result is outputs.jpg. The images are read from files that the functions of the program write to
a temporary folder. Position maps are shown as colours, and depth with 8 of its 16 bits.
"""

import io
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction

import imageio.v3 as imageio
import matplotlib
import numpy as np
from absl import flags
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont, ImageSequence

from experiments.demo import demo_photos
from twodasl_jax import Reconstructor, embedded_expression_units, outputs
from twodasl_jax.commands import entry_points
from twodasl_jax.commands.videos import Pipeline, reconstruct_video
from twodasl_jax.files import atomic_files
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.videos.files import VideoFrame, open_video, writing_video
from twodasl_jax.videos.smoothing import STRENGTHS

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "docs/images", "The folder of the contact sheet.")

Picture = UInt8[np.ndarray, "H W 3"]
Tile = tuple[str, Picture]

_COLUMNS = 7
# Side of a tile, height of its label, and gap between tiles, in pixels.
_SIDE, _LABEL, _GAP = 200, 20, 6
_PAPER, _INK = (255, 255, 255), (70, 74, 82)
_QUALITY = 88
# Side of the part of the photo that a tile shows, relative to the box of the face.
_MARGIN = 1.35
_PHOTO_SIZED = ("overlay", "wireframe", "landmarks", "pose", "normals", "pncc")
_TURNTABLE_FRAMES = (8, 40)
# The clip pans over both photos, side by side.
_RATE, _FRAMES = 25, 75
_CLIP_SIZE = 400  # pixels
# Side of the visible part of the photos, relative to the box of the face.
_CLIP_VIEW = 1.8


def main() -> None:
    reconstructor, units = Reconstructor.pretrained(), embedded_expression_units()
    photos = [read_photo(path) for path in demo_photos()]
    scenes = [
        outputs.Scene(photo, tuple(reconstructor(photo)), reconstructor.model, units)
        for photo in photos
    ]
    pipeline = Pipeline(reconstructor, units, STRENGTHS["light"])
    tiles: list[Tile] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (scene, other) in enumerate(zip(scenes, scenes[::-1], strict=True)):
            tiles += photo_tiles(scene, other, pathlib.Path(folder) / f"photo{number}")
        tiles += clip_tiles(pipeline, scenes, pathlib.Path(folder) / "clip")
    path = pathlib.Path(_OUTPUT_DIR.value) / "outputs.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    sheet_of(tiles).save(file, "JPEG", quality=_QUALITY)
    atomic_files.write_bytes(path, file.getvalue())
    print(f"{path}: {len(file.getvalue()) / 1e3:.0f} kB")


def photo_tiles(scene: outputs.Scene, other: outputs.Scene, target: pathlib.Path) -> list[Tile]:
    """Returns tiles of a photo's outputs, and of its face with the expression of another photo."""
    kinds = [*_PHOTO_SIZED, "depth", "uv_texture", "uv_position", "turntable"]
    files = outputs.write_photo(target, scene, kinds)
    retargeted = scene.with_expression_of(other.faces[0])
    changed = target.with_name(f"{target.name}_retargeted")
    changed_files = outputs.write_photo(changed, retargeted, ["turntable"])["faces"][0]["files"]

    def read(name: str) -> Picture:
        return imageio.imread(target.with_name(name))

    box = scene.faces[0].box
    of_face = files["faces"][0]["files"]
    depth = (read(files["files"]["depth"]) // 256).astype(np.uint8)
    heads = turntable_pictures(target.with_name(of_face["turntable"]))
    retargeted_head, _ = turntable_pictures(target.with_name(changed_files["turntable"]))
    positions = np.load(target.with_name(of_face["uv_position"]))
    return [
        ("photo", around(scene.image, box)),
        *((kind, around(read(files["files"][kind]), box)) for kind in _PHOTO_SIZED),
        ("depth", around(np.repeat(depth[..., None], 3, axis=-1), box)),
        ("uv_texture", read(of_face["uv_texture"])),
        ("uv_position", as_colours(positions)),
        *(("obj, glb, turntable", head) for head in heads),
        ("--retarget", around(overlay_of(retargeted, changed), box)),
        ("--retarget, turntable", retargeted_head),
    ]


def overlay_of(scene: outputs.Scene, target: pathlib.Path) -> Picture:
    """Writes the overlay of a scene and reads it back."""
    files = outputs.write_photo(target, scene, ["overlay"])["files"]
    return imageio.imread(target.with_name(files["overlay"]))


def around(picture: Picture, box: Float[np.ndarray, "4"]) -> Picture:
    """Returns the part of an image around a box."""
    centre, half = (box[:2] + box[2:]) / 2, _MARGIN * (box[2:] - box[:2]) / 2
    return crop_photo(picture, np.concatenate([centre - half, centre + half]), _SIDE)


def turntable_pictures(path: pathlib.Path) -> list[Picture]:
    """Returns two frames of a turntable."""
    with Image.open(path) as animation:
        pictures = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]
    return [pictures[number] for number in _TURNTABLE_FRAMES]


def as_colours(positions: Float[np.ndarray, "N N 3"]) -> Picture:
    """Returns a position map as RGB. Each axis is scaled to its range; the background is white."""
    low, high = np.nanmin(positions, axis=(0, 1)), np.nanmax(positions, axis=(0, 1))
    return np.nan_to_num(255 * (positions - low) / (high - low), nan=255).astype(np.uint8)


def clip_tiles(
    pipeline: Pipeline, scenes: Sequence[outputs.Scene], target: pathlib.Path
) -> list[Tile]:
    """Returns evenly spaced frames of the overlay of a clip."""
    clip = target.with_suffix(".mp4")
    with writing_video(clip, Fraction(_RATE)) as write:
        for frame in clip_frames(scenes):
            write(frame)
    reconstruct_video(pipeline, clip, target, stop_requested=lambda: False)
    with open_video(target.with_name(f"{target.name}_overlay.mp4")) as video:
        frames = [frame.image for frame in video.frames]
    numbers = np.linspace(0, len(frames) - 1, _COLUMNS).astype(int)
    return [(f"video, {number / _RATE:.1f} s", frames[number]) for number in numbers]


def clip_frames(scenes: Sequence[outputs.Scene]) -> Iterator[VideoFrame]:
    """Yields frames that pan from the first face to the last one with a slight rotation."""
    wall, faces = photos_side_by_side(scenes)
    for number in range(_FRAMES):
        phase = number / (_FRAMES - 1)
        # The pan pauses at both ends.
        progress = np.clip(1.4 * phase - 0.2, 0, 1)
        share = progress**2 * (3 - 2 * progress)
        x, y, side = faces[0] + share * (faces[-1] - faces[0])
        scale, angle = _CLIP_VIEW * side / _CLIP_SIZE, 0.15 * np.sin(4 * np.pi * phase)
        along, across = scale * np.cos(angle), scale * np.sin(angle)
        half = _CLIP_SIZE / 2
        affine = (
            along,
            -across,
            x - half * (along - across),
            across,
            along,
            y - half * (along + across),
        )
        frame = wall.transform(
            (_CLIP_SIZE, _CLIP_SIZE), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
        )
        yield VideoFrame(number, number / _RATE, np.asarray(frame))


def photos_side_by_side(
    scenes: Sequence[outputs.Scene],
) -> tuple[Image.Image, Float[np.ndarray, "N 3"]]:
    """Returns all photos as one image, and the centre and box side of each first face in it."""
    height = max(scene.size[0] for scene in scenes)
    width = sum(scene.size[1] for scene in scenes)
    wall, left, faces = Image.new("RGB", (width, height), _PAPER), 0, []
    for scene in scenes:
        x0, y0, x1, y1 = scene.faces[0].box
        faces.append([left + (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0])
        wall.paste(Image.fromarray(scene.image), (left, 0))
        left += scene.size[1]
    return wall, np.array(faces)


def sheet_of(tiles: Sequence[Tile]) -> Image.Image:
    """Returns the tiles in rows, each with its label below."""
    rows = -(-len(tiles) // _COLUMNS)
    across, down = _SIDE + _GAP, _SIDE + _LABEL + _GAP
    sheet = Image.new("RGB", (_COLUMNS * across + _GAP, rows * down + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", 12)
    for number, (name, picture) in enumerate(tiles):
        row, column = divmod(number, _COLUMNS)
        left, top = _GAP + column * across, _GAP + row * down
        small = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        sheet.paste(small, (left, top))
        draw.text((left + 1, top + _SIDE + 3), name, _INK, font)
    return sheet


if __name__ == "__main__":
    entry_points.run(main)
