"""Proof that the rows of a case are those of the record, to be kept with them.

In come ids of rows, out go lines: for each row its stored values and the hashes that lead to its batch, for each day
the hashes that lead from there to the end of its chain; and later, lines and rows in, what does not fit out. Nobody
else's rows are in it, only hashes. The rule: checking needs nothing but the lines; that the end of the chain is that of
the record is shown by the audit trail, or by a head that was kept (docs/evidence.md).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from logstore.batches import batches_in, has_chain, rows_with
from logstore.chain import (
    FORMS,
    Batch,
    Proof,
    content_from,
    content_of,
    genesis,
    helpers_of,
    ids_of,
    leaf,
    leaves_of,
    next_mark,
    prove,
)
from logstore.db import days_folder, reading, reading_file
from logstore.export import as_json
from logstore.filecheck import NAMED, names_with
from logstore.place import ClickHouse, Database, Where
from logstore.rows import row_from
from logstore.schema import day_file
from logstore.store import day_of


@dataclass(frozen=True, slots=True)
class _Chain:
    """A chain of a day, and how its rows are read."""

    name: str
    """As its first mark has it: the file, or day and gateway."""
    batches: Iterable[Batch]
    """All of them, to be gone through once: a large day's are too many to be held."""
    rows: Callable[[int, list[int]], list[tuple[Any, ...]]]
    """Gives rows of some ids, by id, in the columns of a form, as they are hashed."""
    sha256: str | None
    """What the file was sealed with."""


