"""Several gateways, one store: whose number is whose, and what two records with one id mean.

Record ids are told apart by the gateway's number and the worker's. In come a gateway and the store's catalog; out goes
nothing, or `GatewayClash` when another gateway that is alive has the number. The rule: of two gateways with one number
one ships and the other is told; no record is ever taken for another one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from logstore.dimensions import stored
from logstore.ids import NUMBERS, WORKERS
from logstore.schema import gateway as gateways
from logstore.schema import log

LEASE_US = 15 * 60 * 1_000_000
"""A number belongs to whoever used it within this time, microseconds; after it, a gateway made anew may take it."""
RENEW_US = 60 * 1_000_000
"""How often a gateway at work says that it is."""
IDENTITY = "gateway.id"
"""Name of the file in a gateway's data folder that makes it itself."""
COMPARED = ("offset_us", "user_id", "device_id", "address_id", "host_id", "manner_id", "engine_id", "path", "query")
"""Columns that tell one record from another under the same id."""
_PLACES = tuple((name, place) for place, name in enumerate(log.columns.keys()) if name in COMPARED)


class GatewayClash(Exception):
    """Another gateway ships to this store under the same number: says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway, as the store knows it."""

    number: int
    """Its number within the store, from 0."""
    identity: str
    """What makes it itself: random, made once."""
    name: str = ""
    """What people call it."""


def node_of(number: int, worker: int) -> int:
    """The node within record ids of a gateway's worker, both from 0. Raises `ValueError` when one does not fit."""
    if not 0 <= number < NUMBERS or not 0 <= worker < WORKERS:
        raise ValueError(f"gateway {number}, worker {worker}: there are {NUMBERS} gateways of {WORKERS} workers")
    return number * WORKERS + worker


def identity_in(data: Path) -> str:
    """The identity of the gateway with this data folder, made when there is none. Raises `OSError`."""
    path = data / IDENTITY
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(secrets.token_hex(16))
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii").strip()


def claim(catalog: Connection, mine: Gateway, now_us: int) -> None:
    """Say that `mine` is at work under its number. Within a transaction. Raises `GatewayClash`."""
    found = catalog.execute(select(gateways).where(gateways.c.number == mine.number)).first()
    if found is None:
        values = {"number": mine.number, "identity": mine.identity, "name": mine.name}
        catalog.execute(gateways.insert().values(**values, first_us=now_us, last_us=now_us))
        return
    if found.identity != mine.identity and now_us - LEASE_US < found.last_us:
        other = f" ({found.name})" if found.name else ""
        raise GatewayClash(
            f"gateway number {mine.number} is in use by another gateway{other}: give each its own gateway.number, "
            f"0 to {NUMBERS - 1}; records wait in the spool meanwhile"
        )
    values = {"identity": mine.identity, "name": mine.name, "last_us": now_us}
    if found.identity != mine.identity:
        values["first_us"] = now_us
    catalog.execute(gateways.update().where(gateways.c.number == mine.number).values(**values))


def other_record(connection: Connection, values: Sequence[tuple[Any, ...]]) -> int | None:
    """The first id under which the open day file holds another record than `values` do; None when all are the same.

    `values` are in the order of the columns of `log`. How a record ended is not compared: a long download is stored
    before its end is known.
    """
    by_id = {row[0]: row for row in values}
    names = ", ".join(name for name, _ in _PLACES)
    ids: Any = list(by_id)
    among = "= ANY(%s)"
    if connection.dialect.name == "sqlite":
        ids, among = json.dumps(ids), "IN (SELECT value FROM json_each(?))"
    found = connection.exec_driver_sql(f"SELECT id, {names} FROM log WHERE id {among}", (ids,))
    for there in found:
        ours = by_id[there[0]]
        if any(stored(ours[place]) != there[at] for at, (_, place) in enumerate(_PLACES, 1)):
            return int(there[0])
    return None
