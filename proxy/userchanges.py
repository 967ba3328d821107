"""What `schoolgate users` does: settings and what was typed in, an exit status out.

A change is in the database, in the audit trail and in the overlay when the command ends; running workers follow within
a second. Passwords are asked for and hashed before the database is locked.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from identity.directory import account_name
from proxy import userlines
from proxy.decisions import Usage, put_in_force
from proxy.settings import Settings
from registry import people
from registry.change import By
from registry.passwords import PasswordHash, new_hash
from registry.people import Account, Details
from registry.people_file import apply_import, export_people, hash_passwords, plan_import

type Change = Callable[[Any, By], Account]


def change_users(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    """Run the task named in `args`; 0 yes, 1 no. Raises `Usage` and what `proxy.decisions.carry_out` tells."""
    match args.task:
        case "list":
            return _list(args, engine, by)
        case "show":
            with engine.connect() as connection:
                return userlines.show(people.get(connection, args.name), by.at, as_json=args.json)
        case "export":
            return _export(args, engine, by)
        case "import":
            return _import(args, settings, engine, by)
    change = _change(args, settings, engine, by)
    with engine.begin() as connection:
        account = change(connection, by)
    put_in_force(settings, engine)
    return userlines.show(account, by.at, as_json=args.json)


def _change(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> Change:
    """What to do to the register. Slow and interactive parts are done here, before the database is locked."""
    name: str = args.name
    match args.task:
        case "add":
            details = _details(args, Details())
            password = None if args.no_password else _password(args, name, details)
            return lambda connection, by: people.add(connection, name, details, by, password=password)
        case "change":
            with engine.connect() as connection:
                details = _details(args, people.get(connection, name).details)
            return lambda connection, by: people.set_details(connection, name, details, by)
        case "passwd":
            with engine.connect() as connection:
                details = people.get(connection, name).details
            new = _password(args, name, details)
            return lambda connection, by: people.set_password(connection, name, new, by)
        case "suspend":
            until = _until(args, settings, by)
            return lambda connection, by: people.suspend(connection, name, until, by)
        case "consent":
            return lambda connection, by: people.set_consent(connection, name, args.given == "yes", by)
    simple = {"disable": people.disable, "enable": people.enable, "remove": people.remove}[args.task]
    return lambda connection, by: simple(connection, name, by)


def _list(args: argparse.Namespace, engine: Engine, by: By) -> int:
    with engine.connect() as connection:
        everybody = people.accounts(connection)
    wanted = [
        account
        for account in everybody
        if (account.status(by.at) == args.status if args.status else account.left_at is None)
        and (args.band is None or account.person.band == args.band)
        and (args.group is None or args.group in account.person.groups)
    ]
    return userlines.listing(wanted, by.at, as_json=args.json)


def _export(args: argparse.Namespace, engine: Engine, by: By) -> int:
    with engine.connect() as connection:
        everybody = people.accounts(connection)
    if args.json:
        return userlines.listing(everybody, by.at, as_json=True)
    sys.stdout.write(export_people(everybody, by))
    return 0


def _import(args: argparse.Namespace, settings: Settings, engine: Engine, by: By) -> int:
    data = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    with engine.connect() as connection:
        plan = plan_import(connection, data, file="standard input" if args.file == "-" else args.file)
    if not plan.problems and not args.dry_run:
        hashes = hash_passwords(plan)
        with engine.begin() as connection:
            apply_import(connection, plan, hashes, by)
        put_in_force(settings, engine)
    return userlines.imported(plan, done=not args.dry_run, as_json=args.json)


def _details(args: argparse.Namespace, before: Details) -> Details:
    def told(text: str | None, old: str | None) -> str | None:
        return old if text is None else None if text.casefold() in {"none", ""} else text.casefold()

    details = replace(before, band=told(args.band, before.band), site=told(args.site, before.site))
    if args.groups is not None:
        groups = frozenset(word.strip().casefold() for word in args.groups.split(",") if word.strip())
        details = replace(details, groups=groups)
    if args.title is not None:
        details = replace(details, title=args.title.strip())
    return details if args.shared is None else replace(details, shared=args.shared)


def _password(args: argparse.Namespace, name: str, details: Details) -> PasswordHash:
    """Ask for a password, or read it from standard input, and hash it. Raises `RegistryError` when it is a poor one."""
    if args.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = getpass.getpass("New password: ")
        if password != getpass.getpass("Once more: "):
            raise Usage("the two passwords are not the same")
    else:
        raise Usage("there is nobody to ask for a password: use --password-stdin")
    return new_hash(password, name=account_name(name), band=details.band, shared=details.shared)


def _until(args: argparse.Namespace, settings: Settings, by: By) -> datetime:
    if args.until is None:
        if not 1 <= args.days <= 3660:
            raise Usage("--days takes 1 to 3660")
        return by.at + timedelta(days=args.days)
    until: datetime = args.until
    local = until if until.tzinfo else until.replace(tzinfo=ZoneInfo(settings.record.timezone))
    return local.astimezone(UTC)
