"""A process that communicates with others under the watchdog: `python heartbeat_worker.py PORT COUNT INDEX`."""

import sys
import time

import numpy as np
from jax.experimental import multihost_utils

from twodasl_jax.errors import ClusterError
from twodasl_jax.training import processes


def communicate():
    port, count, index = map(int, sys.argv[1:])
    processes.join(f"127.0.0.1:{port}", count, index)
    with processes.watchdog(patience=5.0) as heartbeat:
        for step in range(3000):
            multihost_utils.process_allgather(np.full(3, index))
            heartbeat()
            time.sleep(0.02)
            if step == 1:
                print("started", flush=True)


if __name__ == "__main__":
    try:
        communicate()
    except ClusterError as error:
        print(error, file=sys.stderr)
        processes.exit_without_barrier()
