"""Conversion of the published networks of 2DASL, 3DDFA and 3DDFA_V2 to weights of this package.

    2DASL               ResNet-50, `res_state_dict` of the checkpoint; its fourth channel draws 18 landmarks
    3DDFA, 3DDFA_V2     MobileNetV1, `state_dict`; its input is the image alone

The networks were trained on OpenCV images, with the channels blue, green, red. The kernel of the first convolution is
reordered for RGB images.

The networks predict whitened coefficients of Basel Face Model 2009 with 3DDFA's expressions. Their unit is the
micrometre, their origin lies behind the face, and the coefficients multiply the bases directly. `for_face_model`
converts the weights to coefficients of the same model in another unit, for example those of this package:
millimetres, the origin at the mean of the landmarks, and standard deviations.

References:
  https://github.com/XgTu/2DASL, https://github.com/cleardusk/3DDFA, https://github.com/cleardusk/3DDFA_V2
"""

import dataclasses
import pathlib
import pickle
from collections.abc import Mapping
from typing import Any

import flax.traverse_util
import numpy as np
from jaxtyping import Float, PyTree

from twodasl_jax.errors import WeightsError
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.files.safe_pickle import load_plain
from twodasl_jax.geometry.coefficients import (
    EXPRESSION_COUNT,
    SHAPE_COUNT,
    VECTOR_SIZE,
    Whitening,
    coefficients_from_official,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace, landmark_space
from twodasl_jax.models.face_model import digest
from twodasl_jax.models.weights import Weights, variable_shapes
from twodasl_jax.networks.architectures import ARCHITECTURES
from twodasl_jax.weight_formats.model_change import change_of_model
from twodasl_jax.weight_formats.torch_files import read_state_dict

# The published names of the layers of `networks.resnet` and `networks.mobilenet`.
_LAYERS = {
    **{"stem_conv": "conv1", "stem_norm": "bn1", "head": "fc"},
    **{f"stage{i}_block{j}": f"layer{i}.{j}" for i in range(1, 5) for j in range(6)},
    **{"norm1": "bn1", "norm2": "bn2", "norm3": "bn3"},
    **{"shortcut_conv": "downsample.0", "shortcut_norm": "downsample.1"},
    **{"block1": "dw2_1", "block2": "dw2_2", "block3": "dw3_1", "block4": "dw3_2"},
    **{"block5": "dw4_1", "block6": "dw4_2", "block13": "dw6"},
    **{f"block{6 + i}": f"dw5_{i}" for i in range(1, 7)},
    **{"depthwise_conv": "conv_dw", "depthwise_norm": "bn_dw"},
    **{"pointwise_conv": "conv_sep", "pointwise_norm": "bn_sep"},
}
_KINDS = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
# The axes of PyTorch in the order of Flax: (rows, columns, in, out) and (in, out).
_AXES = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
_STEM = "params/stem_conv/kernel"
# Red, green, blue and the landmark map among the published input channels.
_CHANNELS = (2, 1, 0, 3)
# Counters of training steps, and the auxiliary head that 3DDFA_V2 uses in training only.
_UNUSED = (".num_batches_tracked", "fc_lm.weight", "fc_lm.bias")

# Two descriptions of one model differ by rounding errors, far below this limit. Different models exceed it.
_MAX_MISFIT = 1e-3
# The plausible width and height of the mean face, crop pixels; landmarks usually span 50 to 100.
_MIN_FACE_SIZE, _MAX_FACE_SIZE = 20.0, 240.0


def read_published_weights(checkpoint: pathlib.Path, whitening: pathlib.Path) -> Weights:
    """Returns a published network unchanged: it predicts coefficients of the published face model.

    Args:
      checkpoint: the PyTorch file.
      whitening: the file of the whitening of its vectors; see `read_published_whitening`.

    Raises:
      WeightsError: a file is missing or damaged, or the network is another one; the message names the first difference.
      DatasetError: the whitening is an `.npz` file that is missing or damaged.
    """
    state = read_state_dict(checkpoint, ("res_state_dict", "state_dict"))
    try:
        architecture, variables = network_of_state(state)
    except WeightsError as error:
        raise WeightsError(f"Cannot use {checkpoint}: {error}") from error
    return Weights(
        architecture,
        variables,
        read_published_whitening(whitening),
        face_model="as published",
        landmark_map=MapStyle("official", "hard"),
    )


def read_published_whitening(path: pathlib.Path) -> Whitening:
    """Returns the mean and the standard deviation of the 62 coefficients.

    Args:
      path: a pickle of `mean` and `std` (param_mean_std_62d_120x120.pkl of 3DDFA_V2), a pickle of `param_mean` and
        `param_std` (param_whitening.pkl of 3DDFA and 2DASL), or an `.npz` file of the latter.

    Raises:
      WeightsError: the pickle is missing or damaged, or contains anything but arrays; or the arrays are not a
        whitening of 62 coefficients.
      DatasetError: the `.npz` file is missing or damaged.
    """
    if path.suffix == ".npz":
        arrays = read_rows(path, {"param_mean": (), "param_std": ()})
    else:
        arrays = _whitening_of_pickle(path)
    mean, std = (np.asarray(array, np.float32) for array in arrays.values())
    if mean.shape != (VECTOR_SIZE,) or std.shape != mean.shape:
        raise WeightsError(
            f"Cannot use {path}: the mean has shape {mean.shape} and the standard deviation {std.shape}, expected "
            f"({VECTOR_SIZE},)."
        )
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        raise WeightsError(
            f"Cannot use {path}: every mean must be finite, and every standard deviation finite and positive."
        )
    return Whitening(mean, std)


def for_face_model(
    published: Weights, published_model: MorphableModel, model: MorphableModel
) -> Weights:
    """Returns weights that predict the same faces in coefficients of `model`.

    Args:
      published: the result of `read_published_weights`.
      published_model: the face model of the predicted coefficients, in its authors' unit and with their origin.
      model: the same face model in any unit and with any origin; it may be `published_model`.

    Raises:
      WeightsError: the two face models differ, or the predicted coefficients belong to another face model.
    """
    for candidate in (published_model, model):
        counts = len(candidate.shape_std), len(candidate.expression_std)
        if counts != (SHAPE_COUNT, EXPRESSION_COUNT):
            raise WeightsError(
                f"The network predicts {SHAPE_COUNT} shape and {EXPRESSION_COUNT} expression coefficients, but the "
                f"face model has {counts[0]} and {counts[1]} components: give a model with exactly these components."
            )
    own = landmark_space(published_model)
    _check_mean_face(published.whitening, own)
    matrix, misfit = change_of_model(own, landmark_space(model))
    # The negation also catches nan, the misfit of a component that displaces no point.
    if not misfit <= _MAX_MISFIT:
        raise WeightsError(
            "The face model is not the published model in another unit: the mean or a component differs by "
            f"{misfit:.1%} at the landmarks."
        )
    head, whitening = _changed_head(published, matrix)
    params = {**published.variables["params"], "head": head}
    return dataclasses.replace(
        published,
        variables={**published.variables, "params": params},
        whitening=whitening,
        face_model=digest(model),
    )


def _check_mean_face(whitening: Whitening, space: ShapeSpace) -> None:
    """Raises if the mean coefficients do not give a face of plausible size, as in another unit."""
    points = decode(space, coefficients_from_official(whitening.mean, len(space.shape_std)))
    width, height = np.ptp(np.asarray(points), axis=0)[:2]
    if not all(_MIN_FACE_SIZE <= side <= _MAX_FACE_SIZE for side in (width, height)):
        raise WeightsError(
            f"With this face model the mean coefficients give a face of {width:.3g} by {height:.3g} pixels: give the "
            "model in the unit in which the network was published."
        )


def _changed_head(
    published: Weights, matrix: Float[np.ndarray, "C C"]
) -> tuple[dict[str, Float[np.ndarray, "..."]], Whitening]:
    """Returns the last layer and the whitening that predict a linear map of the published vectors."""
    mean, std = published.whitening.mean, published.whitening.std
    spread = np.linalg.norm(matrix * std, axis=1)
    rows = matrix * std / spread[:, None]
    head = published.variables["params"]["head"]
    changed = {"kernel": head["kernel"] @ rows.T, "bias": rows @ head["bias"]}
    whitening = Whitening((matrix @ mean).astype(np.float32), spread.astype(np.float32))
    return {name: array.astype(np.float32) for name, array in changed.items()}, whitening


def network_of_state(state: Mapping[str, np.ndarray]) -> tuple[str, dict[str, PyTree]]:
    """Returns the architecture of a published network and its Flax variables.

    The architecture is a key of `networks.architectures.ARCHITECTURES`.

    Args:
      state: the parameters and statistics, by their names in PyTorch.

    Raises:
      WeightsError: the network is another one; the message names the first difference.
    """
    # `DataParallel` adds a prefix to all names. 3DDFA_V2 has another name for the head than 3DDFA.
    remaining = {
        name.removeprefix("module.").replace("fc_param.", "fc."): tensor
        for name, tensor in state.items()
        if not name.endswith(_UNUSED)
    }
    architecture = _architecture(remaining)
    shapes = variable_shapes(ARCHITECTURES[architecture](output_size=VECTOR_SIZE))
    variables = {}
    for variable, shape in shapes.items():
        name = _torch_name(variable)
        if name not in remaining:
            raise WeightsError(f"it has no {name}, which {architecture} needs.")
        variables[variable] = _as_variable(remaining.pop(name), name, shape)
    if remaining:
        raise WeightsError(f"it has {next(iter(remaining))}, which {architecture} does not have.")
    stem = variables[_STEM]
    variables[_STEM] = stem[:, :, list(_CHANNELS[: stem.shape[2]])]
    return architecture, flax.traverse_util.unflatten_dict(variables, sep="/")


def _architecture(state: Mapping[str, np.ndarray]) -> str:
    """Returns the key of `ARCHITECTURES` that has these parameter names and this width."""
    if "layer1.0.conv1.weight" in state:
        return "resnet50"
    if "dw2_1.conv_dw.weight" not in state or "conv1.weight" not in state:
        raise WeightsError("it is neither 2DASL's ResNet-50 nor 3DDFA's MobileNetV1.")
    width = len(state["conv1.weight"])
    architecture = f"mobilenet_v1_{width * 100 / 32:03.0f}"
    if architecture not in ARCHITECTURES:
        known = ", ".join(name for name in ARCHITECTURES if name.startswith("mobilenet_v1"))
        raise WeightsError(f"its conv1.weight has {width} filters, unlike any of {known}.")
    return architecture


def _as_variable(
    tensor: Float[np.ndarray, "..."], name: str, shape: tuple[int, ...]
) -> Float[np.ndarray, "..."]:
    """Returns a tensor with its axes in the order of Flax."""
    axes = _AXES[len(shape)]
    expected = tuple(shape[axis] for axis in np.argsort(axes))
    if tensor.shape != expected:
        raise WeightsError(f"{name} has shape {tensor.shape}, expected {expected}.")
    if not np.isfinite(tensor).all():
        raise WeightsError(f"{name} has values that are not finite.")
    return tensor.astype(np.float32).transpose(axes)


def _torch_name(variable: str) -> str:
    """Returns the published name of a variable, layer1.0.bn1.weight for params/stage1_block0/norm1/scale."""
    _, *layers, kind = variable.split("/")
    return ".".join([*(_LAYERS.get(layer, layer) for layer in layers), _KINDS.get(kind, kind)])


def _whitening_of_pickle(path: pathlib.Path) -> dict[str, Any]:
    try:
        arrays = load_plain(path.read_bytes())
    except pickle.UnpicklingError as error:
        raise WeightsError(f"Cannot use {path}: {error}.") from error
    except OSError as error:
        raise WeightsError(f"Cannot read {path}: {error.strerror}.") from error
    for names in (("mean", "std"), ("param_mean", "param_std")):
        if isinstance(arrays, dict) and all(
            isinstance(arrays.get(name), np.ndarray) for name in names
        ):
            return {name: arrays[name] for name in names}
    raise WeightsError(
        f"Cannot use {path}: it has neither arrays mean and std nor param_mean and param_std."
    )
