"""Renders a held-out test set of synthetic faces, for `experiments/evaluate.py --protocol=synthetic`.

  python experiments/render_faces.py --output_dir=synthetic [--count=500] [--seed=2025]

Every face is drawn from the face model, its pose, skin, light, background and camera by chance, and all of it is known.
The same seed gives the same set; train on other seeds. OUTPUT_DIR gets images/, annotations.npz and face_model.npz.
"""

import pathlib
from typing import Any

import imageio.v3 as imageio
import numpy as np
import tqdm
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.models.face_model import chosen_face_model, save_face_model
from twodasl_jax.synthetic_faces import SyntheticFace, build_studio, synthetic_face

_OUTPUT = flags.DEFINE_string("output_dir", None, "Folder of the set.", required=True)
_COUNT = flags.DEFINE_integer("count", 500, "How many faces.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 2025, "Which faces.", lower_bound=0)
_SIDE = flags.DEFINE_integer("side", 192, "Of the pictures, in pixels.", lower_bound=120)
_MODEL = flags.DEFINE_string("model", None, "A face model's .npz instead of the embedded one.")


def truth_of(face: SyntheticFace) -> dict[str, Any]:
    """Returns the row of `annotations.npz` of a face."""
    return {
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


def main() -> None:
    model = chosen_face_model(_MODEL.value)
    studio = build_studio(model)
    folder = pathlib.Path(_OUTPUT.value)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for index in tqdm.trange(_COUNT.value, unit="face", disable=None):
        face = synthetic_face(studio, _SEED.value, index, side=_SIDE.value)
        rows.append({"names": f"{index:06d}", **truth_of(face)})
        with replacing(folder / "images" / f"{index:06d}.png") as beside:
            imageio.imwrite(beside, face.image)
    save_face_model(folder / "face_model.npz", model)
    with replacing(folder / "annotations.npz") as beside, open(beside, "wb") as file:
        columns: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        np.savez_compressed(file, **columns)
    print(f"{folder}: {len(rows)} faces of seed {_SEED.value}")


if __name__ == "__main__":
    entry_points.run(main)
