"""Settings of a training run: names, types, defaults and validation.

The dataclasses define every setting. `default_config` turns them into a config, which the files in `configs/` and
`--config.NAME=VALUE` on the command line change.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

import ml_collections

from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.landmark_map import MapStyle

_Option = TypeVar("_Option")
_AUGMENTATION = Augmentation(
    rotation=12.0, log_scale=0.08, shift=4.0, mirror=0.5, colour=0.12, grey=0.1, erase=0.2
)


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the loss terms, see `twodasl_jax.losses`. A weight of zero removes a term and its cost.

    Attributes:
      wpdc: the weighted parameter distance of annotated images (L_3d).
      pdc: the unweighted parameter distance of annotated images.
      vdc: the vertex distance of annotated images.
      coefficients: the distance of shape and expression coefficients of annotated images.
      prior: the Gaussian prior of the predicted shape and expression coefficients of all images.
      l_2d_con: the distance from the labels to the projected landmarks of the first pass, all images.
      l_3d_con: the distance between the 3D landmarks of both passes, all images.
      l_cyc: the distance from the labels to the projected landmarks of the second pass, all images.
      l_sc: the adversarial loss of in-the-wild images.
    """

    wpdc: float = 0.0
    pdc: float = 0.0
    vdc: float = 0.0
    coefficients: float = 0.0
    prior: float = 0.0
    l_2d_con: float = 0.0
    l_3d_con: float = 0.0
    l_cyc: float = 0.0
    l_sc: float = 0.0

    @property
    def needs_second_pass(self) -> bool:
        """Whether a term with a weight requires the second pass."""
        return bool(self.l_3d_con or self.l_cyc)


