"""Start and end of every program: flags, logging, signals, error messages and exit status."""

import contextlib
import io
import logging as standard_logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from twodasl_jax.errors import InputError, RunError

FAILURE = 2
_INTERRUPTED = 130


def run(program: Callable[[], int | None]) -> None:
    """Parses absl flags, runs a program, and exits with the status that `exit_status` returns."""
    app.run(lambda _: exit_status(program), flags_parser=_parse_flags)


def exit_status(program: Callable[[], int | None]) -> int:
    """Runs a program and returns its exit status.

    Errors of the user's input, of a run or of the operating system are printed to standard error as
    one line, without a traceback. All other exceptions propagate. SIGTERM raises
    `KeyboardInterrupt` in the program, as Ctrl-C does, so that the program cleans up.

    Args:
      program: the program. It returns its exit status, or None for success.

    Returns:
      The status of the program; `FAILURE` after an `InputError`, a `RunError` or an `OSError`; 130
      after an interruption.
    """
    _silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names may contain characters that the console cannot encode.
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return program() or 0
    except (InputError, RunError) as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_describe(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED


@contextlib.contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C or SIGTERM into a request to stop. The second interrupts the program.

    Yields:
      A function that returns whether a stop was requested.
    """
    received: list[int] = []

    def record(number: int, _: object) -> None:
        received.append(number)
        restore()

    def restore() -> None:
        for number, handler in previous_handlers.items():
            signal.signal(number, handler)

    previous_handlers = {
        number: signal.signal(number, record) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(received)
    finally:
        restore()


def _silence_libraries() -> None:
    # JAX and Orbax log every backend that they try and every file that they write.
    logging.set_verbosity(logging.ERROR)
    # asyncio logs each failed write of Orbax a second time.
    standard_logging.getLogger("asyncio").setLevel(standard_logging.CRITICAL)


def _parse_flags(arguments: Sequence[str]) -> None:
    try:
        unexpected = flags.FLAGS(arguments)[1:]
    except flags.Error as error:
        sys.exit(_fail(f"{str(error).rstrip('.')}; see --help."))
    except AttributeError as error:
        # ml_collections raises it for an unknown setting.
        sys.exit(_fail(f"Unknown config setting: {error}; see the file in --config."))
    if unexpected:
        sys.exit(_fail(f"Unexpected arguments: {' '.join(unexpected)}; see --help."))


def _describe(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return f"{error.strerror or error}."
    return f"{error.filename}: {error.strerror}."


def _fail(message: str) -> int:
    print(" ".join(line.strip() for line in message.splitlines()), file=sys.stderr)
    return FAILURE
