"""The local socket through which commands reach a running gateway: one JSON object in, one out.

Lives in the data folder (mode 0600), so that whoever may write there may command, and nobody else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

LONGEST_ORDER = 64 * 1024

type Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NotRunning(Exception):
    """No gateway answers for this data folder. Says why, as far as can be told, and what to do."""


def socket_path(data: Path) -> Path:
    """Where the socket is."""
    return data / "run" / "control.sock"


async def serve_control(data: Path, handler: Handler) -> asyncio.Server:
    """Listen for orders."""
    path = socket_path(data)
    path.unlink(missing_ok=True)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), 10)
            answer = await handler(json.loads(line))
        except Exception as error:
            from logstore.errorwords import in_words  # here, because most commands only ask

            logger.exception("an order could not be carried out")
            answer = {"failed": in_words(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    with _short_path(path) as short:
        server = await asyncio.start_unix_server(talk, short, limit=LONGEST_ORDER)
    path.chmod(0o600)
    return server


def order(data: Path, what: dict[str, Any], seconds: float = 120.0) -> dict[str, Any]:
    """Send one order and return the answer. Raises `NotRunning`."""
    try:
        with _short_path(socket_path(data)) as short, socket.socket(socket.AF_UNIX) as end:
            end.settimeout(seconds)
            end.connect(short)
            end.sendall(json.dumps(what).encode() + b"\n")
            with end.makefile("rb") as stream:
                answer: dict[str, Any] = json.loads(stream.readline())
                return answer
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError) as error:
        raise NotRunning(f"no gateway runs with the data folder {data}; start it with `schoolgate run`") from error
    except TimeoutError as error:
        words = f"the gateway of {data} has not answered for {seconds:g} s; see its log, it may still be at it"
        raise NotRunning(words) from error
    except PermissionError as error:
        words = f"the gateway of {data} takes orders from its own account only; run this command as that account"
        raise NotRunning(words) from error
    except (OSError, ValueError) as error:
        raise NotRunning(f"the gateway of {data} broke off: {error}; see its log") from error


def answers(data: Path) -> bool:
    """Whether a gateway answers there."""
    try:
        return "revision" in order(data, {"do": "status"}, 5.0)
    except NotRunning:
        return False


class _short_path:  # noqa: N801 - a context manager used like a function
    """A socket address is at most 108 bytes: reach long ones through the folder's descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def __enter__(self) -> str:
        import os

        if len(os.fsencode(self.path)) < 100:
            return str(self.path)
        self.descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self.descriptor}/{self.path.name}"

    def __exit__(self, *_: object) -> None:
        import os

        if self.descriptor is not None:
            os.close(self.descriptor)
