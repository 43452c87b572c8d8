"""A plain PyTorch implementation of the training step of 2DASL, and the network of 3DDFA_V2.

`experiments/benchmark.py` compares this package with both. Networks, losses and updates are those of
`twodasl_jax.training.step` with the settings of configs/paper.py, in PyTorch's own idioms: modules in NCHW, autograd,
`torch.optim`. The batch is already augmented. Learning rates and loss weights are constant. Only the benchmarks and
some tests need PyTorch; the package does not import this module.
"""

import copy
import itertools
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from flax.traverse_util import flatten_dict
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_sets import OFFICIAL
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.training.face_space import FaceSpace

TERMS = ("wpdc", "l_2d_con", "l_3d_con", "l_cyc", "l_sc")

# Each of the 18 points of the official landmark map is the middle of two landmarks, and has a weight.
FIRST, SECOND = torch.from_numpy(OFFICIAL.pairs).T
WEIGHTS = torch.from_numpy(OFFICIAL.weights)

Batch = dict[str, Tensor]
Variables = Mapping[str, Any]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut, which is projected if the shape changes."""

    def __init__(self, inputs: int, channels: int, stride: int):
        super().__init__()
        width = 4 * channels
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, width, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.projected = inputs != width or stride != 1
        if self.projected:
            self.shortcut_conv = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.shortcut_norm = nn.BatchNorm2d(width)

    def forward(self, x: Float[Tensor, "B K H W"]) -> Float[Tensor, "B k h w"]:
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.relu(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        if self.projected:
            x = self.shortcut_norm(self.shortcut_conv(x))
        return self.relu(x + y)


def resnet50(output_size: int) -> nn.Sequential:
    """Returns a ResNet-50 with four input channels and stride 1 in the last stage."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem_conv=nn.Conv2d(4, 64, 7, 2, padding=3, bias=False),
        stem_norm=nn.BatchNorm2d(64),
        stem_relu=nn.ReLU(inplace=True),
        stem_pool=nn.MaxPool2d(3, 2, padding=1),
    )
    inputs = 64
    stages = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 1))
    for stage, (blocks, channels, stride) in enumerate(stages, start=1):
        for block in range(blocks):
            first = stride if block == 0 else 1
            layers[f"stage{stage}_block{block}"] = Bottleneck(inputs, channels, first)
            inputs = 4 * channels
    layers |= {"pool": nn.AvgPool2d(7, 2), "flatten": nn.Flatten()}
    layers["head"] = nn.Linear(inputs, output_size)
    return nn.Sequential(layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with an identity shortcut."""

    def __init__(self, channels: int, momentum: float):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels, momentum=momentum)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels, momentum=momentum)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
        y = self.relu(self.norm1(self.conv1(x)))
        return self.relu(x + self.norm2(self.conv2(y)))


class FlattenChannelsLast(nn.Module):
    """Flattens feature maps in the order of Flax (rows, columns, channels), which its dense kernels expect."""

    def forward(self, x: Float[Tensor, "B K H W"]) -> Float[Tensor, "B N"]:
        return x.permute(0, 2, 3, 1).flatten(1)


def compact_net(output_size: int) -> nn.Sequential:
    """Returns a network of five strided 3x3 convolutions, two residual blocks and two dense layers."""
    momentum, hidden = 0.03, 256
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 4
    stages = ((16, 0), (32, 0), (64, 1), (128, 1), (256, 0))
    for stage, (channels, blocks) in enumerate(stages, start=1):
        layers[f"stage{stage}_conv"] = nn.Conv2d(inputs, channels, 3, 2, padding=1, bias=False)
        layers[f"stage{stage}_norm"] = nn.BatchNorm2d(channels, momentum=momentum)
        layers[f"stage{stage}_relu"] = nn.ReLU(inplace=True)
        for block in range(blocks):
            layers[f"stage{stage}_block{block}"] = ResidualBlock(channels, momentum)
        inputs = channels
    layers["flatten"] = FlattenChannelsLast()
    layers["hidden"] = nn.Linear(4 * 4 * inputs, hidden)
    layers["hidden_relu"] = nn.ReLU(inplace=True)
    layers["head"] = nn.Linear(hidden, output_size)
    return nn.Sequential(layers)


ARCHITECTURES = {"resnet50": resnet50, "compact": compact_net}


def mobilenet_v1(output_size: int, width: int) -> nn.Sequential:
    """Returns the MobileNetV1 of 3DDFA and 3DDFA_V2; its first convolution has `width` channels."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        stem_conv=nn.Conv2d(3, width, 3, 2, padding=1, bias=False),
        stem_norm=nn.BatchNorm2d(width),
        stem_relu=nn.ReLU(inplace=True),
    )
    inputs = width
    blocks = ((2, 1), (4, 2), (4, 1), (8, 2), (8, 1), (16, 2), *5 * ((16, 1),), (32, 2), (32, 1))
    for number, (multiple, stride) in enumerate(blocks, start=1):
        channels = multiple * width
        layers[f"block{number}"] = nn.Sequential(
            OrderedDict(
                depthwise_conv=nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
                depthwise_norm=nn.BatchNorm2d(inputs),
                depthwise_relu=nn.ReLU(inplace=True),
                pointwise_conv=nn.Conv2d(inputs, channels, 1, bias=False),
                pointwise_norm=nn.BatchNorm2d(channels),
                pointwise_relu=nn.ReLU(inplace=True),
            )
        )
        inputs = channels
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    layers["head"] = nn.Linear(inputs, output_size)
    return nn.Sequential(layers)


