"""What commands that change the registry share: opening it, who decides, putting it in force, saying why not.

Settings go in; a writing engine on the newest schema comes out. A change is in force on running workers within a second
of `put_in_force`, with or without a control process.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Engine

from identity.overlay import FILE_NAME
from logstore.db import StoreError, open_catalog, upgrade
from proxy.account import typed_by
from proxy.assembly import places
from proxy.settings import Settings
from registry.change import By, RegistryError
from registry.overlay import write_overlay

type Work = Callable[[argparse.Namespace, Settings, Engine, By], int]


class Usage(Exception):
    """Asked for in a way that cannot be carried out; exit 2."""


def carry_out(command: str, work: Work, args: argparse.Namespace, settings: Settings) -> int:
    """Run `work` on the registry; 0 yes, 1 no, 2 usage. Every reason against it is told, and nothing is half done."""
    try:
        upgrade(settings.catalog)
        engine = open_catalog(settings.store)
        try:
            return work(args, settings, engine, By(typed_by(), datetime.now(UTC), getattr(args, "why", "")))
        finally:
            engine.dispose()
    except Usage as error:
        return failed(command, [str(error)], as_json=args.json, status=2)
    except RegistryError as error:
        return failed(command, [str(problem) for problem in error.problems], as_json=args.json)
    except (StoreError, OSError) as error:
        return failed(command, [str(error)], as_json=args.json)


def put_in_force(settings: Settings, engine: Engine) -> None:
    """Write the overlay of what is in the registry now."""
    folder = settings.data / "overlay"
    # A gateway's overlay keeps the places the gateway loaded; where there is none yet, the settings' places count.
    told = None if (folder / FILE_NAME).exists() else places(settings.identity.places)
    with engine.connect() as connection:
        write_overlay(connection, folder, told)


def failed(command: str, problems: Sequence[str], *, as_json: bool, status: int = 1) -> int:
    """Say what could not be done, every reason; `status` is the exit status."""
    if as_json:
        print(json.dumps({"ok": False, "problems": list(problems)}))
    for problem in problems:
        print(f"{command}: {problem}", file=sys.stderr)
    return status
