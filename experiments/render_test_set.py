"""Renders a test set for `experiments/evaluate.py`: synthetic faces, or photos of 3D scans.

python experiments/render_test_set.py --source=face_model --output_dir=synthetic [--count=500] [--seed=2025]
    Random faces of the face model, for --protocol=synthetic. Pose, skin, light, background and camera are random, and
    the ground truth is exact. Equal seeds give equal sets; use other seeds for training data. OUTPUT_DIR receives
    images/, annotations.npz and face_model.npz.
python experiments/render_test_set.py --source=scans --data_dir=FLORENCE --output_dir=views
    The scans of MICC Florence, for --protocol=florence. Each scan is rendered from 20 directions: pitch -15, 0, 20
    and 25 degrees, each with yaw -80, -40, 0, 40 and 80 degrees. This is our reading of Jackson et al., ICCV 2017.
    OUTPUT_DIR receives images/ and annotations.npz. To score another method, reconstruct the faces in these photos,
    cropped to `roi_box`, and use the names of the photos in the prediction file.
"""

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import imageio.v3 as imageio
import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float, UInt8
from PIL import Image

from experiments import conditional_flags
from twodasl_jax.commands import entry_points
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.projection import WeakPerspective, picture_from_model
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import chosen_face_model, embedded_face_model, save_face_model
from twodasl_jax.protocols.florence import Scan, find_scans, read_scan
from twodasl_jax.rendering import rasterizer
from twodasl_jax.synthetic_faces import SyntheticFace, build_renderable_model, synthetic_face

# The photos of scans.
YAWS = (-80, -40, 0, 40, 80)
PITCHES = (-15, 0, 20, 25)
SIDE = 256  # pixels
_CROP_SHARE = 0.75  # the side of the crop, relative to the photo
_SAMPLES = 2  # per pixel and direction
_BACKGROUND = 110
_LIGHT = np.array([-0.3, -0.4, 0.87], np.float32)  # image frame
_AMBIENT = 0.55

