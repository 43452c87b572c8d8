"""Renders the scans of MICC Florence as photos, for `experiments/evaluate.py --protocol=florence`.

  python experiments/render_scans.py --data_dir=FLORENCE --output_dir=views

Every scan is seen from 20 directions: a pitch of -15, 0, 20 and 25 degrees, each at a yaw of -80, -40, 0, 40 and 80,
which is our reading of Jackson et al., ICCV 2017. VIEWS gets images/ and annotations.npz; a method that is not of this
package reconstructs the faces of these photos, crops in `roi_box`, and names its results after them.
"""

import pathlib

import imageio.v3 as imageio
import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float, UInt8
from PIL import Image

from twodasl_jax.commands import entry_points
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.projection import WeakPerspective, picture_from_model
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.protocols.florence import Scan, find_scans, read_scan
from twodasl_jax.rendering import rasterizer

YAWS = (-80, -40, 0, 40, 80)
PITCHES = (-15, 0, 20, 25)
SIDE = 256  # pixels
_CROP_SHARE = 0.75
_SAMPLES = 2  # per pixel and direction
_BACKGROUND = 110
_LIGHT = np.array([-0.3, -0.4, 0.87], np.float32)  # image frame
_AMBIENT = 0.55

_DATA = flags.DEFINE_string("data_dir", None, "Folder of subject_01, ...", required=True)
_OUTPUT = flags.DEFINE_string("output_dir", None, "Folder of the views.", required=True)


def view_of(scan: Scan, yaw: float, pitch: float) -> tuple[WeakPerspective, Float[np.ndarray, "4"]]:
    """Returns a camera that shows the face of a scan in the middle of the picture, and the crop box there."""
    angles = np.radians(np.array([yaw, pitch, 0], np.float32))
    landmarks = scan.landmarks.astype(np.float32)
    rotation = np.asarray(rotation_from_euler(angles))
    turned = WeakPerspective(np.ones((), np.float32), rotation, np.zeros(3, np.float32))
    box = np.asarray(box_from_landmarks(picture_from_model(turned, landmarks)[:, :2]))
    scale = _CROP_SHARE * SIDE / (box[2] - box[0])
    middle = np.array([*(SIDE / 2 - scale * (box[:2] + box[2:]) / 2), 0], np.float32)
    camera = WeakPerspective(np.asarray(scale), turned.rotation, middle)
    return camera, np.asarray(box_from_landmarks(picture_from_model(camera, landmarks)[:, :2]))


def render(scan: Scan, camera: WeakPerspective) -> UInt8[np.ndarray, "256 256 3"]:
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


def main() -> None:
    files = find_scans(pathlib.Path(_DATA.value))
    folder, model = pathlib.Path(_OUTPUT.value), embedded_face_model()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    views = []
    unmarked = []
    for subject, path in tqdm.tqdm(files.items(), unit="scan", disable=None):
        scan = read_scan(path, model)
        if not scan.marked:
            unmarked.append(subject)
        for pitch in PITCHES:
            for yaw in YAWS:
                camera, box = view_of(scan, yaw, pitch)
                name = f"{subject}_pitch{pitch:+d}_yaw{yaw:+d}"
                with replacing(folder / "images" / f"{name}.png") as beside:
                    imageio.imwrite(beside, render(scan, camera))
                views.append((name, subject, yaw, box))
    names, scans, yaws, boxes = zip(*views, strict=True)
    with replacing(folder / "annotations.npz") as beside, open(beside, "wb") as file:
        np.savez(file, names=names, scan=scans, yaw=np.array(yaws, "f"), roi_box=np.stack(boxes))
    print(f"{folder}: {len(names)} views of {len(files)} scans")
    if unmarked:
        print(f"No landmarks are marked for {', '.join(unmarked)}: found by the mean face.")


if __name__ == "__main__":
    entry_points.run(main)
