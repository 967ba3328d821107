"""What a reload leaves for a restart has a name, the data folder included, and so has every setting to come."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.reloadable import RELOADED, data_named, restart_needed
from proxy.settings import (
    IdentitySettings,
    PlaceSettings,
    ProxySettings,
    RecordSettings,
    Settings,
    SpoolSettings,
    load_settings,
)


@pytest.mark.parametrize(
    ("new", "named"),
    [
        (Settings(), []),
        (Settings(starter_lists=False, policy=Path("other.yaml")), []),
        (Settings(identity=IdentitySettings(places=(PlaceSettings(network="10.0.0.0/8", site="oakwood"),))), []),
        (Settings(contact="ICT support"), ["contact"]),
        (Settings(proxy=ProxySettings(port=3128, workers=2)), ["proxy.port", "proxy.workers"]),
        (Settings(identity=IdentitySettings(sign_in="required")), ["identity.sign_in"]),
        (Settings(identity=IdentitySettings(realm="Oakwood")), ["identity.realm"]),
        (Settings(spool=SpoolSettings(strict=True)), ["spool.strict"]),
        (Settings(record=RecordSettings(months=12)), ["record.months"]),
    ],
)
def test_what_only_a_restart_changes_is_named(new: Settings, named: list[str]) -> None:
    """Each by its name in the file; lists, policy and places need none."""
    assert restart_needed(Settings(), new) == named


def test_every_name_is_a_setting() -> None:
    """Of the file as it is now: a name that has gone would hide its successor."""
    for name in RELOADED:
        section, _, key = name.partition(".")
        assert section in Settings.model_fields
        assert not key or key in type(getattr(Settings(), section)).model_fields


def test_the_data_folder_is_what_the_file_names(tmp_path: Path) -> None:
    """Moved in the file it is named, also where `--data` said another; a file that cannot be read names none."""
    file = tmp_path / "schoolgate.yaml"
    file.write_text("data: one\n")
    assert data_named(file) == load_settings(file).data == tmp_path / "one"
    file.write_text("data: two\n")
    assert data_named(file) == tmp_path / "two"
    file.write_text("data: [\n")
    assert data_named(file) is None
    assert data_named(None) is None
