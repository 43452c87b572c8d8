"""Retention of checkpoints: the latest ones and the best one."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers.workers import started_pair
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.training.checkpoints import Identity, best_step, open_checkpoints, save
from twodasl_jax.training.state import RegressorState, TrainState

IDENTITY = Identity("compact", "digest", Whitening(np.zeros(2), np.ones(2)), MapStyle())


class Batches:
    def get_state(self):
        return {"annotated": 3}


def state_after(step):
    weights = {"kernel": jnp.full(3, float(step))}
    return TrainState(jnp.asarray(step), RegressorState(weights, {}, {}, weights), None)


def test_latest_and_best_checkpoints_are_kept(tmp_path):
    errors = {1: 9.0, 2: None, 3: 5.0, 4: None, 5: 7.0, 6: None, 7: 6.0}
    with open_checkpoints(tmp_path, 2) as manager:
        for step, error in errors.items():
            scores = None if error is None else {"without_landmarks": error, "with_landmarks": 1.0}
            save(manager, state_after(step), Batches(), IDENTITY, scores)
            manager.wait_until_finished()
        assert sorted(manager.all_steps()) == [3, 6, 7]
    assert best_step(tmp_path) == 3
    with open_checkpoints(tmp_path, 1) as again:
        for step, error, kept in ((8, 6.0, [3, 8]), (9, 4.0, [9])):
            save(again, state_after(step), Batches(), IDENTITY, {"without_landmarks": error})
            again.wait_until_finished()
            assert sorted(again.all_steps()) == kept
    assert best_step(tmp_path) == 9


@pytest.mark.slow
def test_two_processes_read_weights_of_single_process_run(tmp_path, monkeypatch):
    with open_checkpoints(tmp_path, 1) as manager:
        save(manager, state_after(4), Batches(), IDENTITY, None)
    monkeypatch.setenv("WORKDIR", str(tmp_path))
    with started_pair("weights_worker") as workers:
        for worker in workers:
            output, errors = worker.communicate(timeout=60)
            assert output.endswith("[4. 4. 4.]\n"), errors
