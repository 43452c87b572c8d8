"""Worker processes for tests of training in several processes."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def free_port():
    """Returns an unused port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def started_pair(module):
    """Starts two processes of a module in tests/helpers, and yields them after both have printed "started"."""
    command = [sys.executable, "-m", f"tests.helpers.{module}", str(free_port()), "2"]
    workers = [
        subprocess.Popen(
            [*command, str(index)],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        for worker in workers:
            # Gloo, the transport between the processes, prints first.
            assert "started\n" in iter(worker.stdout.readline, "")
        yield workers
    finally:
        for worker in workers:
            worker.kill()
