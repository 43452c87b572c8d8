"""The published networks of 2DASL, 3DDFA and 3DDFA_V2 as weights of this package.

    2DASL               ResNet-50, `res_state_dict` of the checkpoint; sees 18 landmarks in its fourth channel
    3DDFA, 3DDFA_V2     MobileNetV1, `state_dict`; sees the photo alone

They learned from pictures as OpenCV reads them, blue, green, red; here the kernel of the first convolution is turned
round instead. What they predict are whitened coefficients of Basel's face model with 3DDFA's expressions, in
micrometres, about an origin behind the face, and in multiples of the bases. `for_face_model` makes them coefficients of
the same model in other units, such as this package's own: millimetres, about the middle of the landmarks, and standard
deviations.

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
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    synthesize,
)
from twodasl_jax.geometry.projection import picture_from_model_affine
from twodasl_jax.models.face_model import digest
from twodasl_jax.models.weights import Weights, variable_shapes
from twodasl_jax.networks.architectures import ARCHITECTURES
from twodasl_jax.weight_formats.model_change import change_of_model
from twodasl_jax.weight_formats.torch_files import read_state_dict

# What is called otherwise there; blocks and layers as in `networks.resnet` and `networks.mobilenet`.
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
# From (out, in, rows, columns) to (rows, columns, in, out), from (out, in) to (in, out).
_AXES = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
# Blue, green, red and, where there is one, the landmark map.
_STEM = "params/stem_conv/kernel"
_CHANNELS = (2, 1, 0, 3)
# Counters of training steps, and the second head of 3DDFA_V2, which helped it to learn.
_UNUSED = (".num_batches_tracked", "fc_lm.weight", "fc_lm.bias")

# Of a point or component, relative to the face or its length; rounding is far below, another face model above.
_LARGEST_MISFIT = 1e-3
# Crop pixels; the landmarks of a face are 50 to 100 wide and high.
_SMALLEST_FACE, _LARGEST_FACE = 20.0, 240.0


def read_published_weights(checkpoint: pathlib.Path, whitening: pathlib.Path) -> Weights:
    """Returns a published network as it is: it predicts coefficients of the published face model.

    Args:
      checkpoint: PyTorch file.
      whitening: of the vectors that it predicts (`read_published_whitening`).

    Raises:
      WeightsError: a file is missing or damaged, or of another network; the message names the first thing that differs.
      DatasetError: the same of an `.npz` of the whitening.
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
    """Returns mean and standard deviation of the 62 coefficients.

    Args:
      path: a pickle of `mean` and `std`, which 3DDFA_V2 calls param_mean_std_62d_120x120.pkl, or of `param_mean` and
        `param_std`, 3DDFA's and 2DASL's param_whitening.pkl; or an `.npz` of the latter.

    Raises:
      WeightsError: the pickle is missing, damaged, asks for anything but arrays, or holds other ones.
      DatasetError: the same of the `.npz`.
    """
    if path.suffix == ".npz":
        arrays = read_rows(path, {"param_mean": (), "param_std": ()})
    else:
        arrays = _whitening_of_pickle(path)
    mean, std = (np.asarray(array, np.float32) for array in arrays.values())
    if mean.shape != (VECTOR_SIZE,) or std.shape != mean.shape:
        raise WeightsError(
            f"Cannot use {path}: a mean of shape {mean.shape} and a deviation of {std.shape} are not those of "
            f"{VECTOR_SIZE} coefficients."
        )
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        raise WeightsError(
            f"Cannot use {path}: it has a mean or deviation that is not finite, or a deviation that is not positive."
        )
    return Whitening(mean, std)