_SOURCE = flags.DEFINE_enum(
    "source", None, ["face_model", "scans"], "The source of the faces.", required=True
)
_OUTPUT = flags.DEFINE_string("output_dir", None, "The folder of the test set.", required=True)
_COUNT = flags.DEFINE_integer("count", 500, "face_model: the number of faces.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 2025, "face_model: the random seed.", lower_bound=0)
_SIDE = flags.DEFINE_integer(
    "side", 192, "face_model: the width and height of the images, pixels.", lower_bound=120
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "face_model: a face model (.npz) instead of the embedded one."
)
_DATA = flags.DEFINE_string("data_dir", None, "scans: the folder of subject_01, ...")


class Photo(NamedTuple):
    """An image of a test set, and its row of `annotations.npz`."""

    image: UInt8[np.ndarray, "H W 3"]
    annotation: dict[str, Any]


def main() -> None:
    folder = pathlib.Path(_OUTPUT.value)
    if _SOURCE.value == "face_model":
        conditional_flags.reject("--source=face_model", _DATA)
        render_face_model(folder)
    else:
        conditional_flags.reject("--source=scans", _COUNT, _SEED, _SIDE, _FACE_MODEL)
        render_scans(folder, pathlib.Path(conditional_flags.required(_DATA, "--source=scans")))


def render_face_model(folder: pathlib.Path) -> None:
    """Writes the test set of random faces."""
    model = chosen_face_model(_FACE_MODEL.value)
    renderable = build_renderable_model(model)
    indices = tqdm.trange(_COUNT.value, unit="face", disable=None)
    write_photos(
        folder,
        (
            synthetic_photo(synthetic_face(renderable, _SEED.value, index, side=_SIDE.value), index)
            for index in indices
        ),
    )
    save_face_model(folder / "face_model.npz", model)
    print(f"{folder}: {_COUNT.value} faces of seed {_SEED.value}")


def render_scans(folder: pathlib.Path, data_dir: pathlib.Path) -> None:
    """Writes the test set of scans."""
    files, model = find_scans(data_dir), embedded_face_model()
    unannotated = []

    def photos() -> Iterator[Photo]:
        for subject, path in tqdm.tqdm(files.items(), unit="scan", disable=None):
            scan = read_scan(path, model)
            if not scan.annotated:
                unannotated.append(subject)
            yield from scan_photos(subject, scan)

    count = write_photos(folder, photos())
    print(f"{folder}: {count} views of {len(files)} scans")
    if unannotated:
        print(
            f"{', '.join(unannotated)}: no annotated landmarks; those of the aligned mean face are used."
        )


def write_photos(folder: pathlib.Path, photos: Iterable[Photo]) -> int:
    """Writes images/ and annotations.npz, and returns the number of photos."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    annotations: list[dict[str, Any]] = []
    for photo in photos:
        with replacing(folder / "images" / f"{photo.annotation['names']}.png") as beside:
            imageio.imwrite(beside, photo.image)
        annotations.append(photo.annotation)
    columns: dict[str, Any] = {
        name: np.stack([annotation[name] for annotation in annotations]) for name in annotations[0]
    }
    with replacing(folder / "annotations.npz") as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **columns)
    return len(annotations)


def synthetic_photo(face: SyntheticFace, index: int) -> Photo:
    """Returns the photo of a random face, with its ground truth."""
    annotation = {
        "names": f"{index:06d}",
        "yaw": face.yaw_pitch_roll[0],
        "pose": face.yaw_pitch_roll,
        "pts68": face.landmarks.T,
        "visible": face.visible & ~face.occluded,
        "roi_box": np.asarray(box_from_landmarks(face.landmarks[:, :2])),
        "shape": face.shape,
        "expression": face.expression,
        "scale": face.camera.scale,
        "rotation": face.camera.rotation,
        "translation": face.camera.translation,
    }
    return Photo(face.image, annotation)


def scan_photos(subject: str, scan: Scan) -> Iterator[Photo]:
    """Yields the photos of a scan from all directions."""
    for pitch in PITCHES:
        for yaw in YAWS:
            camera, box = scan_camera(scan, yaw, pitch)
            name = f"{subject}_pitch{pitch:+d}_yaw{yaw:+d}"
            annotation = {"names": name, "scan": subject, "yaw": np.float32(yaw), "roi_box": box}
            yield Photo(draw_scan(scan, camera), annotation)


def scan_camera(
    scan: Scan, yaw: float, pitch: float
) -> tuple[WeakPerspective, Float[np.ndarray, "4"]]:
    """Returns a camera that centres the face of a scan in the photo, and the box of the crop.

    Args:
      scan: the scan.
      yaw: degrees.
      pitch: degrees.
    """
    angles = np.radians(np.array([yaw, pitch, 0], np.float32))
    landmarks = scan.landmarks.astype(np.float32)
    rotation = np.asarray(rotation_from_euler(angles))
    rotated = WeakPerspective(np.ones((), np.float32), rotation, np.zeros(3, np.float32))
    box = np.asarray(box_from_landmarks(picture_from_model(rotated, landmarks)[:, :2]))
    scale = _CROP_SHARE * SIDE / (box[2] - box[0])
    translation = np.array([*(SIDE / 2 - scale * (box[:2] + box[2:]) / 2), 0], np.float32)
    camera = WeakPerspective(np.asarray(scale), rotated.rotation, translation)
    return camera, np.asarray(box_from_landmarks(picture_from_model(camera, landmarks)[:, :2]))


def draw_scan(scan: Scan, camera: WeakPerspective) -> UInt8[np.ndarray, "256 256 3"]:
    """Draws a scan with its colours under a soft light."""
    vertices = np.asarray(picture_from_model(camera, scan.surface.vertices.astype(np.float32)))
    triangles = scan.surface.triangles
    light = np.maximum(vertex_normals(vertices, triangles) @ _LIGHT, 0)
    shaded = scan.colours * (_AMBIENT + (1 - _AMBIENT) * light[:, None])
    opaque = np.concatenate([shaded, np.ones_like(shaded[:, :1])], axis=1)
    raster = rasterizer.rasterize(vertices * _SAMPLES, triangles, SIDE * _SAMPLES, SIDE * _SAMPLES)
    samples = rasterizer.interpolate(raster, triangles, opaque)
    picture = samples[..., :3] + _BACKGROUND * (1 - samples[..., 3:])
    return np.asarray(Image.fromarray(np.rint(picture).astype(np.uint8)).reduce(_SAMPLES))


if __name__ == "__main__":
    entry_points.run(main)
