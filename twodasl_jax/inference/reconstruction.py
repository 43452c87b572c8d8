"""The whole way from a photo to 3D faces: boxes, crops, network, coefficients, geometry."""

import dataclasses
import functools
from typing import Self

import jax
import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax.errors import BoxError, LandmarksError
from twodasl_jax.geometry import frames
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel
from twodasl_jax.imaging import detection
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.imaging.photos import as_photo
from twodasl_jax.inference.forward import (
    build,
    faces_from_crops,
    faces_from_landmarks,
    faces_from_vectors,
)
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.point_rows import known_rows
from twodasl_jax.models.weights import Weights, embedded_weights

# Faces go through the network in groups of one of these sizes, so that few programs are ever compiled.
_GROUP_SIZES = (1, 2, 4, 8, 16)


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """One reconstructed face. Frames and signs: `twodasl_jax.geometry`.

    Attributes:
      vertices: (V, 3) dense mesh, image frame: pixels, x right, y down, z in the same unit, toward the camera.
      landmarks: (68, 3) iBUG landmarks of the mesh, image frame.
      coefficients: (62,) pose, shape and expression in the official layout, crop frame, not whitened.
      box: (4,) x0, y0, x1, y1 of the crop, image frame.
      euler_angles: (3,) yaw, pitch, roll in degrees; a yaw beyond +-90 comes back folded, with the
        other two turned by 180.
      score: the detector's confidence; nan where the box was given.
    """

    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 3"]
    coefficients: Float[np.ndarray, " C"]
    box: Float[np.ndarray, "4"]
    euler_angles: Float[np.ndarray, "3"]
    score: float

    @property
    def pose(self) -> Float[np.ndarray, "3 4"]:
        """The matrix from the face model to the photo: `vertices` are pose [X; 1] for points X of the model, mm."""
        affine = coefficients_from_official(self.coefficients, shape_count=0).affine
        return np.asarray(frames.image_affine_from_crop(affine, self.box))


