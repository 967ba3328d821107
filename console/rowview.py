"""A row of the record as somebody may see it: a `Row` and a viewer in, plain values out.

The rules: who sees no names sees no person, no machine and no words somebody wrote; one's own rows are shown to nobody
as their own; every value says what it filters by, so that each can be clicked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.looking import is_own
from console.page import Ask
from console.roles import Names
from logstore.export import as_json
from logstore.rows import Row

HIDDEN = ("user", "device", "client_address", "title", "terms", "path", "query", "groups", "error", "first")
"""Fields not shown to whoever sees no names."""
OWN = "your own row"
"""Stands for what is not shown of one's own rows."""
MARKS = {
    "allow": ("✓", "allowed", "good"),
    "block": ("✕", "blocked", "bad"),
    "warn": ("!", "warned", "note"),
    "bypass": ("↷", "passed through", "note"),
}
"""For each action a sign, a word and a colour: never the colour alone."""


def as_seen(row: Row, ask: Ask) -> dict[str, Any]:
    """The fields of a row that its viewer may see, as JSON says them."""
    told = as_json(row, ask.house.zone)
    if is_own(ask, row.record.user):
        keep = ("id", "time", "site", "action", "blocked")
        return {**{name: told[name] for name in keep}, "user": row.record.user, "own": True}
    if ask.me.names is Names.NEVER:
        told = {name: value for name, value in told.items() if name not in HIDDEN}
        told["url"] = f"{row.record.scheme}://{row.record.host}/"
    return told


def line_of(row: Row, ask: Ask) -> dict[str, Any]:
    """What one line of the table shows, besides the fields."""
    told = as_seen(row, ask)
    sign, word, tone = MARKS.get(row.action, ("?", row.action, "note"))
    if row.action == "allow" and row.ending.kind not in {"response", "bypassed", "websocket"}:
        word = f"allowed, {row.ending.kind}"
    local = row.at.astimezone(ask.house.zone)
    return {
        "row": told,
        "own": bool(told.get("own")),
        "sign": sign,
        "word": word,
        "tone": tone,
        "clock": f"{local:%H:%M:%S}",
        "day": f"{local:%a %-d %b}",
        "where": _place(told),
    }


def evidence(told: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Every field of a row that says something, in groups: its name, its value in words, the filter it can be clicked
    for. What is in no group stands in the last one, so that nothing is ever left out."""
    named = {name for _, names in _GROUPS for name in names} | {*_SAID_OTHERWISE}
    rest = tuple(name for name in told if name not in named)
    groups = [(heading, [*names, *(rest if heading == _LAST else ())]) for heading, names in _GROUPS]
    found = [
        (heading, [_said(name, told[name]) for name in names if _says(told.get(name))]) for heading, names in groups
    ]
    return [(heading, lines) for heading, lines in found if lines]


_LAST = "Record"
_GROUPS = (
    ("Decision", (
        "action", "blocked", "reason", "tier", "rule", "category", "categories", "list", "entry", "stage", "first",
        "note",
    )),
    ("Who", (
        "user", "verified", "user_source", "shared", "band", "groups", "device", "client_address", "site",
    )),
    ("What", ("url", "title", "terms", "method", "host", "domain", "page")),
    ("How it went", ("ending", "status", "content_type", "bytes_up", "bytes_down", "duration_ms", "error")),
    (_LAST, ("time", "id", "worker", "revision")),
)  # fmt: skip
_SAID_OTHERWISE = ("time_us", "duration_us", "path", "query", "scheme", "port", "own")


def _says(value: object) -> bool:
    return value not in (None, "", (), [])


def _said(name: str, value: object) -> tuple[str, str, str]:
    words = str(value)
    if isinstance(value, bool):
        words = "yes" if value else "no"
    elif isinstance(value, Mapping):
        words = ", ".join(f"{key} {word}" for key, word in value.items())
    elif isinstance(value, (list, tuple)):
        words = ", ".join(map(str, value))
    return name.replace("_", " "), words, _FILTERS.get(name, "")


_FILTERS = {
    "user": "user", "device": "device", "client_address": "address", "site": "site", "band": "band", "host": "host",
    "domain": "domain", "category": "category", "list": "list", "rule": "rule", "tier": "tier", "action": "action",
    "reason": "reason", "title": "title",
}  # fmt: skip


def _place(told: Mapping[str, Any]) -> str:
    """Host and path, as short as a line needs it."""
    url = str(told.get("url", ""))
    return url.partition("://")[2] or url