class SelfCritic(nn.Module):
    """A critic that predicts the logit that an image and a whitened coefficient vector are consistent."""

    def __init__(self, vector_size: int):
        super().__init__()
        channels = (3, 16, 32, 64, 128, 256, 512)
        sizes = (channels[-1] + vector_size, 512, 1024, 1024)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in itertools.pairwise(channels)
        )
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        self.logit = nn.Linear(sizes[-1], 1)

    def forward(self, x: Float[Tensor, "B 3 H W"], vector: Tensor) -> Float[Tensor, " B"]:
        for convolution in self.convolutions:
            x = F.max_pool2d(F.relu(convolution(x)), 2)
        # The maps are 1x1, so the order of their axes does not matter.
        x = torch.cat([x.flatten(1), vector], dim=1)
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.logit(x)[:, 0]


class Landmarks:
    """The 68 landmarks of the face model, in the crop frame."""

    def __init__(self, space: ShapeSpace):
        bases = (
            np.asarray(space.shape_basis) * np.asarray(space.shape_std),
            np.asarray(space.expression_basis) * np.asarray(space.expression_std),
        )
        self.basis = torch.from_numpy(np.concatenate(bases, axis=-1)).flatten(0, 1)
        self.mean = torch.from_numpy(np.array(space.mean)).flatten()

    def __call__(
        self, vectors: Float[Tensor, "*batch C"], affine: bool = False
    ) -> Float[Tensor, "*batch 68 3"]:
        """Returns the landmarks of official vectors, projected by weak perspective or by the full 3x4 matrix."""
        pose, coefficients = vectors.split([POSE_COUNT, self.basis.shape[1]], dim=-1)
        matrix = pose.unflatten(-1, (3, 4))
        if not affine:
            matrix = _camera(matrix)
        points = F.linear(coefficients, self.basis, self.mean).unflatten(-1, (-1, 3))
        x, y, z = (points @ matrix[..., :3].mT + matrix[..., None, :, 3]).unbind(-1)
        # The official y points up, from the bottom of the crop.
        return torch.stack([x, CROP_SIZE + 1 - y, z], dim=-1)


def _camera(matrix: Float[Tensor, "*batch 3 4"]) -> Float[Tensor, "*batch 3 4"]:
    """Returns [f R | t]: R by Gram-Schmidt from the first two rows, and f their mean length."""
    rows = matrix[..., :2, :3]
    scale = torch.linalg.vector_norm(rows, dim=-1).mean(dim=-1)
    first = F.normalize(rows[..., 0, :], dim=-1)
    along = (first * rows[..., 1, :]).sum(dim=-1, keepdim=True)
    second = F.normalize(rows[..., 1, :] - along * first, dim=-1)
    rotation = torch.stack([first, second, torch.linalg.cross(first, second)], dim=-2)
    return torch.cat([scale[..., None, None] * rotation, matrix[..., 3:]], dim=-1)


def official_points(landmarks: Float[Tensor, "B 68 D"]) -> Float[Tensor, "B 18 D"]:
    """Returns the points of the official landmark map; each is the middle of two landmarks."""
    return (landmarks[:, FIRST] + landmarks[:, SECOND]) / 2


