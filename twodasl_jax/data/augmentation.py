"""Random augmentation of face crops as pure JAX functions.

The augmentations are in-plane similarities, mirroring, colour changes and erasing. A simulated
detector provides input landmarks from labels.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Key

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.mirroring import (
    LANDMARK_MIRROR,
    CoefficientMirror,
    mirror_coefficients,
    mirror_landmarks,
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceSamples:
    """Face crops with their labels and annotations.

    Attributes:
      image: the (..., M, M, 3) RGB pictures, 0 to 255. The crop is in the middle, with or without a
        margin around it.
      landmarks: the (..., 68, 2) labels in the crop frame, nan where missing.
      visible: a (..., 68) mask of the labels that are neither missing nor hidden.
      coefficients: the 3D annotations, or None for in-the-wild images.
    """

    image: Float[Array, "*batch M M 3"]
    landmarks: Float[Array, "*batch 68 2"]
    visible: Bool[Array, "*batch 68"]
    coefficients: Coefficients | None


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The strength of each augmentation. All draws are independent.

    Attributes:
      rotation: the standard deviation of the in-plane rotation, in degrees.
      log_scale: the standard deviation of the logarithm of the scale.
      shift: the standard deviation of each coordinate of the translation, in crop pixels.
      mirror: the probability of mirroring.
      colour: the standard deviation of the logarithms of the contrast and of the gain of each
        channel.
      grey: the probability of conversion to grey.
      erase: the probability of erasing a random rectangle.
    """

    rotation: float = 0.0
    log_scale: float = 0.0
    shift: float = 0.0
    mirror: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    erase: float = 0.0


@dataclasses.dataclass(frozen=True)
class SimulatedDetector:
    """The error model of a simulated landmark detector.

    Attributes:
      share: the probability that the detector finds the face.
      noise: the standard deviation of each coordinate of a visible landmark, in crop pixels.
      hidden_noise: the standard deviation of each coordinate of a hidden landmark, in crop pixels.
      dropped: the probability that a landmark is missing.
    """

    share: float = 0.5
    noise: float = 1.0
    hidden_noise: float = 1.0
    dropped: float = 0.1


@typed
def augment(
    keys: Key[Array, " B"], faces: FaceSamples, mirror: CoefficientMirror, settings: Augmentation
) -> FaceSamples:
    """Returns a randomly changed batch; labels and annotations change with the images.

    Args:
      keys: one random key per face.
      faces: a batch of B faces.
      mirror: the effect of mirroring on the coefficients.
      settings: the strength of each augmentation.
    """
    return jax.vmap(lambda key, face: _augment_one(key, face, mirror, settings))(keys, faces)


def _augment_one(
    key, face: FaceSamples, mirror: CoefficientMirror, settings: Augmentation
) -> FaceSamples:
    keys = jax.random.split(key, 4)
    flip = jax.random.bernoulli(keys[0], settings.mirror)
    face = jax.tree.map(
        lambda flipped, plain: jnp.where(flip, flipped, plain), mirror_face(face, mirror), face
    )
    face = move_face(face, _random_similarity(keys[1], settings))
    image = _recolour(keys[2], face.image, settings)
    return dataclasses.replace(face, image=_erase(keys[3], image, settings.erase))


@typed
def mirror_face(face: FaceSamples, mirror: CoefficientMirror) -> FaceSamples:
    """Returns the mirror image of one face."""
    coefficients = face.coefficients
    return FaceSamples(
        image=face.image[:, ::-1],
        landmarks=mirror_landmarks(face.landmarks),
        visible=face.visible[LANDMARK_MIRROR],
        coefficients=None if coefficients is None else mirror_coefficients(coefficients, mirror),
    )


@typed
def move_face(face: FaceSamples, similarity: Float[Array, "2 3"]) -> FaceSamples:
    """Returns the crop of one face after a similarity; pixels outside the picture are black.

    Args:
      face: one face, without leading axes.
      similarity: the matrix [s R | t], crop frame to crop frame.
    """
    coefficients = face.coefficients
    return FaceSamples(
        image=_warp(face.image, similarity),
        landmarks=face.landmarks @ similarity[:, :2].T + similarity[:, 2],
        visible=face.visible,
        coefficients=None if coefficients is None else _move_coefficients(coefficients, similarity),
    )