class Reconstructor:
    """Reconstructs the faces of photos. Build one and call it many times.

    Attributes:
      model: the face model; its `triangles`, `uv` and `mirror` belong to `Face.vertices`.
    """

    def __init__(
        self,
        model: MorphableModel,
        weights: Weights,
        landmark_rows: LandmarkRows | None = None,
        *,
        refine: bool = False,
        reflect: bool = True,
    ):
        """Gets ready in about a second; the first call for a number of faces compiles.

        Args:
          model: face model.
          weights: that were trained for it.
          landmark_rows: where on the mesh the landmarks lie that will be given (`point_rows`). The network is shown
            where the face model's own would be, for which it looks at the photo alone first. None for the own ones.
          refine: whether faces whose landmarks are given are moved towards these after the network has looked
            (`geometry.fitting.refine_prediction`): closer to good landmarks, and to bad ones.
          reflect: whether the network looks at the mirror image of each face, too. Without, it takes half the time, and
            is a little worse.

        Raises:
          WeightsError: the weights were trained for another face model.
        """
        self.model = model
        regressor, self._parts = build(model, weights, landmark_rows, reflect=reflect)
        self._from_crops = jax.jit(functools.partial(faces_from_crops, regressor))
        self._from_landmarks = jax.jit(functools.partial(faces_from_landmarks, regressor, refine))
        self._from_vectors = jax.jit(faces_from_vectors)

    @classmethod
    def pretrained(
        cls, weights: str = "default", *, refine: bool = False, reflect: bool = True
    ) -> Self:
        """Returns a reconstructor with the embedded face model and weights; needs no network access.

        Args:
          weights: "default" for research, or "open" for any use (`embedded_weights`).
          refine: whether faces are moved towards landmarks that are given.
          reflect: whether the network looks at the mirror image of each face, too.

        Landmarks that are given are taken for those of 300W-LP, by which detectors are trained; by the open weights for
        the face model's own, because where 300W-LP's lie is known from a face model that is not free.

        Raises:
          WeightsError: there are no weights of this name.
        """
        model = embedded_face_model()
        rows = None if weights == "open" else known_rows("300w_lp", model)
        return cls(model, embedded_weights(weights), rows, refine=refine, reflect=reflect)

    def __call__(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        boxes: Float[np.ndarray, "N 4"] | None = None,
        landmarks: Float[np.ndarray, "N 68 2"] | None = None,
    ) -> list[Face]:
        """Reconstructs faces of one photo.

        Args:
          image: (H, W, 3) uint8 RGB.
          boxes: (N, 4) x0, y0, x1, y1, image frame: exactly these crops are resized to 120x120. Without
            boxes and landmarks the faces are detected; with landmarks alone the boxes are taken from them.
          landmarks: (N, 68, 2) 2D landmarks, image frame; nan marks missing ones. They may be noisy. Only
            the 51 inner points are looked at.

        Returns:
          The faces in the order of the boxes, or as detected; empty where no face was found.

        Raises:
          PhotoError: the image is not a photo of this kind.
          BoxError: boxes of another shape, without area, not finite or outside the photo.
          LandmarksError: landmarks of another shape or number.
        """
        photo = as_photo(image)
        points = None if landmarks is None else _checked_landmarks(landmarks)
        chosen, scores = _choose_boxes(photo, boxes, points)
        if points is None:
            points = np.full((len(chosen), 68, 2), np.nan, np.float32)
        if len(points) != len(chosen):
            raise LandmarksError(f"{len(points)} sets of landmarks for {len(chosen)} boxes")
        faces: list[Face] = []
        for start in range(0, len(chosen), _GROUP_SIZES[-1]):
            rows = slice(start, start + _GROUP_SIZES[-1])
            faces += self._group(photo, chosen[rows], points[rows], scores[rows])
        return faces

    def face_from_coefficients(
        self, coefficients: Float[np.ndarray, " C"], box: Float[np.ndarray, "4"]
    ) -> Face:
        """Returns the face of given coefficients, which were perhaps changed since a network said them.

        Args:
          coefficients: as in `Face`.
          box: of the crop that they belong to, image frame.
        """
        found = self._from_vectors(self._parts, coefficients[None], box[None])
        return self._faces(found, box[None], np.array([np.nan]))[0]

    def _group(self, photo, boxes, landmarks, scores) -> list[Face]:
        """Reconstructs a few faces at once, filled up with copies of the last one to a group's size."""
        size = next(size for size in _GROUP_SIZES if size >= len(boxes))
        rows = np.minimum(np.arange(size), len(boxes) - 1)
        crops = np.stack([crop_photo(photo, box) for box in boxes])
        given = np.isfinite(landmarks).any()
        found = (
            self._from_landmarks(self._parts, crops[rows], landmarks[rows], boxes[rows])
            if given
            else self._from_crops(self._parts, crops[rows], boxes[rows])
        )
        return self._faces(found, boxes, scores)

    def _faces(self, found, boxes, scores) -> list[Face]:
        batch = jax.device_get(found)
        return [
            Face(
                box=boxes[row],
                score=float(scores[row]),
                **{name: values[row] for name, values in batch.items()},
            )
            for row in range(len(boxes))
        ]


def _choose_boxes(photo, boxes, landmarks) -> tuple[np.ndarray, np.ndarray]:
    if boxes is not None:
        chosen = _checked_boxes(boxes)
    elif landmarks is not None:
        chosen = np.asarray(frames.box_from_landmarks(landmarks))
        usable = chosen[:, 2] > chosen[:, 0]
        if not usable.all():
            raise LandmarksError(
                f"face {np.argmin(usable)} has too few landmarks to take a box from: pass boxes"
            )
    else:
        detected = detection.detect_faces(photo)
        return detected.boxes.astype(np.float32), detected.scores
    return chosen, np.full(len(chosen), np.nan)


def _checked_boxes(boxes) -> Float[np.ndarray, "N 4"]:
    array = _as_float(boxes, BoxError, "boxes")
    if array.shape == (0,):
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise BoxError(f"boxes have shape {array.shape}: pass (N, 4), one x0, y0, x1, y1 a face")
    return array


def _checked_landmarks(landmarks) -> Float[np.ndarray, "N 68 2"]:
    array = _as_float(landmarks, LandmarksError, "landmarks")
    if array.ndim != 3 or array.shape[1:] != (68, 2):
        raise LandmarksError(
            f"landmarks have shape {array.shape}: pass (N, 68, 2), x and y in pixels"
        )
    infinite = np.isinf(array).any(axis=(1, 2))
    if infinite.any():
        raise LandmarksError(
            f"landmarks of face {np.argmax(infinite)} are infinite: mark missing ones nan"
        )
    return array


def _as_float(values, error_type, name) -> Float[np.ndarray, "..."]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise error_type(f"{name} are not an array of numbers: {error}") from error
