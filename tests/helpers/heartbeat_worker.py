"""One of several processes that get on together until one is lost: `python heartbeat_worker.py PORT COUNT INDEX`."""

import sys
import time

import numpy as np
from jax.experimental import multihost_utils

from twodasl_jax.errors import ClusterError
from twodasl_jax.training import processes


def get_on_together():
    port, count, index = map(int, sys.argv[1:])
    processes.join(f"127.0.0.1:{port}", count, index)
    with processes.company(patience=5.0) as get_on:
        for step in range(3000):
            multihost_utils.process_allgather(np.full(3, index))
            get_on()
            time.sleep(0.02)
            if step == 1:
                print("started", flush=True)


if __name__ == "__main__":
    try:
        get_on_together()
    except ClusterError as error:
        print(error, file=sys.stderr)
        processes.leave_at_once()
