"""What `schoolgate lists add|remove|entry` decides: settings and what was typed in, an exit status out.

A source is in the register only once its first version was fetched, compiled and found good: a list that cannot be had
is not added. Own entries are in force on running workers within a second.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from categories.parse import counted
from categories.taxonomy import Kind, load_taxonomy
from logstore.audit import record_change
from logstore.db import StoreError, open_catalog
from logstore.errorwords import without_rows
from policy.reserved import reserved_categories
from proxy import inforce
from proxy.assembly import known_categories, open_index
from proxy.decisions import Usage, put_in_force
from proxy.listtasks import put_in_force as swap
from proxy.listtasks import tell
from proxy.listupdate import Report, update
from proxy.oneclick import check_entry
from proxy.overridechanges import in_force_words, length, until_of, wait_for_workers
from proxy.quietly import quietly
from proxy.settings import Settings
from proxy.sourcestore import forget_versions, read_state
from registry import entries, sources
from registry.change import By, RegistryError, RegistryProblem
from registry.entries import CLOSED
from registry.sources import Source

NAMES_ITS_OWN = ("ut1", "csv")
"""Formats whose entries bring their categories along."""


def change_lists(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """Run the task named in `args`; 0 yes, 1 no. Raises `Usage` and what `proxy.decisions.carry_out` tells."""
    if args.task == "add":
        return _add(args, settings, engine, by)
    if args.task == "remove":
        return _remove(args, settings, engine, by)
    return _entry(args, settings, engine, by)


def note_updates(settings: Settings, report: Report) -> None:
    """Write into the audit trail which lists were updated. A trail that is away stops no update."""
    changed = [one for one in report.outcomes if one.state == "updated" and one.changes is not None]
    if not changed:
        return
    try:
        engine = open_catalog(settings.store)
        with engine.begin() as connection:
            for one in changed:
                told = {} if one.changes is None else one.changes.as_json()
                after = {key: told[key] for key in ("before", "after", "added", "removed")}
                after["sha256"] = read_state(settings, one.name).sha256
                subject, at = one.name, datetime.now(UTC)
                record_change(connection, who="schoolgate", what="list.update", subject=subject, after=after, at=at)
        engine.dispose()
    except (StoreError, SQLAlchemyError, OSError) as error:
        print(f"lists: the audit trail does not know of this update: {without_rows(error)}", file=sys.stderr)


def _add(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    source = _source(args, settings)
    with engine.begin() as connection:
        sources.add(connection, source, by, taken=[one.name for one in settings.lists])
    forget_versions(settings, source.name, keep="")  # of a list that was once called so: another maker's, another key's
    put_in_force(settings, engine)
    report = quietly(lambda: update(settings, [source], by.at))
    if not report.ok and not read_state(settings, source.name).version:
        take_back(settings, source.name, by.who, by.at)
        tell(report, None, as_json=args.json)
        print(f"lists: {source.name} was not added", file=sys.stderr)
        return 1
    return tell(report, swap(settings, report), as_json=args.json)


def take_back(settings: Settings, name: str, who: str, at: datetime) -> None:
    """Take a source out of the register again whose first version could not be had or used."""
    engine = open_catalog(settings.store)
    try:
        with engine.begin() as connection:
            sources.remove(connection, name, By(who, at, "its first version could not be used"))
        put_in_force(settings, engine)
    finally:
        engine.dispose()
    forget_versions(settings, name, keep="")


def _source(args: argparse.Namespace, settings: Settings) -> Source:
    location = args.location if "://" in args.location else str(Path(args.location).expanduser().resolve())
    every = None if args.every is None else length(args.every)
    sha256 = None if args.sha256 is None else args.sha256.strip().lower()
    category = settled_category(args.name, args.format, args.category, settings)
    sums = (sha256, args.checksum_url, args.licence.strip(), _key(args.key), args.signature_url)
    uses = tuple(word.strip() for word in args.apply_to.split(","))
    reading = (args.url_match, args.limit, uses, args.max_bytes)
    return Source(args.name, location, args.format, category, every, *sums, *reading)


def _key(said: str | None) -> str | None:
    """A public key as typed, or the one in the file that was named; without its comment."""
    if said is None:
        return None
    file = Path(said).expanduser()
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else said
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"--key {said!r} cannot be read: {error}") from error
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""


def settled_category(called: str, format: str, category: str | None, settings: Settings) -> str | None:
    """What the entries of a list are, by our name; None where each brings its own. Raises `Usage`, `RegistryError`."""
    if format in NAMES_ITS_OWN and category is None:
        return None
    taxonomy = load_taxonomy()
    asked = category or called
    name = asked if asked in taxonomy else taxonomy.resolve(asked)
    if name is None:
        raise Usage(f"what are the entries of {called!r}? Say --category C, one of: {', '.join(sorted(taxonomy))}")
    kind: Kind = taxonomy[name].kind
    if kind in CLOSED:
        raise RegistryError(RegistryProblem(name, CLOSED[kind]))
    reserved = reserved_categories(inforce.parts_with(settings, open_index(settings)).policy)
    if name in reserved:
        raise RegistryError(RegistryProblem(name, reserved[name], "name such a list in the settings file"))
    return name


def _remove(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    with engine.begin() as connection:
        gone = sources.remove(connection, args.name, by)
    put_in_force(settings, engine)
    forget_versions(settings, gone.name, keep="")
    report = quietly(lambda: update(settings, (), by.at))
    status = tell(report, swap(settings, report), as_json=args.json)
    if status == 0:
        print(f"lists: {gone.name} is used no longer", file=sys.stderr)
    return status


def _entry(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    if args.kind == "list":
        return _list_entries(args, engine, by)
    index = open_index(settings)
    categories = known_categories(load_taxonomy(), index)
    if args.kind == "add":
        parts = inforce.parts_with(settings, index)
        check_entry(parts, args.what)
        until, reserved = until_of(args, parts.policy, by.at), reserved_categories(parts.policy)
        with engine.begin() as connection:
            one = entries.add(
                connection, args.category, args.what, by, categories=categories, reserved=reserved, until=until
            )
    else:
        with engine.begin() as connection:
            one = entries.remove(connection, args.category, args.what, by)
    put_in_force(settings, engine)
    workers = wait_for_workers(settings)
    if args.json:
        print(json.dumps({"ok": True, **entries.facts(one), "workers": workers}))
        return 0
    print(f"{one.entry.value} is {'now' if args.kind == 'add' else 'no longer'} in {args.category}")
    print(in_force_words(workers), file=sys.stderr)
    return 0


def _list_entries(args: argparse.Namespace, engine: Engine, by: By) -> int:
    with engine.connect() as connection:
        found: list[dict[str, Any]] = [entries.facts(one) for one in entries.made(connection) if one.holds(by.at)]
    if args.json:
        print(json.dumps(found))
        return 0
    for one in found:
        until = f" until {one['until']}" if one["until"] else ""
        print(f"{one['category']:<20} {one['entry']:<48}{until} ({one['made_by']}: {one['why']})")
    print(f"lists: {counted(len(found), 'entry', 'entries')} of your own", file=sys.stderr)
    return 0
