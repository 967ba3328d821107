"""`schoolgate ca`: make or bring in the certificate authority, say how it is, hand out what devices trust."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.ca import (
    CERT_FILE,
    CaError,
    CaStatus,
    create_ca,
    export_certificate,
    fingerprint_of,
    keep_ca,
    load_ca,
    passphrase_from,
    read_passphrase,
    trusted_certificate,
)
from proxy.caimport import read_foreign
from proxy.caprofiles import PROFILES, handout
from proxy.carotate import STEPS, Step, beside, drop, next_name, put_in_place, room_for_next
from proxy.control import NotRunning, order
from proxy.privatefile import write_private
from proxy.settings import Settings

WARN_DAYS = 30
"""Days left below which `status` says no: time enough to bring a new certificate to every device."""


def add(commands: Any) -> None:
    """Register `ca create|import|rotate|status|export`."""
    parser = commands.add_parser("ca", help="the certificate authority that opens HTTPS")
    parser.set_defaults(handle=handle)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="create|import|rotate|status|export")
    create = tasks.add_parser("create", help="make one; refuses when there is one")
    create.add_argument("--name", default="School internet filter", help="name shown on devices (default: %(default)s)")
    rotate = tasks.add_parser("rotate", help="make the next one beside the one in force; with an option, go on with it")
    rotate.add_argument("--name", help="name of the next one (default: as now, with the date)")
    for task in (create, rotate):
        task.add_argument("--years", type=int, default=5, choices=range(1, 11), metavar="1-10", help="validity")
        task.add_argument("--kind", choices=("ec", "rsa"), default="ec", help="rsa only for devices that cannot do ec")
    go_on = rotate.add_mutually_exclusive_group()
    go_on.add_argument("--switch", action="store_true", help="put the next one in force; the one before is kept as old")
    go_on.add_argument("--back", action="store_true", help="put the old one in force again")
    go_on.add_argument("--drop", choices=STEPS, help="remove the next or the old one, with its key")
    bring = tasks.add_parser("import", help="bring in one made elsewhere, if browsers will take it")
    bring.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="PKCS#12, or key and certificates (PEM, DER)"
    )
    bring.add_argument("--passphrase-file", type=Path, metavar="FILE", help="opens the key; only you may read it")
    bring.add_argument("--next", action="store_true", help="beside the one in force, for `ca rotate --switch`")
    bring.add_argument("--unlock", action="store_true", help="keep a locked key without a passphrase")
    status = tasks.add_parser("status", help=f"exit 1 when broken or with less than {WARN_DAYS} days left")
    export = tasks.add_parser("export", help="write the public certificate, for devices to trust")
    export.add_argument("destination", nargs="?", default="-", help="file, or - for standard output (default)")
    export.add_argument("--which", choices=("current", *STEPS), default="current", help="of a rotation")
    export.add_argument("--profile", choices=PROFILES, help="the file these devices want, instead of --format")
    export.add_argument("--format", choices=("pem", "der"), default="pem", help="der is what Windows calls .cer")
    for task in (create, rotate, bring, status, export):
        task.add_argument("--json", action="store_true", help="answer in JSON")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """Run the task named in `args`; 0 yes, 1 no."""
    folder = settings.data / "ca"
    try:
        match args.task:
            case "export":
                return _export(args, folder)
            case "create":
                return _create(args, folder, passphrase_from(os.environ, settings.ca.passphrase_file))
            case "import":
                return _import(args, folder, passphrase_from(os.environ, settings.ca.passphrase_file))
            case "rotate":
                return _rotate(args, settings.data, passphrase_from(os.environ, settings.ca.passphrase_file))
            case _:
                return _status(args, folder, passphrase_from(os.environ, settings.ca.passphrase_file))
    except CaError as error:
        if args.json:
            print(json.dumps({"ok": False, "problem": error.what, "where": str(error.where), "do": error.do}))
        print(f"ca: {error}", file=sys.stderr)
        return 1


def _create(args: argparse.Namespace, folder: Path, passphrase: bytes | None) -> int:
    at = datetime.now(UTC)
    status = create_ca(folder, name=args.name, at=at, years=args.years, kind=args.kind, passphrase=passphrase)
    _print(status, at, as_json=args.json)
    print(f"ca: let devices trust {status.cert}; keep {status.key} secret and backed up", file=sys.stderr)
    return 0


def _import(args: argparse.Namespace, folder: Path, passphrase: bytes | None) -> int:
    """Keep it as any CA is kept: locked with the gateway's passphrase where there is one."""
    at = datetime.now(UTC)
    opens = passphrase if args.passphrase_file is None else read_passphrase(args.passphrase_file)
    foreign = read_foreign(args.files, at=at, passphrase=opens)
    if foreign.locked and passphrase is None and not args.unlock:
        what = "its key was locked, and would lie here without a passphrase"
        raise CaError(what, args.files[0], "Set ca.passphrase_file (or the credential), or say --unlock.")
    place = room_for_next(folder) if args.next else folder
    status = keep_ca(place, foreign.key, foreign.chain, at=at, passphrase=passphrase)
    _print(status, at, as_json=args.json)
    print(f"ca: let devices trust {status.cert}; remove {', '.join(map(str, args.files))}", file=sys.stderr)
    return 0


