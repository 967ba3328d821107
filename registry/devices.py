"""What addresses mean: networks and machines, each change in the caller's transaction, each with an audit line.

A place and `By` go in; the place as it is now comes out. What cannot be done raises `RegistryError` with every reason.
Places named in the settings file are not kept here: they join in the overlay, where the register wins.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, delete, insert, select

from identity.directory import Place
from registry.change import (
    By,
    RegistryError,
    RegistryProblem,
    band_problems,
    begin,
    note,
    text_problems,
    to_us,
    word_problems,
)
from registry.csvfile import Row, read_table, words, yes_or_no
from registry.schema import place as places_table
from registry.schema import place_group

COLUMNS = ("network", "site", "device", "groups", "band", "shared", "asset", "owner")
"""Columns of an import; `network` (a network or one address) and `site` must be there."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place and what the inventory says of it (E-07)."""

    place: Place
    """As workers see it."""
    asset: str = ""
    """Inventory tag or serial number."""
    owner: str = ""
    """Who answers for it."""


@dataclass(frozen=True, slots=True)
class PlacePlan:
    """What a file would do."""

    added: tuple[Position, ...]
    """New places."""
    changed: tuple[Position, ...]
    """Places that would change."""
    same: int
    """Places that are so already."""
    problems: tuple[RegistryProblem, ...]
    """Why it cannot be done; empty when it can."""


def places(connection: Connection) -> list[Position]:
    """Every place of the register, by network."""
    groups: dict[int, set[str]] = {}
    for number, group in connection.execute(select(place_group.c.place_id, place_group.c.name)):
        groups.setdefault(number, set()).add(group)
    rows = connection.execute(select(places_table).order_by(places_table.c.network)).mappings()
    return [
        Position(
            Place(
                row["network"],
                row["site"],
                row["device"],
                frozenset(groups.get(row["id"], ())),
                row["band"],
                bool(row["shared"]),
            ),
            row["asset"],
            row["owner"],
        )
        for row in rows
    ]


def put(connection: Connection, position: Position, by: By) -> Position:
    """Say what an address or network means, for the first time or anew."""
    begin(connection, by)
    return _put(connection, position, {one.place.network: one for one in places(connection)}, by)


def remove(connection: Connection, network: str, by: By) -> None:
    """Forget what an address or network meant; rows of the log keep what they say."""
    begin(connection, by)
    known = {one.place.network: one for one in places(connection)}
    written = _network(network)
    if written is None or written not in known:
        close = difflib.get_close_matches(network, known, n=1)
        advice = f"did you mean {close[0]}?" if close else ""
        raise RegistryError(RegistryProblem(network, "the register knows no such place", advice))
    _delete(connection, written)
    note(connection, by, "place.remove", written, facts(known[written]), None)


def plan_import(connection: Connection, data: bytes, *, file: str) -> PlacePlan:
    """What importing this file would do. Changes nothing."""
    table = read_table(data, file=file, columns=COLUMNS, required=("network", "site"))
    known = {one.place.network: one for one in places(connection)}
    problems = list(table.problems)
    plans: dict[str, tuple[int, Position]] = {}
    for row in table.rows:
        where = f"{file}:{row.line}"
        position, found = _from_row(row, known, where)
        problems += found
        network = position.place.network
        if network in plans:
            problems.append(RegistryProblem(where, f"{network} is on line {plans[network][0]} too"))
        plans[network] = (row.line, position)
    wanted = [position for _, position in plans.values()]
    added = tuple(one for one in wanted if one.place.network not in known)
    changed = tuple(one for one in wanted if known.get(one.place.network, one) != one)
    return PlacePlan(added, changed, len(wanted) - len(added) - len(changed), tuple(problems))


def apply_import(connection: Connection, plan: PlacePlan, by: By) -> int:
    """Make the changes, all or none, in the caller's transaction; how many places were touched."""
    if plan.problems:
        raise RegistryError(*plan.problems)
    begin(connection, by)
    known = {one.place.network: one for one in places(connection)}
    for position in (*plan.added, *plan.changed):
        _put(connection, position, known, by)
    return len(plan.added) + len(plan.changed)


def facts(position: Position) -> dict[str, object]:
    """A place as the audit trail and JSON write it."""
    place = position.place
    return {
        "network": place.network,
        "site": place.site,
        "device": place.device,
        "groups": sorted(place.groups),
        "band": place.band,
        "shared": place.shared,
        "asset": position.asset,
        "owner": position.owner,
    }


def _put(connection: Connection, position: Position, known: Mapping[str, Position], by: By) -> Position:
    problems = _problems(position, position.place.network)
    if problems:
        raise RegistryError(*problems)
    network = _network(position.place.network) or ""
    position = replace(position, place=replace(position.place, network=network))
    before = known.get(network)
    if before == position:
        return position
    _delete(connection, network)
    row = {key: value for key, value in facts(position).items() if key != "groups"}
    query = insert(places_table).values(**row, changed_us=to_us(by.at)).returning(places_table.c.id)
    number = connection.execute(query).scalar_one()
    groups = [{"place_id": number, "name": group} for group in sorted(position.place.groups)]
    if groups:
        connection.execute(insert(place_group), groups)
    what = "place.add" if before is None else "place.change"
    note(connection, by, what, network, None if before is None else facts(before), facts(position))
    return position


def _delete(connection: Connection, network: str) -> None:
    number = select(places_table.c.id).where(places_table.c.network == network).scalar_subquery()
    connection.execute(delete(place_group).where(place_group.c.place_id == number))
    connection.execute(delete(places_table).where(places_table.c.network == network))


def _network(text: str) -> str | None:
    """The one spelling of a network; one address is written without its length. None when it is neither."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _problems(position: Position, where: str) -> list[RegistryProblem]:
    place = position.place
    problems = []
    if _network(place.network) is None:
        instead = "an address such as 10.4.2.14, or a network such as 10.4.2.0/24"
        problems.append(RegistryProblem(where, f"{place.network!r} is neither address nor network", instead))
    return [
        *problems,
        *word_problems(where, "site", (place.site,)),
        *word_problems(where, "device", () if place.device is None else (place.device,)),
        *word_problems(where, "group", place.groups),
        *band_problems(where, place.band),
        *text_problems(where, "asset", position.asset),
        *text_problems(where, "owner", position.owner),
    ]


def _from_row(row: Row, known: Mapping[str, Position], where: str) -> tuple[Position, list[RegistryProblem]]:
    cells = row.cells
    network = _network(cells["network"]) or cells["network"]
    before = known.get(network, Position(Place(network, cells["site"])))
    shared = yes_or_no(cells.get("shared", ""))
    position = Position(
        Place(
            network,
            cells["site"].casefold(),
            (cells["device"].casefold() or None) if "device" in cells else before.place.device,
            words(cells["groups"]) if "groups" in cells else before.place.groups,
            (cells["band"].casefold() or None) if "band" in cells else before.place.band,
            before.place.shared if shared is None else shared,
        ),
        cells.get("asset", before.asset),
        cells.get("owner", before.owner),
    )
    problems = _problems(position, where)
    if cells.get("shared") and shared is None:
        problems.append(RegistryProblem(where, f"shared: {cells['shared']!r} is neither yes nor no"))
    return position, problems
