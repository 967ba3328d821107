"""Which settings a reload puts in force, and which need a restart: said at every reload, so that nobody waits in vain.

In come the settings a gateway started with and those of its file now; out come the names of what differs and waits.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from proxy.settings import Settings, SettingsError, load_settings

RELOADED = frozenset({"policy", "starter_lists", "lists", "list_checks", "statutory", "identity.places"})
"""Settings a reload puts in force; every other one, and every one to come, needs a restart until it is named here."""


def restart_needed(old: Settings, new: Settings) -> list[str]:
    """The settings that differ from those the gateway started with and that a reload cannot put in force.

    The data folder is not asked for here: `--data` may name another than the file.
    """
    changed: list[str] = []
    for section in Settings.model_fields.keys() - RELOADED - {"data"}:
        before, after = getattr(old, section), getattr(new, section)
        if before == after:
            continue
        if isinstance(before, BaseModel):
            keys = type(before).model_fields
            changed += [f"{section}.{key}" for key in keys if getattr(before, key) != getattr(after, key)]
        else:
            changed.append(section)
    return sorted(name for name in changed if name not in RELOADED)


def data_named(file: Path | None) -> Path | None:
    """The data folder a settings file names, whatever the command line said; None where it cannot be read."""
    try:
        return None if file is None else load_settings(file).data
    except SettingsError:
        return None
