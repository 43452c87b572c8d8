"""How every program starts and ends: quiet libraries, and one sentence where it cannot go on."""

import contextlib
import io
import logging as standard_logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from twodasl_jax.errors import InputError

FAILURE = 2
_INTERRUPTED = 130


def run(program: Callable[[], int | None]) -> None:
    """Runs a program with absl's flags and leaves with its exit status; see `exit_status`."""
    app.run(lambda _: exit_status(program), flags_parser=_parse_flags)


def exit_status(program: Callable[[], int | None]) -> int:
    """Runs a program until its end, or until one sentence on the standard error stream says why not.

    Args:
      program: raises `InputError` or `OSError` where it cannot go on; returns its exit status, or nothing for 0.

    Returns:
      What the program returns; `FAILURE` after such an error; 130 after Ctrl-C or SIGTERM, which the program sees
      as `KeyboardInterrupt`, so that it cleans up.
    """
    # JAX and Orbax tell of every backend that they try and of every file that they write.
    logging.set_verbosity(logging.ERROR)
    # And each of its failed writes is told once more, by the event loop.
    standard_logging.getLogger("asyncio").setLevel(standard_logging.CRITICAL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file may have a name that the console cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return program() or 0
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_describe(error))
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED


@contextlib.contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Lets a program come to an end of its own after Ctrl-C or SIGTERM; a second one interrupts it at once.

    Yields:
      A function that says whether the program was asked to stop.
    """
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)

    def ask(number: int, _: object) -> None:
        asked.append(number)
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        restore()


def _parse_flags(arguments: Sequence[str]) -> None:
    try:
        unexpected = flags.FLAGS(arguments)[1:]
    except flags.Error as error:
        sys.exit(_fail(f"{str(error).rstrip('.')}; see --help."))
    except AttributeError as error:
        # From ml_collections.
        sys.exit(_fail(f"The config has no such setting: {error}; see the file in --config."))
    if unexpected:
        sys.exit(_fail(f"Unexpected arguments: {' '.join(unexpected)}; see --help."))


def _describe(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return f"{error.strerror or error}."
    return f"{error.filename}: {error.strerror}."


def _fail(message: str) -> int:
    print(" ".join(line.strip() for line in message.splitlines()), file=sys.stderr)
    return FAILURE
