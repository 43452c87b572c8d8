"""Checks of flags that a program needs, or accepts, for one choice only."""

from typing import Any

from absl import flags

from twodasl_jax.errors import ConfigError


def required(flag: flags.FlagHolder[str | None], choice: str) -> str:
    """Returns the value of a flag that a choice needs.

    Args:
      flag: the flag.
      choice: the flag that makes the choice, for example "--protocol=florence".

    Raises:
      ConfigError: the flag is missing.
    """
    if not flag.value:
        raise ConfigError(f"--{flag.name} is missing: {choice} needs it; see --help.")
    return flag.value


def reject(choice: str, *others: flags.FlagHolder[Any]) -> None:
    """Raises `ConfigError` if a flag that does not apply to a choice is given."""
    for flag in others:
        if flag.present:
            raise ConfigError(f"--{flag.name} does not apply to {choice}; see --help.")
