"""Signal handlers of the command tests."""

import signal

import pytest


@pytest.fixture(autouse=True)
def default_interrupt_handler():
    """Restores Python's handler of SIGINT, which background jobs and `nohup` start with ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
