"""Happy eyeballs (RFC 8305): one socket out of several addresses, the next tried when one is slow or fails.

In come the addresses of a name, in the resolver's order; out goes a connected socket to the first that answers. The
standard library's own race waits its whole delay on Python 3.13.0 whenever tasks start eagerly, as the host's do: each
connection to a name took a quarter of a second more (gh-124309).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

type AddressInfo = tuple[Any, ...]
"""An entry of `getaddrinfo`: family, type, protocol, name, address."""


def interleaved(infos: Sequence[AddressInfo]) -> list[AddressInfo]:
    """The addresses with the families in turn, the resolver's first choice first (RFC 8305 §4)."""
    first = [info for info in infos if info[0] == infos[0][0]]
    others = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, others)) if info is not None]


async def connect_one(loop: asyncio.AbstractEventLoop, info: AddressInfo) -> socket.socket:
    """A socket connected to this address. Raises `OSError`."""
    family, kind, protocol, _, address = info
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        await loop.sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


async def connect_first(loop: asyncio.AbstractEventLoop, infos: Sequence[AddressInfo], delay: float) -> socket.socket:
    """A socket connected to the first address that answers; `delay` seconds before another is tried beside it.

    Raises the `OSError` of the last one to fail when none answers.
    """
    if len(infos) == 1:
        return await connect_one(loop, infos[0])
    waiting = deque(interleaved(infos))
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("no address")
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(connect_one(loop, waiting.popleft())))
            done, _ = await asyncio.wait(
                running, timeout=delay if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                running.discard(task)
                error = task.exception()
                if error is None:
                    return task.result()
                failure = error
        raise failure
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_close_late)


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """A connection that came after another was taken."""
    if not task.cancelled() and task.exception() is None:
        with contextlib.suppress(OSError):
            task.result().close()