def for_face_model(
    published: Weights, published_model: MorphableModel, model: MorphableModel
) -> Weights:
    """Returns weights that predict the same faces in coefficients of a face model of this package.

    Args:
      published: of `read_published_weights`.
      published_model: the face model whose coefficients they predict, in its authors' units and about their origin.
      model: the same face model, in whatever units and about whatever origin; it may be the first one.

    Raises:
      WeightsError: the two are not the same face model, or not the one whose coefficients are predicted.
    """
    for candidate in (published_model, model):
        counts = len(candidate.shape_std), len(candidate.expression_std)
        if counts != (SHAPE_COUNT, EXPRESSION_COUNT):
            raise WeightsError(
                f"The network predicts {SHAPE_COUNT} shape and {EXPRESSION_COUNT} expression coefficients, but the "
                f"face model has {counts[0]} and {counts[1]} components: give one that was cut to these."
            )
    own = landmark_space(published_model)
    _check_mean_face(published.whitening, own)
    matrix, misfit = change_of_model(own, landmark_space(model))
    # It is nan for a component that moves nothing.
    if not misfit <= _LARGEST_MISFIT:
        raise WeightsError(
            "The face model is not the published one in other units: its mean or its components differ by "
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
    """Raises where the mean coefficients make no face that could fill a crop: the first sign of other units."""
    mean = coefficients_from_official(whitening.mean, len(space.shape_std))
    points = picture_from_model_affine(mean.affine, synthesize(space, mean.shape, mean.expression))
    width, height = np.ptp(np.asarray(points), axis=0)[:2]
    if not all(_SMALLEST_FACE <= side <= _LARGEST_FACE for side in (width, height)):
        raise WeightsError(
            f"With this face model the mean face of the coefficients is {width:.3g} by {height:.3g} pixels large: give "
            "the model in the units in which the network was published."
        )


def _changed_head(
    published: Weights, matrix: Float[np.ndarray, "C C"]
) -> tuple[dict[str, Float[np.ndarray, "..."]], Whitening]:
    """Returns the last layer and the whitening with which a linear map of the vectors is predicted."""
    mean, std = published.whitening.mean, published.whitening.std
    spread = np.linalg.norm(matrix * std, axis=1)
    rows = matrix * std / spread[:, None]
    head = published.variables["params"]["head"]
    changed = {"kernel": head["kernel"] @ rows.T, "bias": rows @ head["bias"]}
    whitening = Whitening((matrix @ mean).astype(np.float32), spread.astype(np.float32))
    return {name: array.astype(np.float32) for name, array in changed.items()}, whitening


def network_of_state(state: Mapping[str, np.ndarray]) -> tuple[str, dict[str, PyTree]]:
    """Returns the architecture of a published network, a key of `networks.architectures.ARCHITECTURES`, and its Flax variables.

    Args:
      state: its parameters and statistics by their names in PyTorch.

    Raises:
      WeightsError: it is another network; the message names the first thing that differs.
    """
    # Several GPUs put one prefix before all names, 3DDFA_V2 calls its head otherwise than 3DDFA.
    left = {
        name.removeprefix("module.").replace("fc_param.", "fc."): tensor
        for name, tensor in state.items()
        if not name.endswith(_UNUSED)
    }
    architecture = _architecture(left)
    shapes = variable_shapes(ARCHITECTURES[architecture](output_size=VECTOR_SIZE))
    variables = {}
    for variable, shape in shapes.items():
        name = _torch_name(variable)
        if name not in left:
            raise WeightsError(f"it has no {name}, which {architecture} needs.")
        variables[variable] = _as_variable(left.pop(name), name, shape)
    if left:
        raise WeightsError(f"it has {next(iter(left))}, which {architecture} does not know.")
    stem = variables[_STEM]
    variables[_STEM] = stem[:, :, list(_CHANNELS[: stem.shape[2]])]
    return architecture, flax.traverse_util.unflatten_dict(variables, sep="/")


def _architecture(state: Mapping[str, np.ndarray]) -> str:
    """Returns which of `networks.architectures.ARCHITECTURES` has parameters of these names and this width."""
    if "layer1.0.conv1.weight" in state:
        return "resnet50"
    if "dw2_1.conv_dw.weight" not in state or "conv1.weight" not in state:
        raise WeightsError("it holds neither 2DASL's ResNet-50 nor 3DDFA's MobileNetV1.")
    width = len(state["conv1.weight"])
    architecture = f"mobilenet_v1_{width * 100 / 32:03.0f}"
    if architecture not in ARCHITECTURES:
        known = ", ".join(name for name in ARCHITECTURES if name.startswith("mobilenet_v1"))
        raise WeightsError(f"its conv1.weight has {width} filters, the width of none of {known}.")
    return architecture


def _as_variable(
    tensor: Float[np.ndarray, "..."], name: str, shape: tuple[int, ...]
) -> Float[np.ndarray, "..."]:
    """Returns a tensor with its axes in the order of Flax."""
    axes = _AXES[len(shape)]
    wanted = tuple(shape[axis] for axis in np.argsort(axes))
    if tensor.shape != wanted:
        raise WeightsError(f"{name} has shape {tensor.shape}, and {wanted} is needed.")
    if not np.isfinite(tensor).all():
        raise WeightsError(f"{name} has values that are not finite.")
    return tensor.astype(np.float32).transpose(axes)


def _torch_name(variable: str) -> str:
    """Returns the published name of a variable: layer1.0.bn1.weight of params/stage1_block0/norm1/scale."""
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
        f"Cannot use {path}: it holds no arrays mean and std, nor param_mean and param_std."
    )
