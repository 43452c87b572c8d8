"""Reconstruction of the faces of a photo: detection, crops, forward pass."""

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
    ForwardPass,
    build_forward_pass,
    faces_from_crops,
    faces_from_landmarks,
    faces_from_vectors,
)
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.mark_ups import embedded_mark_up
from twodasl_jax.models.weights import Weights, check_face_model, embedded_weights

# Batches are padded to one of these sizes, which bounds the number of compilations.
_BATCH_SIZES = (1, 2, 4, 8, 16)


@dataclasses.dataclass(frozen=True, eq=False)
class Face:
    """One reconstructed face. Frames and signs: `twodasl_jax.geometry`.

    Attributes:
      vertices: (V, 3) the dense mesh, image frame: x right, y down, z toward the camera, all in pixels.
      landmarks: (68, 3) the iBUG landmarks of the mesh, image frame.
      coefficients: (62,) pose, shape and expression in the official layout, crop frame, not whitened.
      box: (4,) x0, y0, x1, y1 of the crop, image frame.
      euler_angles: (3,) yaw, pitch and roll in degrees. A yaw beyond +-90 degrees is reflected into this range; pitch
        and roll then change by 180 degrees.
      score: the confidence of the detector, from 0 to 1; nan if the box was passed by the caller.
    """

    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 3"]
    coefficients: Float[np.ndarray, " C"]
    box: Float[np.ndarray, "4"]
    euler_angles: Float[np.ndarray, "3"]
    score: float

    @property
    def pose(self) -> Float[np.ndarray, "3 4"]:
        """The affine matrix from the model frame to the image frame: `vertices` = pose [X; 1] for model points X."""
        affine = coefficients_from_official(self.coefficients, shape_count=0).affine
        return np.asarray(frames.image_affine_from_crop(affine, self.box))


