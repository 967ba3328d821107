"""dnsmasq lists: `address=/name/0.0.0.0`, `server=/name/`, `local=/name/`, several names a line.

In comes a dnsmasq configuration; out come the names it answers with nothing, each with everything below it, as dnsmasq
means them (dnsmasq(8), `--address`, `--server`, `--local`). A name that is answered with an address of its own is a
redirection (SafeSearch is done so), and a name that is sent to another server is not blocked: both are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from categories.importers.told import Told
from categories.model import Problem
from categories.names import NameProblem
from categories.networks import NetworkProblem
from categories.parse import Entry, Line, Refused, domain_items, lines, problem

_LINE = re.compile(r"(?:--)?(?P<option>address|server|local)\s*=\s*/(?P<names>.*)/(?P<answer>[^/]*)")
_NOWHERE = re.compile(r"|#|0\.0\.0\.0|127(?:\.\d+){3}|::1?")
_WILDCARD = "means the name and everything below it, `*.` or not"


def read_dnsmasq(stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "") -> Iterator[Entry | Problem]:
    """Read a dnsmasq configuration."""
    told = Told(name)
    for line in lines(stream, name):
        if isinstance(line, Problem):
            yield line
            continue
        try:
            names = _names(line.text)
        except Refused as why:
            yield problem(name, line.number, line.text, str(why))
            continue
        for host in names:
            yield from _entries(line, host, name, top_levels, told)
    yield from told.told()


def _names(text: str) -> list[str]:
    found = _LINE.fullmatch(text)
    if found is None:
        raise Refused("is no `address=/name/…`, `server=/name/` or `local=/name/`; only those name hosts to block")
    answer = found["answer"]
    if found["option"] == "address" and not _NOWHERE.fullmatch(answer):
        raise Refused(f"answers with {answer}: a redirection, not a block; SafeSearch and own names are set elsewhere")
    if found["option"] != "address" and answer:
        raise Refused(f"sends the question to {answer} instead of refusing it; a list never allows or forwards")
    return found["names"].split("/")


def _entries(line: Line, host: str, name: str, top_levels: bool, told: Told) -> Iterator[Entry | Problem]:
    if host in {"", "#"}:
        yield problem(name, line.number, line.text, "names every host there is; name hosts")
        return
    try:
        for kind, value, weight in domain_items(host, top_levels=top_levels):
            yield Entry(kind, value, line.number, weight)
    except (Refused, NameProblem, NetworkProblem) as why:
        yield problem(name, line.number, line.text, f"{host}: {why}")
        return
    if host.startswith(("*.", ".")):
        told.see(line, _WILDCARD, taken=True)
