"""Ends a client's connection for a reason of our own, and leaves word of it for the record.

In comes the host's handler of a connection and why; out goes its end. The layers hear of it as if the client had gone,
so the word is left before: a row must not say of a client that it left when it was shown out.
"""

from __future__ import annotations

from typing import Any

from addons.flownotes import connection_notes


def cut(handler: Any, why: str) -> bool:
    """End it; whether there was still something to end. The first reason stays."""
    io = handler.transports.get(handler.client)
    if io is None or io.handler is None:
        return False
    notes = connection_notes(handler.client)
    notes.cut = notes.cut or why
    io.handler.cancel(why)
    return True
