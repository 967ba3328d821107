"""A new CA beside the one in force: made or brought in, trusted by devices first, then put in its place.

Below the CA's folder lie `next` (waits until devices trust it) and `old` (was in force; devices still trust it), each
laid out as the CA itself. Writing `ca.pem` is the moment of the change; before and after it everything can be done
again, so that a power cut in between harms nothing. Nothing goes away by itself: two keys are two things to lose.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography.x509.oid import NameOID

from proxy.ca import CERT_FILE, KEY_FILE, NAME_LIMIT, CaError, CaStatus, load_ca, trusted_certificate
from proxy.privatefile import NotPrivate, held_folder, read_private, write_private

type Step = Literal["next", "old"]

STEPS: tuple[Step, ...] = ("next", "old")
"""Names of the folders below the CA's."""
_DATED = re.compile(r" \d{4}-\d{2}-\d{2}$")


def beside(folder: Path) -> dict[Step, datetime]:
    """Which CAs lie beside the one in `folder`, and since when (UTC)."""
    found: dict[Step, datetime] = {}
    for step in STEPS:
        try:
            made = (folder / step / KEY_FILE).stat().st_mtime
        except OSError:
            continue
        found[step] = datetime.fromtimestamp(made, UTC)
    return found


def next_name(folder: Path, at: datetime) -> str:
    """A name for the next CA that differs from the one in force by its date: devices tell the two apart."""
    parts = trusted_certificate(folder).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    before = _DATED.sub("", str(parts[0].value)) if parts else "School internet filter"
    return f"{before[: NAME_LIMIT - 11]} {at:%Y-%m-%d}"


def room_for_next(folder: Path) -> Path:
    """Where the next CA is to lie. Raises `CaError` where there is none in force, or one waits already."""
    if not (folder / KEY_FILE).exists():
        raise CaError("there is no CA to rotate", folder / KEY_FILE, "Make one with `schoolgate ca create`.")
    if (folder / "next").exists():
        do = "Go on with `schoolgate ca rotate --switch`, or remove it with `schoolgate ca rotate --drop next`."
        raise CaError("a next CA waits already", folder / "next", do)
    return folder / "next"


def put_in_place(folder: Path, step: Step, *, at: datetime, passphrase: bytes | None) -> CaStatus:
    """Put the next CA (or the old one again) in force; what was in force is kept as the other. Raises `CaError`.

    Only files change: a running gateway takes them when it is told to. What was begun and broke off is ended.
    """
    source, other = folder / step, folder / ("old" if step == "next" else "next")
    if not (source / KEY_FILE).exists():
        raise CaError(f"there is no {step} CA", source, "See `schoolgate ca status`.")
    load_ca(source, at=at, passphrase=passphrase)
    try:
        with held_folder(folder):
            coming, going = read_private(source / KEY_FILE), read_private(folder / KEY_FILE)
            if coming != going:
                _keep(folder, other, going)
                write_private(folder / KEY_FILE, coming)
            write_private(folder / CERT_FILE, (source / CERT_FILE).read_bytes(), mode=0o644)
            _remove(source)
    except NotPrivate as error:
        raise CaError(error.what, error.path, error.do) from error
    except OSError as error:
        raise CaError(f"cannot be changed: {error.strerror}", folder, "Do it as the gateway's account.") from error
    return load_ca(folder, at=at, passphrase=passphrase)


def drop(folder: Path, step: Step) -> None:
    """Remove the next or the old CA with its key. Raises `CaError` when there is none."""
    if not (folder / step).exists():
        raise CaError(f"there is no {step} CA", folder / step, "See `schoolgate ca status`.")
    try:
        with held_folder(folder):
            _remove(folder / step)
    except OSError as error:
        raise CaError(f"cannot be removed: {error.strerror}", folder, "Do it as the gateway's account.") from error


def _keep(folder: Path, other: Path, going: bytes) -> None:
    kept = other / KEY_FILE
    if kept.exists() and kept.read_bytes() != going:
        do = f"Remove it first with `schoolgate ca rotate --drop {other.name}`."
        raise CaError("would be lost", other, do)
    other.mkdir(mode=0o700, exist_ok=True)
    write_private(other / CERT_FILE, (folder / CERT_FILE).read_bytes(), mode=0o644)
    write_private(kept, going)


def _remove(folder: Path) -> None:
    for file in (KEY_FILE, CERT_FILE):  # the key first: half of it gone is no CA any more
        (folder / file).unlink(missing_ok=True)
    folder.rmdir()
