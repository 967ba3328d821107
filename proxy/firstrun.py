"""Makes the data folder ready: folders, first files, certificate authority, database, overlay.

Runs at every start and changes nothing that is there. A CA is made only when there is no CA folder at all: one that has
gone missing is never silently replaced (devices would stop trusting us).
"""

from __future__ import annotations

import importlib.resources
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from identity.overlay import FILE_NAME
from logstore.db import StoreError, reading, upgrade
from logstore.errorwords import without_rows
from proxy.assembly import PRESET, places, shared_secret
from proxy.ca import CaStatus, create_ca, load_ca, passphrase_from, prepare_confdir
from proxy.settings import Settings
from registry.overlay import write_overlay

logger = logging.getLogger(__name__)

HOST_FOLDER = "host"
"""Folder below `run` that the host reads its CA from."""
FOLDERS = ("lists", "spool", "overlay", "run")


def prepare(settings: Settings) -> tuple[CaStatus, list[str]]:
    """Make the data folder ready. Returns the CA and, in words, what was made. Raises what its parts raise."""
    made: list[str] = []
    data = settings.data
    if not (data / "overlay").exists():
        made.append(f"data folder {data}")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in FOLDERS:
        (data / name).mkdir(mode=0o700, exist_ok=True)
    made += _first_files(settings)
    authority = _authority(settings, made)
    prepare_confdir(data / "ca", data / "run" / HOST_FOLDER)
    shared_secret(settings)
    _record(settings)
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


def _record(settings: Settings) -> None:
    """The record and, from it, what people decided; a database that is away is waited for by others.

    Then the decisions on disk stay in force; where there are none, there is nothing to begin with, and it raises.
    """
    try:
        upgrade(settings.catalog)
        make_overlay(settings)
    except (StoreError, SQLAlchemyError) as error:
        if isinstance(settings.store, Path) or not (settings.data / "overlay" / FILE_NAME).exists():
            raise
        told = without_rows(error)
        logger.error("the record cannot be reached; records wait in the spool, decisions stay as they were: %s", told)


def make_overlay(settings: Settings) -> None:
    """Write what people decided for the workers to read."""
    with reading(settings.store) as connection:
        write_overlay(connection, settings.data / "overlay", places(settings.identity.places))
