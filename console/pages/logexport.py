"""Rows leave the console in a file: a reason in, CSV or JSON Lines out, with lines in the trail before and after."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from console import accounts
from console.logfilter import read_search, refuse_unreadable
from console.looking import reason_to_look, written_subject
from console.page import Answer, Ask, Lines, Page, Refused, Shown
from console.rowview import as_seen
from logstore.audit import record_change
from logstore.export import COLUMNS, csv_lines, json_lines
from logstore.filter import LogFilter
from logstore.query import Archive
from logstore.rows import Row
from registry.change import RegistryError, RegistryProblem, text_problems

MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
"""Kinds of files."""
ASKED_AGAIN = 1000
"""Rows between looks whether whoever exports still may."""


def show(ask: Ask) -> Answer:
    """What would be exported, and the form."""
    search = read_search({**ask.query, **ask.form}, ask.me, ask.now, ask.house.zone)
    refuse_unreadable(search)
    reason_to_look(ask, search.wanted)
    sentence = search.wanted.sentence(ask.now, ask.house.zone)
    view = {"search": search, "problems": ask.problems, "columns": COLUMNS, "why": ask.form.get("why", "")}
    return Shown(data={"sentence": sentence}, view=view)


def act(ask: Ask) -> Answer:
    """Begin the export: it is written down first, and nothing leaves otherwise."""
    search = read_search(ask.form, ask.me, ask.now, ask.house.zone)
    refuse_unreadable(search)
    reason_to_look(ask, search.wanted)
    form, why = ask.form.get("format", ""), ask.form.get("why", "").strip()
    problems = [*text_problems("export", "reason", why)]
    if not why:
        problems.append(RegistryProblem("export", "an export needs a reason", "say why, in a few words"))
    if form not in MEDIA:
        problems.append(RegistryProblem("export", f"there is no format {form[:20]!r}", "csv or jsonl"))
    if search.problems:
        problems += [RegistryProblem("search", one) for one in search.problems]
    if problems:
        raise RegistryError(*problems)
    _note(ask, search.wanted, why, "began an export", {"format": form})
    stamp = ask.now.astimezone(ask.house.zone)
    return Lines(f"schoolgate-log-{stamp:%Y%m%d-%H%M%S}.{form}", MEDIA[form], _lines(ask, search.wanted, form, why))


def _lines(ask: Ask, wanted: LogFilter, form: str, why: str) -> Iterator[str]:
    """The file, and a line in the trail when it is whole."""
    digest, number = hashlib.sha256(), 0

    def seen(rows: Iterator[Row]) -> Iterator[Row]:
        nonlocal number
        for row in rows:
            if "own" not in as_seen(row, ask):
                number += 1
                if number % ASKED_AGAIN == 0 and _over(ask):
                    _note(ask, wanted, why, "stopped an export", {"format": form, "rows": number - 1})
                    raise Refused("The export was stopped", "The account, or its role, was taken away meanwhile.")
                yield row

    with Archive(ask.house.where, seconds=3600.0) as archive:
        rows = seen(archive.walk(wanted))
        for line in csv_lines(rows, ask.house.zone) if form == "csv" else json_lines(rows, ask.house.zone):
            digest.update(line.encode())
            yield line
    _note(ask, wanted, why, "exported rows", {"format": form, "rows": number, "sha256": digest.hexdigest()})


def _over(ask: Ask) -> bool:
    """Whether the account or its role was taken away. An idle session is none: a long file has no clicks."""
    with ask.house.reading() as connection:
        account = accounts.get(connection, ask.me.account)
    return account.disabled or ask.me.grant not in account.grants


def _note(ask: Ask, wanted: LogFilter, why: str, what: str, told: dict[str, object]) -> None:
    after = {"asked": wanted.sentence(timezone=ask.house.zone), **told}
    with ask.house.writing() as connection:
        record_change(
            connection, who=ask.me.who, what=what, subject=written_subject(ask, wanted), after=after, why=why,
            at=ask.house.clock(), kind="export",
        )  # fmt: skip


PAGES = (
    Page(
        name="log-export",
        path="/log/export",
        title="Export",
        show=show,
        act=act,
        template="logexport.html",
        twins=False,
    ),
)
