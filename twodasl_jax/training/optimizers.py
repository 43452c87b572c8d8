"""Optimisers and schedules."""

import ml_collections
import optax


def build_optimizer(
    run: ml_collections.ConfigDict, network: ml_collections.ConfigDict
) -> optax.GradientTransformation:
    """Returns AdamW on clipped gradients.

    Args:
      run: the settings of the run, which define the shape of the schedule.
      network: the settings `learning_rate`, `weight_decay` and `gradient_clip` of a network: those of the run for the
        regressor, `run.critic` for the self-critic.
    """
    schedule = warmup_cosine(network.learning_rate, run.warmup_steps, run.steps)
    return optax.chain(
        optax.clip_by_global_norm(network.gradient_clip),
        optax.adamw(schedule, weight_decay=network.weight_decay),
    )


def warmup_cosine(peak: float, warmup_steps: int, steps: int) -> optax.Schedule:
    """Returns a linear rise to `peak` over the warm-up, then a cosine to zero at the last step."""
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, peak, warmup_steps),
            optax.cosine_decay_schedule(peak, max(1, steps - warmup_steps)),
        ],
        boundaries=[warmup_steps],
    )


def delayed_ramp(warmup_steps: int, ramp_steps: int) -> optax.Schedule:
    """Returns zero over the warm-up, then a linear rise to one over `ramp_steps`."""
    return optax.join_schedules(
        [optax.constant_schedule(0.0), optax.linear_schedule(0.0, 1.0, max(1, ramp_steps))],
        boundaries=[warmup_steps],
    )
