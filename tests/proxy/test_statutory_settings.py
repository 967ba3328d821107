"""What may be written of statutory lists: a mistake is told with its line, and no setting loosens the day's rhythm."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from proxy.settings import SettingsError, load_settings, parse_settings
from proxy.statutory_settings import StatutorySettings
from tests.categories.statutory_rig import ISSUER


def test_without_a_word_there_are_no_lists_and_nothing_stops() -> None:
    assert parse_settings("", "f").statutory == StatutorySettings()
    assert StatutorySettings().when_missing == "continue"
    assert StatutorySettings().stale == timedelta(hours=24)
    assert StatutorySettings().refresh <= timedelta(hours=12), "F-02: at least twice a day"


def test_paths_stand_below_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "schoolgate.yaml"
    file.write_text(f"statutory: {{sources: [{{name: iwf, path: in/iwf.bundle, public_key: '{ISSUER.key}'}}]}}\n")
    (source,) = load_settings(file).statutory.sources
    assert source.path == tmp_path / "in" / "iwf.bundle"
    assert source.required


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), (" 5 m ", 300), ("12h", 43200)])
def test_times_are_written_as_people_write_them(text: str, seconds: int) -> None:
    told = parse_settings(f"statutory: {{refresh: '{text}'}}", "f").statutory
    assert told.refresh == timedelta(seconds=seconds)


def test_they_can_be_handed_to_another_process() -> None:
    """Workers read the settings in force as JSON, which is YAML too."""
    told = parse_settings(
        f"statutory: {{refresh: 90s, sources: [{{name: a, path: /a, public_key: '{ISSUER.key}'}}]}}", "f"
    )
    assert parse_settings(told.model_dump_json(), "again") == told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("refresh: 13h", "12 hours"),
        ("refresh: 0s", "greater than"),
        ("refresh: 5", "90s, 5m, 12h"),
        ("refresh: soon", "90s, 5m, 12h"),
        ("stale: 25h", "1 day"),
        ("when_missing: ignore", "stop"),
        ("disabled: true", "unknown setting"),
        ("sources: [{name: IWF, path: a, public_key: x}]", "pattern"),
        ("sources: [{name: iwf, path: a, public_key: x}]", "keygen"),
        ("sources: [{name: iwf, public_key: x}]", "path"),
        (f"sources: [&a {{name: iwf, path: a, public_key: '{ISSUER.key}'}}, *a]", "two sources"),
    ],
)
def test_a_mistake_is_told(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(f"statutory: {{{text}}}", "school.yaml")
    assert said in str(caught.value)
    assert "school.yaml:1" in str(caught.value)
