"""Early stops: after the current step on SIGTERM, and on metrics that are not finite."""

import os
import signal

import jax.numpy as jnp
import pytest

from tests.helpers.workers import started_pair
from twodasl_jax.errors import DivergenceError
from twodasl_jax.training.stopping import DivergenceCheck, preemption_signal


def test_signal_is_reported_after_step_and_handler_is_restored():
    previous_handler = signal.getsignal(signal.SIGTERM)
    with preemption_signal() as should_stop:
        assert not should_stop(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop(2)
    assert signal.getsignal(signal.SIGTERM) is previous_handler


@pytest.mark.slow
def test_all_processes_stop_after_same_step_if_one_receives_signal():
    with started_pair("stopping_worker") as workers:
        workers[1].send_signal(signal.SIGTERM)
        outputs = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    first, second = (int(output) for output, _ in outputs)
    assert first == second


def test_finite_metrics_pass_the_check():
    divergence = DivergenceCheck()
    divergence.add(1, {"loss": jnp.ones(())}, ["a"])
    divergence.check()
    divergence.check()


def test_first_diverged_step_is_named_with_its_metrics_and_faces():
    divergence = DivergenceCheck()
    divergence.add(7, {"loss": jnp.ones(()), "raw/vdc": jnp.ones(())}, ["a", "b"])
    divergence.add(8, {"loss": jnp.asarray(jnp.nan), "raw/vdc": jnp.asarray(jnp.inf)}, ["c", "d"])
    divergence.add(9, {"loss": jnp.asarray(jnp.nan), "raw/vdc": jnp.ones(())}, ["e"])
    with pytest.raises(DivergenceError, match=r"at step 8: loss, raw/vdc\. .* these faces: c, d\."):
        divergence.check()


def test_error_lists_only_the_first_of_many_faces():
    divergence = DivergenceCheck()
    divergence.add(1, {"loss": jnp.asarray(jnp.nan)}, [f"face{number}" for number in range(500)])
    with pytest.raises(DivergenceError, match=r"face63 \.\.\."):
        divergence.check()
