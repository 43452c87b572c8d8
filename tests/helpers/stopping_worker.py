"""A process that steps with others until one receives SIGTERM: `python stopping_worker.py PORT COUNT INDEX`."""

import sys
import time

from twodasl_jax.commands import entry_points
from twodasl_jax.training import processes
from twodasl_jax.training.stopping import preemption_signal


def step_until_preempted():
    port, count, index = map(int, sys.argv[1:])
    processes.join(f"127.0.0.1:{port}", count, index)
    with preemption_signal() as should_stop:
        for step in range(1, 3000):
            time.sleep(0.02)
            if step == 1:
                print("started", flush=True)
            if should_stop(step):
                print(step, flush=True)
                return


if __name__ == "__main__":
    sys.exit(entry_points.exit_status(step_until_preempted))
