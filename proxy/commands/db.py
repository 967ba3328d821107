"""`schoolgate db`: the store's care: schema, check, retention, audit trail, backup."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from proxy.settings import Settings

TASKS = "upgrade|roles|move|check|prune|exports|verify|audit|backup|restore|seal|head|drill"


def add(commands: Any) -> None:
    """Register the tasks of `db`."""
    from proxy.proving import add_proofs, add_verify

    parser = commands.add_parser("db", help="care for the store: upgrade, check, prune, audit, back up")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar=TASKS)
    made = [
        tasks.add_parser("upgrade", help="make the store, or bring it to the newest schema"),
        tasks.add_parser("check", help="exit 1 when a file is damaged or missing, or retention is behind"),
        _prune(tasks),
        add_verify(tasks),
        _audit(tasks),
        tasks.add_parser("backup", help="copy the store while it is in use"),
        tasks.add_parser("restore", help="put a copy back; refuses to write over a store"),
        _exports(tasks),
        *add_proofs(tasks),
        _roles(tasks),
        _move(tasks),
    ]
    made[3].add_argument(
        "--head", metavar="N:HASH", help="a head kept elsewhere, as `db head` or an earlier verify printed it"
    )
    made[5].add_argument("folder", type=Path, metavar="DEST", help="a folder that is not there, or empty")
    made[6].add_argument("folder", type=Path, metavar="SRC", help="a folder made by backup")
    for task in made:
        task.add_argument("--json", action="store_true", help="answer in JSON")
    for task in (made[2], made[5], made[6], made[7], made[-1]):
        task.add_argument("--why", default="", metavar="TEXT", help="reason, for the audit trail")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no, 2 usage."""
    from logstore.db import StoreError
    from proxy import moving, proving, storecare

    try:
        return {**storecare.TASKS, **proving.TASKS, "move": moving.move}[args.task](args, settings)
    except BrokenPipeError:
        raise  # whoever read the answer has seen enough: no trouble of the store's
    except (StoreError, OSError) as error:
        print(f"db: {error}", file=sys.stderr)
        return 1


def _prune(tasks: Any) -> argparse.ArgumentParser:
    prune: argparse.ArgumentParser = tasks.add_parser("prune", help="remove rows older than they may be")
    prune.add_argument("--dry-run", action="store_true", help="only say what would go")
    prune.add_argument(
        "--clock-is-right", action="store_true", help="remove rows although the clock seems to have jumped ahead"
    )
    return prune


def _roles(tasks: Any) -> argparse.ArgumentParser:
    roles: argparse.ArgumentParser = tasks.add_parser("roles", help="in PostgreSQL: roles that may do their work only")
    roles.add_argument("--prefix", default="schoolgate", metavar="NAME", help="beginning of their names")
    roles.add_argument("--sql", action="store_true", help="only print the statements")
    return roles


def _move(tasks: Any) -> argparse.ArgumentParser:
    move: argparse.ArgumentParser = tasks.add_parser(
        "move", help="copy the record of the data folder, or of a database, into that of the settings"
    )
    move.add_argument(
        "--from", dest="origin", metavar="ADDRESS", help="a PostgreSQL record, instead of the data folder's files"
    )
    move.add_argument(
        "--from-password-file", dest="origin_password_file", type=Path, metavar="FILE", help="its password, mode 0600"
    )
    move.add_argument(
        "--leave-holds", action="store_true", help="move although holds are in force; they stay where they are"
    )
    return move


def _exports(tasks: Any) -> argparse.ArgumentParser:
    exports: argparse.ArgumentParser = tasks.add_parser("exports", help="files with rows in them that were written")
    exports.add_argument("--settle", type=int, metavar="N", help="take one out of the book: somebody saw to its file")
    return exports


def _audit(tasks: Any) -> argparse.ArgumentParser:
    audit: argparse.ArgumentParser = tasks.add_parser("audit", help="the audit trail, newest first")
    kinds = ("change", "look", "export", "retention", "hold", "evidence")
    audit.add_argument("--kind", choices=kinds, help="only these")
    audit.add_argument("--who", metavar="NAME", help="done by")
    audit.add_argument("--subject", metavar="NAME", help="about")
    audit.add_argument("--before", type=int, metavar="N", help="lines before this one")
    audit.add_argument("--limit", type=int, default=50, metavar="N", help="lines (default: %(default)s)")
    return audit
