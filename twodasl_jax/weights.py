"""Weights of a regressor in one `.npz` without pickle: parameters, statistics, whitening, what they belong to."""

import dataclasses
import importlib.resources
import pathlib
import zipfile
from typing import Any

import flax.linen as nn
import flax.traverse_util
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.atomic_files import replacing
from twodasl_jax.errors import WeightsError
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.networks import CompactNet, ResNet50

ARCHITECTURES: dict[str, type[nn.Module]] = {"compact": CompactNet, "resnet50": ResNet50}
_VARIABLES = "variables/"


@dataclasses.dataclass(frozen=True)
class Weights:
    """A trained regressor.

    Attributes:
      architecture: key of `ARCHITECTURES`.
      variables: Flax collections `params` and `batch_stats`, float32.
      whitening: of the vector that the network predicts.
      face_model: `face_model.digest` of the model whose coefficients it predicts.
    """

    architecture: str
    variables: dict[str, PyTree]
    whitening: Whitening
    face_model: str

    def network(self) -> nn.Module:
        """Returns the Flax module that the variables belong to."""
        return ARCHITECTURES[self.architecture]()


def embedded_weights() -> Weights:
    """Returns the weights that come with the package."""
    resource = importlib.resources.files("twodasl_jax") / "assets" / "weights.npz"
    with importlib.resources.as_file(resource) as path:
        return load_weights(path)


def load_weights(path: str | pathlib.Path) -> Weights:
    """Reads weights.

    Raises:
      WeightsError: the file is missing, no such archive, of an unknown architecture, or not finite.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = [str(arrays.pop(name)) for name in ("architecture", "face_model")]
        whitening = Whitening(arrays.pop("whitening_mean"), arrays.pop("whitening_std"))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if header[0] not in ARCHITECTURES:
        raise WeightsError(
            f"{path} is for the unknown architecture {header[0]!r}; known: {', '.join(ARCHITECTURES)}"
        )
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise WeightsError(f"{path}: {name} has values that are not finite")
    flat = {
        name.removeprefix(_VARIABLES): array.astype(np.float32) for name, array in arrays.items()
    }
    return Weights(
        header[0], flax.traverse_util.unflatten_dict(flat, sep="/"), whitening, header[1]
    )


def save_weights(path: str | pathlib.Path, weights: Weights, dtype: Any = np.float16) -> None:
    """Writes weights, in one piece or not at all; float16 halves the file and changes results by rounding only."""
    flat = flax.traverse_util.flatten_dict(weights.variables, sep="/")
    arrays: dict[str, Any] = {
        _VARIABLES + name: np.asarray(array).astype(dtype) for name, array in flat.items()
    }
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(
            file,
            architecture=np.array(weights.architecture),
            face_model=np.array(weights.face_model),
            whitening_mean=np.asarray(weights.whitening.mean, np.float32),
            whitening_std=np.asarray(weights.whitening.std, np.float32),
            **arrays,
        )
