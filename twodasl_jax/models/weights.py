"""Weights files: one `.npz` without pickle, with the variables of a regressor, its whitening and its face model."""

import dataclasses
import importlib.resources
import pathlib
import zipfile
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.errors import WeightsError
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.face_model import digest
from twodasl_jax.networks.architectures import ARCHITECTURES

_EMBEDDED = {"default": "weights.npz", "open": "open_weights.npz"}
_VARIABLES = "variables/"
# The map style of the first weights files, which do not name it.
_ORIGINAL_MAP = (("points", "inner"), ("kind", "hard"))


@dataclasses.dataclass(frozen=True, eq=False)
class Weights:
    """A trained regressor.

    Attributes:
      architecture: the name of the network in `ARCHITECTURES`.
      variables: the Flax collections `params` and `batch_stats`, float32.
      whitening: the whitening of the vectors that the network predicts.
      face_model: the `face_model.digest` of the face model whose coefficients the network predicts.
      landmark_map: the style of the landmark map that the network was trained with.
    """

    architecture: str
    variables: dict[str, PyTree]
    whitening: Whitening
    face_model: str
    landmark_map: MapStyle

    def network(self) -> nn.Module:
        """Returns the Flax module of the variables."""
        return ARCHITECTURES[self.architecture](output_size=len(self.whitening.mean))


def embedded_weights(name: str = "default") -> Weights:
    """Returns weights that come with the package.

    Args:
      name: "default" for the most accurate weights, which are for research only because of their training photos; or
        "open" for weights trained on rendered faces alone, which are free for any use. Their errors are listed in
        `assets/weights.md` and `assets/open_weights.md`.

    Raises:
      WeightsError: there are no embedded weights of this name.
    """
    if name not in _EMBEDDED:
        known = " or ".join(_EMBEDDED)
        raise WeightsError(
            f"unknown embedded weights {name!r}: use {known}, or read a file with load_weights"
        )
    resource = importlib.resources.files("twodasl_jax") / "assets" / _EMBEDDED[name]
    with importlib.resources.as_file(resource) as path:
        return load_weights(path)


def chosen_weights(name: str) -> Weights:
    """Returns the embedded weights of this name, or the weights of a file.

    Args:
      name: the name of embedded weights, or the path of a weights file.

    Raises:
      WeightsError: the file is not a weights file; see `load_weights`.
    """
    return embedded_weights(name) if name in _EMBEDDED else load_weights(name)


def check_face_model(weights: Weights, model: MorphableModel) -> None:
    """Checks that weights predict coefficients of a face model.

    Raises:
      WeightsError: the weights were trained for another face model.
    """
    if weights.face_model != digest(model):
        raise WeightsError(
            f"the weights predict coefficients of face model {weights.face_model}, but got "
            f"face model {digest(model)}: pass the model that they were trained with"
        )


def load_weights(path: str | pathlib.Path) -> Weights:
    """Reads a weights file.

    Raises:
      WeightsError: the file is missing or not a weights file, or its variables do not fit its network.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        architecture, face_model = (
            str(arrays.pop(name)) for name in ("architecture", "face_model")
        )
        mean, std = (
            arrays.pop(name).astype(np.float32) for name in ("whitening_mean", "whitening_std")
        )
        landmark_map = _pop_map_style(arrays)
        flat = {
            name.removeprefix(_VARIABLES): array.astype(np.float32)
            for name, array in arrays.items()
        }
    except KeyError as error:
        raise WeightsError(
            f"{path} is not a weights file: it has no array {error.args[0]}"
        ) from error
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        cause = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path} cannot be read as weights: {cause}") from error
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise WeightsError(
            f"{path} is for the unknown architecture {architecture!r}; known: {known}"
        )
    if mean.ndim != 1 or mean.shape != std.shape:
        raise WeightsError(
            f"{path}: whitening_mean and whitening_std have shapes {mean.shape} and {std.shape}, expected (C) each"
        )
    variables = flax.traverse_util.unflatten_dict(flat, sep="/")
    weights = Weights(architecture, variables, Whitening(mean, std), face_model, landmark_map)
    _check_variables(weights, path)
    return weights


def _pop_map_style(arrays: dict[str, np.ndarray]) -> MapStyle:
    """Removes the style of the landmark map from the arrays of a file, and returns it."""
    points, kind = (
        str(arrays.pop(f"landmark_map_{name}", default)) for name, default in _ORIGINAL_MAP
    )
    sigma = float(arrays.pop("landmark_map_sigma", MapStyle.sigma))
    return MapStyle(points, kind, sigma)


def variable_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of a regressor's variables, keyed by paths such as "params/head/kernel"."""
    image = jax.ShapeDtypeStruct((1, CROP_SIZE, CROP_SIZE, 4), jnp.float32)
    key = jax.random.key(0)
    variables = jax.eval_shape(lambda x: network.init(key, x, train=False), image)
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    return {path: variable.shape for path, variable in flat.items()}


def _check_variables(weights: Weights, path: str | pathlib.Path) -> None:
    """Raises if a variable is missing, unknown, of another shape or not finite."""
    expected = variable_shapes(weights.network())
    stored = flax.traverse_util.flatten_dict(weights.variables, sep="/")
    for name in sorted(expected.keys() | stored.keys()):
        shape = stored[name].shape if name in stored else None
        if shape != expected.get(name):
            raise WeightsError(
                f"{path}: {name} has shape {shape}, but the {weights.architecture} network needs "
                f"{expected.get(name)}"
            )
        if not np.isfinite(stored[name]).all():
            raise WeightsError(f"{path}: {name} has values that are not finite")


def save_weights(path: str | pathlib.Path, weights: Weights, dtype: Any = np.float16) -> None:
    """Writes a weights file, atomically.

    Args:
      path: the file to create or replace.
      weights: the weights.
      dtype: the type of the stored variables. float16 halves the file and changes predictions by rounding only.
    """
    flat = flax.traverse_util.flatten_dict(weights.variables, sep="/")
    arrays: dict[str, Any] = {
        _VARIABLES + name: np.asarray(array).astype(dtype) for name, array in flat.items()
    }
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(
            file,
            architecture=np.array(weights.architecture),
            face_model=np.array(weights.face_model),
            landmark_map_points=np.array(weights.landmark_map.points),
            landmark_map_kind=np.array(weights.landmark_map.kind),
            landmark_map_sigma=np.array(weights.landmark_map.sigma),
            whitening_mean=np.asarray(weights.whitening.mean, np.float32),
            whitening_std=np.asarray(weights.whitening.std, np.float32),
            **arrays,
        )