@torch.no_grad()
def landmark_map(landmarks: Float[Tensor, "B 68 2"]) -> Float[Tensor, "B 1 120 120"]:
    """Draws +1 at the pixel of each official point and -1 elsewhere."""
    cells = official_points(landmarks).floor()
    inside = ((cells >= 0) & (cells < CROP_SIZE)).all(dim=-1)
    columns, rows = cells[inside].long().unbind(-1)
    maps = torch.full((len(cells), 1, CROP_SIZE, CROP_SIZE), -1.0)
    maps[inside.nonzero()[:, 0], 0, rows, columns] = 1.0
    return maps


def point_distance(
    predicted: Float[Tensor, "B N D"], target: Float[Tensor, "B N D"], weights: Float[Tensor, "B N"]
) -> Float[Tensor, ""]:
    """Returns the weighted mean Euclidean distance as a fraction of the crop size, without nan targets."""
    counted = weights * ~target.isnan().any(dim=-1)
    # The gradient of `vector_norm` is zero at zero.
    distance = torch.linalg.vector_norm(predicted - target.nan_to_num(), dim=-1) / CROP_SIZE
    return ((counted * distance).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1.0)).mean()


class Prediction(NamedTuple):
    """The prediction of one pass.

    Attributes:
      whitened: (B, C) whitened vectors.
      vector: (B, C) vectors in the official layout.
      landmarks: (B, 68, 3) landmarks in the crop frame.
    """

    whitened: Float[Tensor, "B C"]
    vector: Float[Tensor, "B C"]
    landmarks: Float[Tensor, "B 68 3"]


