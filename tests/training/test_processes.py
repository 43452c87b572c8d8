"""Training in several processes: equal results, and the watchdog."""

import os
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.helpers.workers import ROOT, free_port, started_pair
from twodasl_jax.errors import ConfigError
from twodasl_jax.training import processes


def results_of(folder, kind, count):
    """Takes steps in `count` new processes, and returns the arrays of each of them.

    A process that has compiled programs with other options could round differently, which a ReLU would amplify.
    """
    port = free_port()
    outputs = [folder / f"{kind}_{count}_{index}.npz" for index in range(count)]
    command = [sys.executable, "-m", "tests.helpers.process_worker", kind, str(port), str(count)]
    workers = [
        subprocess.Popen(
            [*command, str(index), str(output)],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for index, output in enumerate(outputs)
    ]
    try:
        for worker in workers:
            _, errors = worker.communicate(timeout=240)
            assert worker.returncode == 0, errors
    finally:
        for worker in workers:
            worker.kill()
    return [dict(np.load(output)) for output in outputs]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """The results of one process with four devices."""
    (results,) = results_of(tmp_path_factory.mktemp("one"), "shard_map", 1)
    return results


@pytest.mark.parametrize("kind", ["shard_map", pytest.param("pmap", marks=pytest.mark.slow)])
def test_two_processes_equal_one(tmp_path, one_process, kind):
    for results in results_of(tmp_path, kind, 2):
        assert set(results) == set(one_process)
        for name, expected in one_process.items():
            tolerance = 2e-4 * np.abs(expected).max()
            np.testing.assert_allclose(
                results[name], expected, rtol=0, atol=tolerance, err_msg=name
            )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("localhost:1", None, None), "--num_processes and --process_id"),
        ((None, 2, 0), "also need --coordinator_address"),
        (("localhost:1", 2, 2), "use 0 to 1"),
    ],
)
def test_missing_arguments_are_named(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        processes.join(*arguments)


def test_without_arguments_process_is_alone():
    processes.join(None, None, None)
    assert jax.process_count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("loss", [signal.SIGKILL, signal.SIGSTOP])
def test_lost_process_ends_other_process_with_message(loss):
    with started_pair("heartbeat_worker") as workers:
        workers[1].send_signal(loss)
        _, errors = workers[0].communicate(timeout=60)
    assert workers[0].returncode == 2
    assert (
        "Process 0 of 2 lost another process, which has ended or hangs" in errors.splitlines()[-1]
    )
    assert "continues from the last checkpoint" in errors


def test_watchdog_of_single_process_does_not_change_errors():
    def run_out_of_memory():
        with processes.watchdog(0.01) as heartbeat:
            heartbeat()
            raise jax.errors.JaxRuntimeError("out of memory")

    with pytest.raises(jax.errors.JaxRuntimeError, match="out of memory"):
        run_out_of_memory()