class Reconstructor:
    """Reconstructs the faces of photos. Build it once and call it many times.

    Attributes:
      model: the face model; its `triangles`, `uv` and `mirror` apply to `Face.vertices`.
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
        """Builds the forward pass, in about a second. The first call with a new batch size compiles it.

        Args:
          model: the face model.
          weights: weights that were trained for this face model.
          landmark_rows: the mark-up of the landmarks that callers pass (`models.mark_ups`). The landmarks are moved to
            the face model's own mark-up, which takes an additional forward pass. None for the face model's own.
          refine: whether to fit faces to the landmarks that callers pass (`geometry.fitting.refine_prediction`). Faces
            follow their landmarks more closely, including bad ones.
          reflect: whether to apply flip averaging: the mean of the predictions for a crop and its mirror image. Without
            it the network takes half the time and is slightly less accurate.

        Raises:
          WeightsError: the weights were trained for another face model.
        """
        self.model = model
        self._forward = forward_pass_from_weights(model, weights, landmark_rows, reflect=reflect)
        self._from_crops = jax.jit(faces_from_crops)
        self._from_landmarks = jax.jit(functools.partial(faces_from_landmarks, refine=refine))
        self._from_vectors = jax.jit(faces_from_vectors)

    @classmethod
    def pretrained(
        cls, weights: str = "default", *, refine: bool = False, reflect: bool = True
    ) -> Self:
        """Returns a reconstructor with the embedded face model and weights. Needs no network access.

        The default weights expect landmarks in the mark-up of 300W-LP, on which most landmark detectors are trained.
        The open weights expect the mark-up of the face model, because that of 300W-LP was measured on a face model that
        is not free.

        Args:
          weights: "default" for research, or "open" for any use (`embedded_weights`).
          refine: whether to fit faces to the landmarks that callers pass.
          reflect: whether to apply flip averaging.

        Raises:
          WeightsError: there are no embedded weights of this name.
        """
        model = embedded_face_model()
        rows = None if weights == "open" else embedded_mark_up("300w_lp", model)
        return cls(model, embedded_weights(weights), rows, refine=refine, reflect=reflect)

    def __call__(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        boxes: Float[np.ndarray, "N 4"] | None = None,
        landmarks: Float[np.ndarray, "N 68 2"] | None = None,
    ) -> list[Face]:
        """Reconstructs the faces of one photo.

        Args:
          image: (H, W, 3) uint8 RGB.
          boxes: (N, 4) x0, y0, x1, y1 of the crops, image frame. If None, they are computed from the landmarks, or by
            the face detector if there are no landmarks either.
          landmarks: (N, 68, 2) 2D landmarks, image frame; nan marks missing ones. They may be noisy. Only the 51 inner
            landmarks are used.

        Returns:
          The faces in the order of the boxes, or from left to right if they are detected; empty if there are none.

        Raises:
          PhotoError: the image is not a uint8 RGB photo.
          BoxError: a box has the wrong shape, no area, infinite edges, or lies outside the photo.
          LandmarksError: the landmarks have the wrong shape, or their number differs from that of the boxes.
        """
        photo = as_photo(image)
        points = None if landmarks is None else _checked_landmarks(landmarks)
        chosen, scores = _choose_boxes(photo, boxes, points)
        if points is None:
            points = np.full((len(chosen), 68, 2), np.nan, np.float32)
        if len(points) != len(chosen):
            raise LandmarksError(
                f"{len(points)} sets of landmarks for {len(chosen)} boxes: pass one set for each box"
            )
        faces: list[Face] = []
        for start in range(0, len(chosen), _BATCH_SIZES[-1]):
            rows = slice(start, start + _BATCH_SIZES[-1])
            faces += self._reconstruct_batch(photo, chosen[rows], points[rows], scores[rows])
        return faces

    def face_from_coefficients(
        self, coefficients: Float[np.ndarray, " C"], box: Float[np.ndarray, "4"]
    ) -> Face:
        """Returns the face of a coefficient vector, for example of a prediction that has been edited.

        Args:
          coefficients: (62,) the vector, as in `Face`.
          box: (4,) x0, y0, x1, y1 of the crop that the coefficients belong to, image frame.
        """
        computed = self._from_vectors(self._forward, coefficients[None], box[None])
        return self._faces(computed, box[None], np.array([np.nan]))[0]

    def _reconstruct_batch(self, photo, boxes, landmarks, scores) -> list[Face]:
        """Reconstructs faces in one batch, padded with copies of the last face to the next batch size."""
        size = next(size for size in _BATCH_SIZES if size >= len(boxes))
        rows = np.minimum(np.arange(size), len(boxes) - 1)
        crops = np.stack([crop_photo(photo, box) for box in boxes])
        computed = (
            self._from_landmarks(self._forward, crops[rows], landmarks[rows], boxes[rows])
            if np.isfinite(landmarks).any()
            else self._from_crops(self._forward, crops[rows], boxes[rows])
        )
        return self._faces(computed, boxes, scores)

    def _faces(self, computed, boxes, scores) -> list[Face]:
        batch = jax.device_get(computed)
        return [
            Face(
                box=boxes[row],
                score=float(scores[row]),
                **{name: values[row] for name, values in batch.items()},
            )
            for row in range(len(boxes))
        ]


def forward_pass_from_weights(
    model: MorphableModel,
    weights: Weights,
    landmark_rows: LandmarkRows | None = None,
    *,
    reflect: bool = True,
) -> ForwardPass:
    """Returns the forward pass of weights; the arguments are those of `Reconstructor`.

    Raises:
      WeightsError: the weights were trained for another face model.
    """
    check_face_model(weights, model)
    return build_forward_pass(
        model,
        weights.network(),
        weights.variables,
        weights.whitening,
        weights.landmark_map,
        landmark_rows,
        reflect=reflect,
    )


def _choose_boxes(photo, boxes, landmarks) -> tuple[np.ndarray, np.ndarray]:
    """Returns the boxes of the faces and their detection scores."""
    if boxes is not None:
        chosen = _checked_boxes(boxes)
    elif landmarks is not None:
        chosen = np.asarray(frames.box_from_landmarks(landmarks))
        usable = chosen[:, 2] > chosen[:, 0]
        if not usable.all():
            raise LandmarksError(
                f"face {np.argmin(usable)} has too few landmarks to compute a box from: pass boxes"
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
        raise BoxError(
            f"boxes have shape {array.shape}: pass (N, 4), the x0, y0, x1, y1 of each face"
        )
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
            f"landmarks of face {np.argmax(infinite)} are infinite: use nan for missing ones"
        )
    return array


def _as_float(values, error_type, name) -> Float[np.ndarray, "..."]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise error_type(f"{name} are not an array of numbers: {error}") from error