class PlainStep:
    """The regressor, the self-critic, their optimizers, and a step that updates both.

    Gradients are clipped by their global norms. All `TERMS` are computed, even with weight zero. Other terms must have
    weight zero.
    """

    def __init__(
        self,
        architecture: str,
        space: FaceSpace,
        loss_weights: dict[str, float],
        learning_rate: float,
        critic_learning_rate: float,
        gradient_clip: float,
        average_decay: float,
    ):
        if others := {name for name, weight in loss_weights.items() if weight} - set(TERMS):
            raise ValueError(f"unknown loss terms {sorted(others)}: use {', '.join(TERMS)}")
        self.loss_weights = {name: loss_weights[name] for name in TERMS}
        self.gradient_clip, self.average_decay = gradient_clip, average_decay
        self.landmarks = Landmarks(space.landmarks)
        self.mean = torch.from_numpy(np.array(space.whitening.mean))
        self.std = torch.from_numpy(np.array(space.whitening.std))
        self.regressor = ARCHITECTURES[architecture](len(self.mean))
        self.average = copy.deepcopy(self.regressor).requires_grad_(False)
        self.critic = SelfCritic(len(self.mean)).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.regressor.parameters(), learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), critic_learning_rate)
        self.steps = 0

    def load(
        self, regressor_params: Variables, batch_stats: Variables, critic_params: Variables
    ) -> None:
        """Copies the variables of the Flax networks into the modules."""
        load_flax(self.regressor, regressor_params, batch_stats)
        load_flax(self.average, regressor_params, batch_stats)
        load_flax(self.critic, critic_params, {})

    def step(self, batch: dict[str, np.ndarray]) -> dict[str, float]:
        """Updates the regressor and the critic, each against the other network as it was before the step.

        Args:
          batch: B examples; the first A are annotated. `image` (B, 120, 120, 3) is RGB from 0 to 255.
            `input_landmarks` (B, 68, 2) are the landmarks of the first landmark map, `landmarks` (B, 68, 2) the labels,
            `visible` (B, 68) whether a label counts, and `vector` (A, C) the annotations in the official layout.

        Returns:
          The terms as `raw/NAME`, their weighted sum `loss`, and `critic/loss`.
        """
        tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
        scaled = (tensors["image"] - 127.5) / 128
        tensors["image"] = scaled.permute(0, 3, 1, 2).contiguous()
        predicted, report = self._update_regressor(tensors)
        report["critic/loss"] = self._update_critic(tensors, predicted.detach())
        self.steps += 1
        return {name: value.item() for name, value in report.items()}

    def _update_regressor(self, batch: Batch) -> tuple[Float[Tensor, "B C"], dict[str, Tensor]]:
        first = self._predict(batch["image"], batch["input_landmarks"])
        second = self._predict(batch["image"], first.landmarks[..., :2])
        all_landmarks = torch.ones(first.landmarks.shape[:-1])
        count = len(batch["vector"])
        wild = batch["image"][count:], first.whitened[count:]
        terms = {
            "wpdc": self._wpdc(first, batch["vector"]),
            "l_2d_con": _against_labels(first, batch),
            "l_3d_con": point_distance(second.landmarks, first.landmarks, all_landmarks),
            "l_cyc": _against_labels(second, batch),
            "l_sc": F.softplus(-self.critic(*wild)).mean(),
        }
        loss = sum((self.loss_weights[name] * terms[name] for name in TERMS), torch.zeros(()))
        self._descend(loss, self.regressor, self.optimizer)
        self._update_average()
        report = {f"raw/{name}": term for name, term in terms.items()}
        return first.whitened, report | {"loss": loss}

    def _predict(self, image: Tensor, landmarks: Float[Tensor, "B 68 2"]) -> Prediction:
        whitened = self.regressor(torch.cat([image, landmark_map(landmarks)], dim=1))
        vector = whitened * self.std + self.mean
        return Prediction(whitened, vector, self.landmarks(vector))

    def _wpdc(self, first: Prediction, target: Float[Tensor, "A C"]) -> Float[Tensor, ""]:
        count = len(target)
        weights = self._displacement_weights(first.vector[:count], target)
        error = first.whitened[:count] - (target - self.mean) / self.std
        return (weights * error**2).sum(dim=-1).mean()

    @torch.no_grad()
    def _displacement_weights(self, predicted: Tensor, target: Tensor) -> Float[Tensor, "A C"]:
        """Returns the displacement of the landmarks if one coefficient is replaced by its prediction, normalised."""
        only = torch.eye(target.shape[-1], dtype=torch.bool)
        replaced = torch.where(only, predicted[:, None], target[:, None])
        moved = self.landmarks(replaced, affine=True) - self.landmarks(target, affine=True)[:, None]
        return F.normalize(torch.linalg.vector_norm(moved, dim=(-1, -2)), p=1, dim=-1)

    def _update_critic(self, batch: Batch, predicted: Float[Tensor, "B C"]) -> Float[Tensor, ""]:
        """Updates the critic on annotated images (real) and in-the-wild images with predictions (fake)."""
        self.critic.requires_grad_(True)
        count = len(batch["vector"])
        real = (batch["vector"] - self.mean) / self.std
        vectors = torch.cat([real, predicted[count:]])
        logits = self.critic(batch["image"], vectors)
        loss = F.softplus(-logits[:count]).mean() + F.softplus(logits[count:]).mean()
        self._descend(loss, self.critic, self.critic_optimizer)
        self.critic.requires_grad_(False)
        return loss

    def _descend(self, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), self.gradient_clip)
        optimizer.step()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Updates the moving average of the parameters, with a smaller decay in the first steps."""
        decay = min(self.average_decay, (1 + self.steps) / (10 + self.steps))
        pairs = zip(self.average.parameters(), self.regressor.parameters(), strict=True)
        for average, current in pairs:
            average.lerp_(current, 1 - decay)


def _against_labels(prediction: Prediction, batch: Batch) -> Float[Tensor, ""]:
    projected = official_points(prediction.landmarks[..., :2])
    visible = batch["visible"][:, FIRST] & batch["visible"][:, SECOND]
    return point_distance(projected, official_points(batch["landmarks"]), visible * WEIGHTS)


def load_flax(module: nn.Module, params: Variables, batch_stats: Variables) -> None:
    """Copies Flax variables into a module with the same layer names; `layer_0` in Flax is `layer.0` here."""
    names = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    # Flax kernels are (rows, columns, in, out) or (in, out); here they are (out, in, rows, columns) or (out, in).
    orders = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
    counters = "num_batches_tracked"
    state = {name: value for name, value in module.state_dict().items() if counters in name}
    for path, value in (flatten_dict(params) | flatten_dict(batch_stats)).items():
        layer, kind = re.sub(r"_(\d+)$", r".\1", ".".join(path[:-1])), path[-1]
        array = np.array(value).transpose(orders[value.ndim])
        state[f"{layer}.{names.get(kind, kind)}"] = torch.from_numpy(array)
    module.load_state_dict(state)