def _rotate(args: argparse.Namespace, data: Path, passphrase: bytes | None) -> int:
    """One step of a rotation; a running gateway takes the CA that is put in force."""
    folder, at = data / "ca", datetime.now(UTC)
    if args.drop:
        drop(folder, args.drop)
        print(json.dumps({"ok": True, "dropped": args.drop}) if args.json else f"the {args.drop} CA is removed")
        return 0
    if not (args.switch or args.back):
        place, name = room_for_next(folder), args.name or next_name(folder, at)
        status = create_ca(place, name=name, at=at, years=args.years, kind=args.kind, passphrase=passphrase)
        _print(status, at, as_json=args.json)
        print(f"ca: let devices trust {status.cert} too, then `schoolgate ca rotate --switch`", file=sys.stderr)
        return 0
    status = put_in_place(folder, "next" if args.switch else "old", at=at, passphrase=passphrase)
    _print(status, at, as_json=args.json)
    try:
        answer = order(data, {"do": "ca"})
    except NotRunning as error:
        print(f"ca: {error}; it is in force from then on", file=sys.stderr)
        return 0
    if "failed" in answer or answer.get("replaced"):
        print(f"ca: {answer.get('failed') or '; '.join(answer['replaced'])}", file=sys.stderr)
        return 1 if "failed" in answer else 0
    print(f"ca: in force on {answer['workers']} workers; open connections go on", file=sys.stderr)
    return 0


def _status(args: argparse.Namespace, folder: Path, passphrase: bytes | None) -> int:
    at = datetime.now(UTC)
    status = load_ca(folder, at=at, passphrase=passphrase)
    _print(status, at, as_json=args.json, others=beside(folder))
    if status.days_left(at) >= WARN_DAYS:
        return 0
    print(f"ca: {status.cert}: {status.days_left(at)} days left; docs/operations.md, 'Rotate the CA'", file=sys.stderr)
    return 1


def _export(args: argparse.Namespace, folder: Path) -> int:
    place = folder if args.which == "current" else folder / args.which
    data = export_certificate(place, args.format)
    if args.profile:
        made = handout(trusted_certificate(place), args.profile)
        data = made.data
        print(f"ca: {made.todo}", file=sys.stderr)
    if args.destination == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    file = Path(args.destination)
    try:
        write_private(file, data, mode=0o644)
    except OSError as error:
        raise CaError(f"cannot be written: {error.strerror}", file, "Name a file in a folder of yours.") from error
    form = {"profile": args.profile} if args.profile else {"format": args.format}
    told = {"ok": True, "certificate": str(file), **form}
    print(json.dumps(told) if args.json else file)
    return 0


def _print(status: CaStatus, at: datetime, *, as_json: bool, others: Mapping[Step, datetime] | None = None) -> None:
    days = status.days_left(at)
    folder = status.key.parent
    beside_it = {
        str(step): {
            "certificate": str(folder / step / CERT_FILE),
            "since": since.isoformat(),
            "fingerprint": fingerprint_of(trusted_certificate(folder / step)),
        }
        for step, since in (others or {}).items()
    }
    if as_json:
        facts = {
            "ok": days >= WARN_DAYS,
            "certificate": str(status.cert),
            "key": str(status.key),
            "subject": status.subject,
            "kind": status.kind,
            "fingerprint": status.fingerprint,
            "not_before": status.not_before.isoformat(),
            "not_after": status.not_after.isoformat(),
            "days_left": days,
            **beside_it,
        }
        print(json.dumps(facts))
        return
    print(f"certificate  {status.cert}")
    print(f"subject      {status.subject} ({status.kind})")
    print(f"valid until  {status.not_after:%d %B %Y} ({days} days)")
    print(f"SHA-256      {status.fingerprint}")
    for step, told in beside_it.items():
        print(f"{step:<12} {told['certificate']}, since {told['since'][:10]}\n             {told['fingerprint']}")