def _move_coefficients(coefficients: Coefficients, similarity: Float[Array, "2 3"]) -> Coefficients:
    linear, shift = similarity[:, :2], similarity[:, 2]
    depth_scale = jnp.sqrt(linear[0, 0] ** 2 + linear[1, 0] ** 2)
    plane = jnp.asarray(linear @ coefficients.affine[:2]).at[:, 3].add(shift)
    affine = jnp.concatenate([plane, depth_scale * coefficients.affine[2:]])
    return dataclasses.replace(coefficients, affine=affine)


def _warp(
    image: Float[Array, "M M 3"], similarity: Float[Array, "2 3"]
) -> Float[Array, "120 120 3"]:
    """Applies a similarity to the central crop of a picture, by bilinear sampling."""
    margin = (image.shape[0] - CROP_SIZE) / 2
    inverse = jnp.linalg.inv(similarity[:, :2])
    y, x = jnp.meshgrid(jnp.arange(CROP_SIZE) + 0.5, jnp.arange(CROP_SIZE) + 0.5, indexing="ij")
    inside = jnp.tensordot(inverse, jnp.stack([x, y]) - similarity[:, 2, None, None], axes=1)
    source = inside + margin - 0.5

    def sample(channel):
        return jax.scipy.ndimage.map_coordinates(channel, [source[1], source[0]], order=1)

    return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)


def _random_similarity(key, settings: Augmentation) -> Float[Array, "2 3"]:
    angle, log_scale, *shift = jax.random.normal(key, (4,))
    angle = jnp.radians(settings.rotation) * angle
    cosine, sine = jnp.exp(settings.log_scale * log_scale) * jnp.stack(
        [jnp.cos(angle), jnp.sin(angle)]
    )
    linear = jnp.array([[cosine, -sine], [sine, cosine]])
    centre = jnp.full(2, CROP_SIZE / 2)
    moved_centre = centre + settings.shift * jnp.stack(shift)
    return jnp.concatenate([linear, (moved_centre - linear @ centre)[:, None]], axis=1)


def _recolour(key, image: Float[Array, "H W 3"], settings: Augmentation) -> Float[Array, "H W 3"]:
    keys = jax.random.split(key, 3)
    contrast = jnp.exp(settings.colour * jax.random.normal(keys[0]))
    gains = jnp.exp(settings.colour * jax.random.normal(keys[1], (3,)))
    grey = jnp.broadcast_to(jnp.mean(image, axis=-1, keepdims=True), image.shape)
    image = jnp.where(jax.random.bernoulli(keys[2], settings.grey), grey, image)
    mean = jnp.mean(image)
    return jnp.clip((mean + contrast * (image - mean)) * gains, 0.0, 255.0)


def _erase(key, image: Float[Array, "H W 3"], probability: float) -> Float[Array, "H W 3"]:
    """Fills a random rectangle, up to a third of each side, with one random colour."""
    keys = jax.random.split(key, 4)
    size = jnp.array(image.shape[:2])
    half = size / 6 * jax.random.uniform(keys[0], (2,), minval=0.2)
    centre = size * jax.random.uniform(keys[1], (2,))
    rows, columns = (
        jnp.abs(jnp.arange(n) + 0.5 - centre[axis]) < half[axis]
        for axis, n in enumerate(image.shape[:2])
    )
    inside = rows[:, None] & columns & jax.random.bernoulli(keys[2], probability)
    return jnp.where(inside[..., None], jax.random.uniform(keys[3], (3,), maxval=255.0), image)


@typed
def simulate_detector(
    keys: Key[Array, " B"],
    landmarks: Float[Array, "B 68 2"],
    visible: Bool[Array, "B 68"],
    detector: SimulatedDetector,
) -> Float[Array, "B 68 2"]:
    """Returns the landmarks of a simulated detector, nan where it finds none.

    Args:
      keys: one random key per face.
      landmarks: the (B, 68, 2) labels, in pixels.
      visible: a (B, 68) mask of the visible landmarks.
      detector: the error model.
    """
    return jax.vmap(lambda key, points, seen: _simulate_one(key, points, seen, detector))(
        keys, landmarks, visible
    )


def _simulate_one(
    key, points: Float[Array, "68 2"], visible: Bool[Array, "68"], detector: SimulatedDetector
) -> Float[Array, "68 2"]:
    found_key, noise_key, dropped_key = jax.random.split(key, 3)
    missing = jax.random.bernoulli(dropped_key, detector.dropped, points.shape[:1])
    missing |= ~jax.random.bernoulli(found_key, detector.share)
    sigma = jnp.where(visible, detector.noise, detector.hidden_noise)[:, None]
    points = points + sigma * jax.random.normal(noise_key, points.shape)
    return jnp.where(missing[:, None], jnp.nan, points)
