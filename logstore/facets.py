"""The names there are to search by, for lists to pick from.

In come the catalog, a kind of name and how it begins; out go names with the days they were used on. The rule: names
come from the catalog's dimensions, never from the rows, so that a list is there at once however long the record is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Column, Connection, func, select

from logstore.dialects import bytewise, exact, like
from logstore.dimensions import restored
from logstore.schema import dim_address, dim_client, dim_device, dim_host, dim_user, dim_verdict
from logstore.urltext import escaped

type Kind = Literal[
    "site", "band", "group", "category", "list", "rule", "reason", "action", "tier",
    "user", "device", "address", "host", "domain",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facet:
    """A name that occurs in the record."""

    name: str
    """The name."""
    first_day: str
    """First UTC day it was used on."""
    last_day: str
    """Last UTC day it was used on."""


_COLUMNS: Mapping[Kind, Column[Any]] = {
    "site": dim_client.c.site,
    "band": dim_client.c.band,
    "group": dim_client.c.groups,
    "category": dim_verdict.c.categories,
    "list": dim_verdict.c.list,
    "rule": dim_verdict.c.rule,
    "reason": dim_verdict.c.reason,
    "action": dim_verdict.c.action,
    "tier": dim_verdict.c.tier,
    "user": dim_user.c.key,
    "device": dim_device.c.key,
    "address": dim_address.c.key,
    "host": dim_host.c.name,
    "domain": dim_host.c.domain,
}
_LISTS = ("group", "category")
"""Kinds whose column holds a JSON list of names."""


def facets(
    catalog: Connection, kind: Kind, begins: str = "", limit: int = 50, *, since: date | None = None,
    until: date | None = None, site: str | None = None,
) -> tuple[Facet, ...]:  # fmt: skip
    """At most `limit` names that begin like this (ASCII letters in either case), in order.

    Only those used between the UTC days `since` and `until`, as far as first and last day tell; and, of the names that
    say who asked (site, band, group), those used at `site`.
    """
    place = _COLUMNS[kind]
    days = place.table.c
    wanted = select(place, func.min(days.first_day), func.max(days.last_day)).where(place.is_not(None))
    if site is not None and place.table is dim_client:
        wanted = wanted.where(dim_client.c.site == exact(site))
    if since is not None:
        wanted = wanted.where(days.last_day >= since.isoformat())
    if until is not None:
        wanted = wanted.where(days.first_day <= until.isoformat())
    wanted = wanted.group_by(place).order_by(bytewise(place))
    if kind in _LISTS:
        return tuple(_unpacked(catalog.execute(wanted), begins.lower())[:limit])
    if begins:
        wanted = wanted.where(like(place, escaped(begins) + "%"))
    return tuple(Facet(restored(name), first, last) for name, first, last in catalog.execute(wanted.limit(limit)))


def last_days(catalog: Connection, kind: Literal["user", "device", "address"], names: Iterable[str]) -> dict[str, str]:
    """For each of these names that occurs, the last UTC day it was used on."""
    place = _COLUMNS[kind]
    wanted = [exact(name) for name in names]
    if not wanted:
        return {}
    query = select(place, func.max(place.table.c.last_day)).where(place.in_(wanted)).group_by(place)
    return {restored(name): day for name, day in catalog.execute(query)}


def _unpacked(found: Iterable[Any], begins: str) -> list[Facet]:
    names: dict[str, tuple[str, str]] = {}
    for listed, first, last in found:
        for name in json.loads(listed):
            if name.lower().startswith(begins):
                before = names.get(name, (first, last))
                names[name] = min(before[0], first), max(before[1], last)
    return [Facet(name, *days) for name, days in sorted(names.items())]
