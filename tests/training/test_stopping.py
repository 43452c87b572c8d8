"""Leaving early: on SIGTERM after the step, and where numbers cease to be finite."""

import os
import signal

import jax.numpy as jnp
import pytest

from tests.helpers.workers import started_pair
from twodasl_jax.errors import DivergenceError
from twodasl_jax.training.stopping import preemption_signal
from twodasl_jax.training.watch import Watch


def test_a_signal_is_seen_after_the_step_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with preemption_signal() as stops:
        assert not stops(1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops(2)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_of_several_processes_all_end_with_one_step_though_one_alone_was_asked():
    with started_pair("stopping_worker") as workers:
        workers[1].send_signal(signal.SIGTERM)
        outputs = [worker.communicate(timeout=60) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    first, second = (int(output) for output, _ in outputs)
    assert first == second


def test_sound_steps_are_forgotten():
    watch = Watch()
    watch.add(1, {"loss": jnp.ones(())}, ["a"])
    watch.look()
    watch.look()


def test_the_first_broken_step_is_named_with_its_terms_and_faces():
    watch = Watch()
    watch.add(7, {"loss": jnp.ones(()), "raw/vdc": jnp.ones(())}, ["a", "b"])
    watch.add(8, {"loss": jnp.asarray(jnp.nan), "raw/vdc": jnp.asarray(jnp.inf)}, ["c", "d"])
    watch.add(9, {"loss": jnp.asarray(jnp.nan), "raw/vdc": jnp.ones(())}, ["e"])
    with pytest.raises(DivergenceError, match=r"At step 8 loss, raw/vdc .* these faces: c, d\."):
        watch.look()


def test_of_many_faces_the_first_are_named():
    watch = Watch()
    watch.add(1, {"loss": jnp.asarray(jnp.nan)}, [f"face{number}" for number in range(500)])
    with pytest.raises(DivergenceError, match=r"face63 \.\.\."):
        watch.look()
