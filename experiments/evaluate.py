"""Measures the embedded weights on annotated photos, as AFLW2000-3D is scored.

  python experiments/evaluate.py --data_dir=FOLDER [--landmarks=detected] [--weights=FILE.npz]

FOLDER holds `images/NAME.jpg` and `annotations.npz` with `names` (N,), `yaw` in degrees (N,), `pts68` (N, 3, 68) and
`pts68_reannotated` (N, 2, 68) in image pixels, `roi_box` (N, 4), and `fan68_crop` (N, 68, 2), landmarks that a detector
found, in crop pixels. Annotations are compared as published, without any shift of the pixel origin.
"""

import pathlib

import numpy as np
import tqdm
from absl import flags

from twodasl_jax import programs
from twodasl_jax.array_files import read_rows
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.evaluation.metrics import balanced_interval, yaw_binned
from twodasl_jax.face_model import embedded_face_model
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.photos import read_photo
from twodasl_jax.reconstruction import Reconstructor
from twodasl_jax.weights import embedded_weights, load_weights

ROW_SHAPES = {
    "names": (),
    "yaw": (),
    "pts68": (3, 68),
    "pts68_reannotated": (2, 68),
    "roi_box": (4,),
    "fan68_crop": (68, 2),
}

_DATA = flags.DEFINE_string(
    "data_dir", None, "Folder of images/ and annotations.npz.", required=True
)
_LANDMARKS = flags.DEFINE_enum(
    "landmarks",
    "none",
    ["none", "detected"],
    "What the landmark map shows: nothing, or `fan68_crop`.",
)
_WEIGHTS = flags.DEFINE_string("weights", None, "Other weights than the embedded ones.")


def predict_landmarks(
    reconstructor: Reconstructor, folder: pathlib.Path, annotations: dict[str, np.ndarray]
) -> np.ndarray:
    """Returns the (N, 68, 3) landmarks of the annotated faces, image frame, each from its given box."""
    boxes = annotations["roi_box"].astype(np.float32)
    given = np.full((len(boxes), 68, 2), np.nan, np.float32)
    if _LANDMARKS.value == "detected":
        given = np.asarray(image_from_crop(annotations["fan68_crop"].astype(np.float32), boxes))
    predicted = []
    for row, name in enumerate(tqdm.tqdm(annotations["names"], unit="photo")):
        photo = read_photo(folder / "images" / f"{pathlib.Path(str(name)).stem}.jpg")
        face = reconstructor(photo, boxes=boxes[row : row + 1], landmarks=given[row : row + 1])[0]
        predicted.append(face.landmarks)
    return np.stack(predicted)


def print_table(predicted: np.ndarray, annotations: dict[str, np.ndarray]) -> None:
    """Prints one row for each annotation set: bins, balanced mean with its interval, overall mean."""
    original = np.swapaxes(annotations["pts68"], 1, 2).astype(np.float32)
    reannotated = np.swapaxes(annotations["pts68_reannotated"], 1, 2).astype(np.float32)
    print(
        f"{len(predicted)} faces, given boxes, landmarks: {_LANDMARKS.value}. NME of 68 points, %:"
    )
    print("annotation      0-30  30-60  60-90  balanced  95 % interval  overall")
    for name, truth in (
        ("original, 2D", original[..., :2]),
        ("re-annotated, 2D", reannotated[..., :2]),
        ("original, 3D", original),
    ):
        every = np.ones(truth.shape[:2], bool)
        errors = np.asarray(
            normalized_mean_error(predicted[..., : truth.shape[-1]], truth, every)[0]
        )
        result = yaw_binned(errors, annotations["yaw"])
        low, high = balanced_interval(errors, annotations["yaw"])
        bins = "  ".join(f"{value:5.2f}" for value in result.bins)
        print(
            f"{name:16}{bins}     {result.balanced:5.2f}   {low:5.2f} .. {high:5.2f}    {result.overall:5.2f}"
        )


def main() -> None:
    folder = pathlib.Path(_DATA.value)
    annotations = read_rows(folder / "annotations.npz", ROW_SHAPES)
    weights = load_weights(_WEIGHTS.value) if _WEIGHTS.value else embedded_weights()
    reconstructor = Reconstructor(embedded_face_model(), weights)
    print_table(predict_landmarks(reconstructor, folder, annotations), annotations)


if __name__ == "__main__":
    programs.run(main)
