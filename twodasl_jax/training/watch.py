"""Notices when a run diverges, and says where, without waiting for the device at every step."""

from collections.abc import Sequence

import jax
import numpy as np

from twodasl_jax.errors import DivergenceError
from twodasl_jax.training.step import Metrics

_NAMES_SHOWN = 64


class Watch:
    """Keeps the metrics of the steps since the last look, on the device, and the faces that they saw."""

    def __init__(self) -> None:
        self._steps: list[tuple[int, Metrics, Sequence[str]]] = []

    def add(self, step: int, metrics: Metrics, names: Sequence[str]) -> None:
        """Remembers a step, its metrics, and the names of the faces of its batch."""
        self._steps.append((step, metrics, names))

    def look(self) -> None:
        """Checks all steps since the last look; what is saved afterwards is sound.

        Raises:
          DivergenceError: a metric of a step, its gradients' norm among them, is not finite. The message names the
            first such step, its metrics and the faces of this process's part of the batch.
        """
        steps, self._steps = self._steps, []
        for step, metrics, names in steps:
            values = jax.device_get(metrics)
            broken = sorted(name for name, value in values.items() if not np.isfinite(value))
            if broken:
                shown = ", ".join(names[:_NAMES_SHOWN]) + (
                    " ..." if len(names) > _NAMES_SHOWN else ""
                )
                raise DivergenceError(
                    f"At step {step} {', '.join(broken)} ceased to be finite: lower learning_rate or "
                    f"gradient_clip, or look at these faces: {shown}. The last checkpoint is from before; the "
                    "same command goes on from it."
                )
