"""Random changes of face crops, pure and on the device: geometry, mirror, colour, erasing, detection errors."""

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
    """Annotated crops.

    Attributes:
      image: (..., M, M, 3) RGB, 0 to 255; the crop is in the middle, with a margin around it or none.
      landmarks: (..., 68, 2) 2D labels, crop frame; nan where missing.
      visible: (..., 68) which labels are neither missing nor hidden.
      coefficients: (pseudo) 3D annotation; None for in-the-wild images.
    """

    image: Float[Array, "*batch M M 3"]
    landmarks: Float[Array, "*batch 68 2"]
    visible: Bool[Array, "*batch 68"]
    coefficients: Coefficients | None


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far crops are changed. All draws are independent.

    Attributes:
      rotation: standard deviation in degrees, in the plane of the picture.
      log_scale: standard deviation of the logarithm of the size.
      shift: standard deviation of either coordinate, in crop pixels.
      mirror: probability.
      colour: standard deviation of the logarithms of contrast and of each channel's gain.
      grey: probability of losing all colour.
      erase: probability of one random rectangle.
    """

    rotation: float = 0.0
    log_scale: float = 0.0
    shift: float = 0.0
    mirror: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    erase: float = 0.0


@dataclasses.dataclass(frozen=True)
class Detection:
    """How a landmark detector is imitated from labels.

    Attributes:
      share: probability that it finds the face at all.
      noise: standard deviation of a coordinate of a visible point, crop pixels.
      hidden_noise: the same of a hidden point, which a detector guesses.
      dropped: probability that a point is left out.
    """

    share: float = 0.5
    noise: float = 1.0
    hidden_noise: float = 1.0
    dropped: float = 0.1


@typed
def augment(
    keys: Key[Array, " B"], faces: FaceSamples, mirror: CoefficientMirror, settings: Augmentation
) -> FaceSamples:
    """Returns randomly changed crops of a batch of faces, annotations included; one key for each."""
    return jax.vmap(lambda one_key, face: _augment_one(one_key, face, mirror, settings))(
        keys, faces
    )


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
    """Returns one face as seen in a mirror."""
    coefficients = face.coefficients
    return FaceSamples(
        image=face.image[:, ::-1],
        landmarks=mirror_landmarks(face.landmarks),
        visible=face.visible[LANDMARK_MIRROR],
        coefficients=None if coefficients is None else mirror_coefficients(coefficients, mirror),
    )


@typed
def move_face(face: FaceSamples, similarity: Float[Array, "2 3"]) -> FaceSamples:
    """Returns the crop of one face, moved in it; what is not in its picture is black.

    Args:
      face: one face, without leading axes.
      similarity: [s R | t], crop frame to crop frame.
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
    """Moves the crop in the middle of a picture, by bilinear sampling at the centres of its pixels."""
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
    """Paints one rectangle of up to a third of each side in one colour."""
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
def detect(
    keys: Key[Array, " B"],
    landmarks: Float[Array, "B 68 2"],
    visible: Bool[Array, "B 68"],
    settings: Detection,
) -> Float[Array, "B 68 2"]:
    """Returns landmarks as a detector might have found them, nan where it did not; one key for each face."""
    return jax.vmap(lambda key, points, seen: _detect_one(key, points, seen, settings))(
        keys, landmarks, visible
    )


def _detect_one(
    key, points: Float[Array, "68 2"], visible: Bool[Array, "68"], settings: Detection
) -> Float[Array, "68 2"]:
    shown, noise, dropped = jax.random.split(key, 3)
    missing = jax.random.bernoulli(dropped, settings.dropped, points.shape[:1])
    missing |= ~jax.random.bernoulli(shown, settings.share)
    sigma = jnp.where(visible, settings.noise, settings.hidden_noise)[:, None]
    points = points + sigma * jax.random.normal(noise, points.shape)
    return jnp.where(missing[:, None], jnp.nan, points)