def evidence(where: Where, ids: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The lines that prove the rows `ids`; a row without proof has no line, and in ClickHouse none has."""
    if isinstance(where, ClickHouse):
        return
    with reading(where) as catalog:
        for day, wanted in itertools.groupby(sorted(ids), key=day_of):
            of_day = _in_tables(catalog, day) if isinstance(where, Database) else _in_files(where, catalog, day)
            left = set(wanted)
            for chain in of_day:
                yield from _of_chain(catalog, chain, left)


def _in_files(store: Path, catalog: Connection, day: str) -> Iterator[_Chain]:
    """The chain of each file of a day, the file at hand."""
    parts = select(day_file.c.file, day_file.c.sha256).where(
        day_file.c.day == day, day_file.c.state.in_(("open", "sealed"))
    )
    for file, sha256 in catalog.execute(parts.order_by(day_file.c.part)).all():
        with reading_file(days_folder(store) / file) as part:
            part.exec_driver_sql("BEGIN")
            if has_chain(part):
                yield _Chain(file, batches_in(part), partial(rows_with, part), sha256)


def _in_tables(catalog: Connection, day: str) -> Iterator[_Chain]:
    """The chain of each gateway that has rows of a day, as they were at one moment."""
    from logstore.postgres import chains
    from logstore.postgres.daycheck import moment
    from logstore.postgres.store import partition

    with moment(catalog):
        for name, batches in chains.each_chain(catalog, partition(day)):
            yield _Chain(name, batches, partial(chains.rows_with, catalog), None)


def _of_chain(catalog: Connection, chain: _Chain, left: set[int]) -> Iterator[dict[str, Any]]:
    """The lines of one chain; ids that are proved are taken out of `left`."""
    prev, last = genesis(chain.name), None
    begun: tuple[int, bytes] | None = None
    contents: list[str] = []
    for batch in chain.batches:
        touched = bool(left) and not left.isdisjoint(ids := ids_of(batch))
        if touched and begun is None:
            begun = (batch.number, prev)
        if begun is not None:
            contents.append(content_of(batch).hex())
        if touched:
            yield _batch(chain.name, batch)
            yield from _rows(catalog, chain, batch, ids, left)
        prev, last = batch.mark, batch
    if begun is None or last is None:
        return
    yield {"kind": "chain", "file": chain.name, "from": begun[0], "prev": begun[1].hex(), "contents": contents,
           "end": [last.number, last.mark.hex()], "sealed": chain.sha256}  # fmt: skip


def _batch(file: str, batch: Batch) -> dict[str, Any]:
    told = {name: getattr(batch, name) for name in ("number", "at_us", "form", "rows")}
    hashes = {"root": batch.root, "names_root": batch.names_root, "helpers": helpers_of(batch)}
    return {"kind": "batch", "file": file, **told, **{name: value.hex() for name, value in hashes.items()}}


def _rows(catalog: Connection, chain: _Chain, batch: Batch, ids: list[int], left: set[int]) -> Iterator[dict[str, Any]]:
    columns = FORMS[batch.form]
    rows = chain.rows(batch.form, ids)
    leaves = leaves_of(rows)
    wanted = [(place, row) for place, row in enumerate(rows) if row[0] in left]
    places = [(place, column) for place, column in enumerate(columns) if column in NAMED]
    texts = names_with(catalog, {(column, row[place]) for _, row in wanted for place, column in places if row[place]})
    for place, row in wanted:
        left.discard(row[0])
        named = {column: texts.get((column, value)) for column, value in zip(columns, row, strict=True) if value}
        proof = prove(leaves, place)
        yield {
            "kind": "row", "id": str(row[0]), "file": chain.name, "number": batch.number, "place": place,
            "values": [_said(value) for value in row],
            "names": {column: _said(text) for column, text in named.items() if text is not None},
            "group": proof.group.hex(), "groups": proof.groups.hex(),
        }  # fmt: skip


def check(lines: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]], zone: tzinfo) -> Iterator[str]:
    """What does not fit: `lines` as `evidence` gave them, `rows` as the case has them, times in `zone`."""
    batches: dict[tuple[str, int], Mapping[str, Any]] = {}
    proofs: dict[str, Mapping[str, Any]] = {}
    chains: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        if line["kind"] == "batch":
            batches[line["file"], line["number"]] = line
        elif line["kind"] == "row":
            proofs[line["id"]] = line
        elif line["kind"] == "chain":
            chains[line["file"]] = line
    for file, chain in chains.items():
        mark = bytes.fromhex(chain["prev"])
        for content in chain["contents"]:
            mark = next_mark(mark, bytes.fromhex(content))
        if [chain["from"] + len(chain["contents"]) - 1, mark.hex()] != chain["end"]:
            yield f"{file}: the chain does not lead to its end"
    for (file, number), batch in batches.items():
        contents, place = chains[file]["contents"], number - chains[file]["from"]
        if not 0 <= place < len(contents) or contents[place] != _content(batch).hex():
            yield f"{file}, batch {number}: is not in the chain"
    for row in rows:
        proof = proofs.get(row["id"])
        if proof is None:
            yield f"record {row['id']}: has no proof"
        elif problem := _wrong(row, proof, batches.get((proof["file"], proof["number"])), zone):
            yield f"record {row['id']}: {problem}"


def _wrong(
    row: Mapping[str, Any], proof: Mapping[str, Any], batch: Mapping[str, Any] | None, zone: tzinfo
) -> str | None:
    if batch is None:
        return f"its batch {proof['number']} is missing"
    values = [_unsaid(value) for value in proof["values"]]
    way = Proof(proof["place"], bytes.fromhex(proof["group"]), bytes.fromhex(proof["groups"]))
    if not way.leads_to(leaf(values), bytes.fromhex(batch["root"])):
        return "its proof does not lead to its batch"
    columns = dict.fromkeys(FORMS[max(FORMS)]) | dict(zip(FORMS[batch["form"]], values, strict=True))
    told = as_json(row_from({**columns, **{name: _unsaid(text) for name, text in proof["names"].items()}}), zone)
    now = json.loads(json.dumps(told))
    if differing := sorted(name for name in {*now, *row} if now.get(name) != row.get(name)):
        return f"is not what was stored: {', '.join(differing)}"
    return None


def _content(batch: Mapping[str, Any]) -> bytes:
    root, names_root, helpers = (bytes.fromhex(batch[name]) for name in ("root", "names_root", "helpers"))
    return content_from((batch["number"], batch["at_us"], batch["form"], batch["rows"], root, names_root), helpers)


def _said(value: Any) -> Any:
    return {"bytes": value.hex()} if isinstance(value, bytes) else value


def _unsaid(value: Any) -> Any:
    return bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value
