"""Which settings a config holds, and of what type: a misspelt one should not be found out after a day of training."""

import difflib
from collections.abc import Mapping
from typing import Any

import ml_collections

from twodasl_jax.errors import ConfigError

_LOSSES = ("wpdc", "pdc", "vdc", "coefficients", "prior", "l_2d_con", "l_3d_con", "l_cyc", "l_sc")
_AUGMENTATIONS = ("rotation", "log_scale", "shift", "mirror", "colour", "grey", "erase")

# An int is welcome where a float stands.
SETTINGS: Mapping[str, Any] = {
    **dict.fromkeys(("data_dir", "wild_dir", "init_from", "architecture", "dtype", "map"), str),
    **dict.fromkeys(("seed", "steps", "batch_size", "wild_batch_size", "norm_groups"), int),
    **dict.fromkeys(("warmup_steps", "log_every", "evaluate_every"), int),
    **dict.fromkeys(("checkpoint_every", "checkpoints_kept"), int),
    **dict.fromkeys(("learning_rate", "weight_decay", "gradient_clip", "average_decay"), float),
    **dict.fromkeys(("largest_fit_error", "annotated_share"), float),
    "yaw_shares": tuple,
    "loss_weights": dict.fromkeys(_LOSSES, float),
    "vertices": (str, int),
    "point_norm": str,
    "augmentation": dict.fromkeys(_AUGMENTATIONS, float),
    "landmark_map": {"points": str, "kind": str, "sigma": float},
    "detection": dict.fromkeys(("share", "noise", "hidden_noise", "dropped"), float),
    "critic": {
        "loss": str,
        **dict.fromkeys(("learning_rate", "weight_decay", "gradient_clip"), float),
        **dict.fromkeys(("width", "updates", "warmup_steps", "ramp_steps"), int),
        "mismatched": bool,
    },
}


def check_settings(config: ml_collections.ConfigDict) -> None:
    """Checks that a config has all settings, no others, and of their types.

    Raises:
      ConfigError: it has not; an unknown setting is named with the nearest known one.
    """
    _check(config.to_dict(), SETTINGS, "config")


def _check(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(f"{where}.{name} is no setting: did you mean {where}.{near[0]}?")
        if isinstance(known[name], Mapping):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}.{name}={value!r}: it holds settings of its own")
            _check(value, known[name], f"{where}.{name}")
        elif not _fits(value, known[name]):
            wanted = getattr(known[name], "__name__", None) or "str or int"
            raise ConfigError(f"{where}.{name}={value!r}: it must be of type {wanted}")
    missing = sorted(set(known) - set(values))
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(missing)}: see configs/compact.py")


def _fits(value: Any, wanted: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)
