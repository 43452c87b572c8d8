"""A process that reads the weights of a run of one process: `python weights_worker.py PORT COUNT INDEX`.

The environment variable WORKDIR contains the folder of the run.
"""

import os
import pathlib
import sys

from twodasl_jax.training import processes
from twodasl_jax.training.checkpoints import trained_weights

if __name__ == "__main__":
    port, count, index = map(int, sys.argv[1:])
    processes.join(f"127.0.0.1:{port}", count, index)
    print("started", flush=True)
    print(trained_weights(pathlib.Path(os.environ["WORKDIR"])).variables["params"]["kernel"])
