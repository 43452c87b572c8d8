"""Two real processes with two devices each get the numbers of one process with four."""

import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from tests.training import process_worker
from twodasl_jax.errors import ConfigError
from twodasl_jax.training import processes

pytestmark = pytest.mark.usefixtures("quick_compilation")

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def four_devices():
    """The same two steps in this process, on its first four devices."""
    with pytest.MonkeyPatch.context() as patch:
        first = jax.devices()[:4]
        patch.setattr(jax, "devices", lambda: first)
        return process_worker.two_steps("shard_map", 0, 1)


@pytest.mark.parametrize("kind", ["shard_map", pytest.param("pmap", marks=pytest.mark.slow)])
def test_two_processes_equal_one(tmp_path, four_devices, kind):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.training.process_worker",
                kind,
                str(port),
                "2",
                str(index),
            ]
            + [str(tmp_path / f"{index}.npz")],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        for worker in workers:
            _, errors = worker.communicate(timeout=240)
            assert worker.returncode == 0, errors
    finally:
        for worker in workers:
            worker.kill()
    for index in range(2):
        with np.load(tmp_path / f"{index}.npz") as results:
            assert set(results) == set(four_devices)
            for name in results:
                expected = four_devices[name]
                tolerance = 2e-4 * np.abs(expected).max()
                np.testing.assert_allclose(
                    results[name], expected, rtol=0, atol=tolerance, err_msg=name
                )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("localhost:1", None, None), "--num_processes and --process_id"),
        ((None, 2, 0), "need --coordinator_address as well"),
        (("localhost:1", 2, 2), "use 0 to 1"),
    ],
)
def test_what_is_missing_is_named(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        processes.join(*arguments)


def test_alone_without_any():
    processes.join(None, None, None)
    assert jax.process_count() == 1
