"""What the application log says of an exception: types, files and lines, never its words.

In comes an exception nobody expected, out goes its traceback. The words of an exception are made of whatever was at
hand when it was raised: a host, an address of a client, a row of the record. The log of the service is read, kept and
sent about by other rules than the record (design §5.9), so they stay out of it; of an error of the system its name is
told. `--debug` shows them.
"""

from __future__ import annotations

import errno
import logging
import os
import ssl
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, override

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
logger = logging.getLogger("schoolgate")

ROOMS = frozenset(
    ("proxy", "addons", "categories", "policy", "identity", "logstore", "registry", "console", "migrations")
)
"""Whose errors say what is wrong and where, and quote nobody."""
_MOST = 40
"""Exceptions told of one; of what it came from before that, only that there was more."""

type _Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class Discreet(logging.Formatter):
    """Writes exceptions without their words, and what asyncio says of them without the tasks and sockets."""

    def format(self, record: logging.LogRecord) -> str:
        """As the original, which keeps the text of a traceback for whoever writes the record next."""
        own = logging.makeLogRecord({**record.__dict__, "exc_text": None})
        own.msg = _handed(own.msg)
        if isinstance(own.args, tuple):
            own.args = tuple(map(_handed, own.args))
        elif own.args:
            own.args = {name: _handed(one) for name, one in own.args.items()}
        if own.name == "asyncio":
            own.msg, own.args = _fixed(own.getMessage()), None
        return super().format(own)

    @override
    def formatException(self, ei: _Raised) -> str:
        """As the original, without what the exceptions say."""
        return told(ei[1]) if ei[1] is not None else ""


def told(error: BaseException) -> str:
    """The traceback of an exception, of what it came from and of what it holds, as types, files and lines."""
    return "".join(_lines(traceback.TracebackException.from_exception(error), error)).rstrip("\n")


def _lines(one: traceback.TracebackException, error: BaseException, deep: int = 1) -> list[str]:
    if deep > _MOST:
        return ["(and what came before)\n"]
    lines: list[str] = []
    if error.__cause__ is not None and one.__cause__ is not None:
        lines += [*_lines(one.__cause__, error.__cause__, deep + 1), "\nThis led to:\n\n"]
    elif error.__context__ is not None and one.__context__ is not None and not error.__suppress_context__:
        lines += [*_lines(one.__context__, error.__context__, deep + 1), "\nWhile that was dealt with:\n\n"]
    lines += ["Traceback (most recent call last):\n", *one.stack.format(), f"{_name(error)}\n"]
    if isinstance(error, BaseExceptionGroup) and one.exceptions is not None:
        for inner, member in zip(one.exceptions, error.exceptions, strict=False):
            lines += ["\nIn the group:\n\n", *_lines(inner, member, deep + 1)]
    return lines


def _handed[T](one: T) -> T | str:
    """What was handed to the log: an exception in its words if it is ours, or of a file; anything else as it is."""
    if not isinstance(one, Exception):
        return one
    error: Exception = one
    ours = type(error).__module__.partition(".")[0] in ROOMS
    of_a_file = isinstance(error, OSError) and error.filename is not None
    return str(error) if ours or of_a_file else _name(error)


def _name(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(error, ssl.SSLError):  # its number is the TLS library's own
        reason = getattr(error, "reason", None)
        return f"{name}: {reason}" if reason else name
    number = error.errno if isinstance(error, OSError) else None
    if number is None or number not in errno.errorcode:
        return name
    return f"{name}: {os.strerror(number)} ({errno.errorcode[number]})"


def _fixed(message: str) -> str:
    """The part of asyncio's message that is the same each time: a callback's arguments, a task, a socket come after."""
    return message.partition("\n")[0].partition("(")[0].partition("<")[0].strip()


def unhandled(context: dict[str, Any]) -> None:
    """Log what an event loop found nobody to handle (`loop.call_exception_handler`): what it is and the exception; not
    the tasks, sockets and addresses it has to do with."""
    error = context.get("exception")
    message = _fixed(str(context.get("message") or "")) or "an error nobody handled"
    exc_info = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None
    logger.error("%s", message, exc_info=exc_info)


def install(*, debug: bool) -> None:
    """Write the log of this process so, and what would end up on its standard error besides."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT) if debug else Discreet(FORMAT))
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    logging.raiseExceptions = debug  # a message that cannot be written would be told with its arguments
    if debug:
        return
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(f"{told(error)}\n")
        return
    logger.critical("the process ends (--debug shows the words of its errors)", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        logger.error("a thread ends", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        logger.error("an error that could not be raised", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
