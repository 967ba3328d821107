"""Makes the data folder ready: folders, first files, certificate authority, database, overlay.

Runs at every start and changes nothing that is there. A CA is made only when there is no CA folder at all: one that has
gone missing is never silently replaced (devices would stop trusting us).
"""

from __future__ import annotations

import importlib.resources
import os
from datetime import UTC, datetime

from logstore.db import reading, upgrade
from proxy.assembly import PRESET, places, shared_secret
from proxy.ca import CaStatus, create_ca, load_ca, passphrase_from, prepare_confdir
from proxy.settings import Settings
from registry.overlay import write_overlay

HOST_FOLDER = "host"
"""Folder below `run` that the host reads its CA from."""
FOLDERS = ("lists", "spool", "store", "overlay", "run")


def prepare(settings: Settings) -> tuple[CaStatus, list[str]]:
    """Make the data folder ready. Returns the CA and, in words, what was made. Raises what its parts raise."""
    made: list[str] = []
    data = settings.data
    if not (data / "store").exists():
        made.append(f"data folder {data}")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FOLDERS:
        (data / name).mkdir(mode=0o700, exist_ok=True)
    made += _first_files(settings)
    authority = _authority(settings, made)
    prepare_confdir(data / "ca", data / "run" / HOST_FOLDER)
    shared_secret(settings)
    upgrade(data / "store")
    make_overlay(settings)
    return authority, made


def _first_files(settings: Settings) -> list[str]:
    """A policy file to edit, when the school has none."""
    target = settings.data / "policy.yaml"
    if settings.policy is not None or target.exists():
        return []
    preset = importlib.resources.files("policy") / "presets" / PRESET
    target.write_text(preset.read_text(encoding="utf-8"), encoding="utf-8")
    return [f"policy {target} (from the preset {PRESET}; edit it, then `schoolgate reload`)"]


def _authority(settings: Settings, made: list[str]) -> CaStatus:
    folder = settings.data / "ca"
    passphrase = passphrase_from(os.environ, settings.ca.passphrase_file)
    if not folder.exists():
        made.append(f"certificate authority in {folder}")
        return create_ca(folder, name="Schoolgate", at=datetime.now(UTC), passphrase=passphrase)
    return load_ca(folder, at=datetime.now(UTC), passphrase=passphrase)


def authority_again(settings: Settings) -> CaStatus:
    """Check the CA in the data folder and lay it out for the workers in place of the one before. Raises `CaError`."""
    authority = _authority(settings, [])
    prepare_confdir(settings.data / "ca", settings.data / "run" / HOST_FOLDER)
    return authority


def make_overlay(settings: Settings) -> None:
    """Write what people decided for the workers to read."""
    with reading(settings.data / "store") as connection:
        write_overlay(connection, settings.data / "overlay", places(settings.identity.places))