@dataclasses.dataclass(frozen=True)
class CriticSettings:
    """Settings of the self-critic, which exists only if the weight of L_sc is not zero.

    Attributes:
      width: the number of channels of the first convolution.
      loss: the adversarial loss, a key of `losses.ADVERSARIAL_LOSSES`.
      learning_rate: the peak of the learning rate, on the schedule of the regressor.
      weight_decay: the weight decay of AdamW.
      gradient_clip: the largest global norm of a gradient.
      updates: the number of critic updates per regressor update.
      warmup_steps: the number of steps in which L_sc has no weight while the critic already learns.
      ramp_steps: the number of steps, after the warm-up, in which the weight of L_sc rises linearly to its full value.
      mismatched: whether the critic also receives annotated images paired with the annotation of another image.
    """

    width: int = 16
    loss: str = "non_saturating"
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    updates: int = 1
    warmup_steps: int = 500
    ramp_steps: int = 500
    mismatched: bool = False


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All settings of a run.

    Attributes:
      data_dir: the prepared data sets with annotations: a folder, or "FOLDER:WEIGHT,FOLDER:WEIGHT" for a mixture.
      wild_dir: the prepared in-the-wild data sets, likewise; "" for none. Only their labels count.
      annotated_share: the share of the annotations that count. Below one, the other faces of `data_dir` join the
        in-the-wild faces without their annotations.
      largest_fit_error: the largest error of an annotation against the labels, as a share of the face size. Faces with
        larger errors count as not annotated.
      yaw_shares: the average shares of faces with |yaw| up to 30, up to 60 and up to 90 degrees in a batch.
      init_from: the initial weights: a weights file or the folder of another run; "" for random weights.
      architecture: the network, a key of `networks.ARCHITECTURES`.
      dtype: the number format of network computations. Parameters, losses and geometry are float32.
      seed: the seed of all random numbers.
      steps: the number of training steps.
      batch_size: the number of annotated images per step, over all devices.
      wild_batch_size: the number of in-the-wild images per step, over all devices.
      norm_groups: the number of equal parts of the batch with BatchNorm statistics of their own. With 1, devices
        synchronise the statistics; a multiple of the device count avoids that.
      map: the transformation that maps a step over devices, "shard_map" or "pmap".
      learning_rate: the peak of the learning rate. It rises linearly and falls to zero along a cosine.
      warmup_steps: the number of steps in which the learning rate rises.
      weight_decay: the weight decay of AdamW.
      gradient_clip: the largest global norm of a gradient.
      average_decay: the decay of the moving average of the weights.
      loss_weights: the weights of the loss terms.
      vertices: the points of the vertex distance: "landmarks", "all", or the number of a random subset of vertices.
      point_norm: the distance between two points, a key of `losses.POINT_NORMS`.
      augmentation: the strength of each augmentation.
      landmark_map: the style of the landmark map.
      detection: the error model of the simulated detector, which makes input landmarks from labels.
      critic: the settings of the self-critic.
      log_every: the number of steps between two lines of metrics.
      evaluate_every: the number of steps between two evaluations on held-out faces.
      checkpoint_every: the number of steps between two checkpoints.
      checkpoints_kept: the number of latest checkpoints that are kept, in addition to the best one.
    """

    data_dir: str = ""
    wild_dir: str = ""
    annotated_share: float = 1.0
    largest_fit_error: float = 0.06
    yaw_shares: tuple[float, float, float] = (0.4, 0.3, 0.3)
    init_from: str = ""
    architecture: str = "compact"
    dtype: str = "float32"
    seed: int = 0
    steps: int = 10_000
    batch_size: int = 64
    wild_batch_size: int = 0
    norm_groups: int = 1
    map: str = "shard_map"
    learning_rate: float = 2e-3
    warmup_steps: int = 300
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    average_decay: float = 0.998
    loss_weights: LossWeights = dataclasses.field(default_factory=LossWeights)
    vertices: str | int = "landmarks"
    point_norm: str = "manhattan"
    augmentation: Augmentation = _AUGMENTATION
    landmark_map: MapStyle = dataclasses.field(default_factory=MapStyle)
    detection: SimulatedDetector = dataclasses.field(default_factory=SimulatedDetector)
    critic: CriticSettings = dataclasses.field(default_factory=CriticSettings)
    log_every: int = 50
    evaluate_every: int = 500
    checkpoint_every: int = 500
    checkpoints_kept: int = 2


def default_config() -> ml_collections.ConfigDict:
    """Returns the default settings as a config."""
    return ml_collections.ConfigDict(dataclasses.asdict(RunSettings()))


def choose(setting: str, name: str, options: Mapping[str, _Option]) -> _Option:
    """Returns the option with the name that a setting contains.

    Raises:
      ConfigError: there is no such option.
    """
    if name not in options:
        raise ConfigError(f"config.{setting}={name!r}: use one of {', '.join(options)}")
    return options[name]


def check_settings(config: ml_collections.ConfigDict) -> None:
    """Checks that a config has exactly the settings of `RunSettings`, with values of their types.

    An int is valid for a float.

    Raises:
      ConfigError: a setting is unknown, missing or of another type.
    """
    _check(config.to_dict(), RunSettings, "config")


def _check(values: Mapping[str, Any], settings: type, where: str) -> None:
    known = typing.get_type_hints(settings)
    for name, value in values.items():
        if name not in known:
            (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(f"unknown setting {where}.{name}: did you mean {where}.{nearest}?")
        wanted = known[name]
        if dataclasses.is_dataclass(wanted):
            if not isinstance(value, Mapping):
                raise ConfigError(
                    f"{where}.{name}={value!r}: set {where}.{name}.NAME, for example "
                    f"{where}.{name}.{dataclasses.fields(wanted)[0].name}"
                )
            _check(value, typing.cast(type, wanted), f"{where}.{name}")
        elif not _fits(value, _plain_types(wanted)):
            names = " or ".join(each.__name__ for each in _plain_types(wanted))
            raise ConfigError(f"{where}.{name}={value!r}: it must be of type {names}")
    missing = sorted(set(known) - set(values))
    if missing:
        raise ConfigError(
            f"{where} lacks {', '.join(missing)}: start from `default_config` "
            "(twodasl_jax/training/settings.py)"
        )


def _plain_types(hint: Any) -> tuple[type, ...]:
    """Returns the types of a type hint that `isinstance` can check."""
    if isinstance(hint, types.UnionType):
        return typing.get_args(hint)
    return (typing.get_origin(hint) or hint,)


def _fits(value: Any, wanted: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in wanted
    return isinstance(value, (*wanted, int) if float in wanted else wanted)
