"""Not compliant is said loudly, again and again; every change stands in the audit trail; no word of an entry does."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from logstore.audit import entries
from logstore.db import reading, upgrade
from proxy.statutory_watch import StatutoryAlarm
from tests.categories.statutory_rig import NOW
from tests.proxy.statutory_office import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with a store."""
    made = Office(tmp_path)
    (made.data / "store").mkdir()
    upgrade(made.data / "store")
    return made


def test_it_is_said_at_once_and_again_every_hour_until_it_is_right(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    alarm = StatutoryAlarm(office.data / "store")

    def said(minutes: int) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            at = NOW + timedelta(minutes=minutes)
            alarm.say(office.look(at), at)
        return [record.levelname for record in caplog.records]

    assert said(0) == ["CRITICAL"]
    assert said(1) == []
    assert said(59) == []
    assert said(60) == ["CRITICAL"]
    office.put("iwf", created=NOW + timedelta(minutes=61))
    assert said(61) == ["CRITICAL"], "something else is wrong now"
    office.put("ctiru", created=NOW + timedelta(minutes=62))
    assert said(62) == ["WARNING"]
    assert said(63) == []


def test_it_is_said_when_everything_is_closed(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    StatutoryAlarm(office.data / "store").say(office.look(settings=office.settings(when_missing="stop")), NOW)
    assert "NOT COMPLIANT" in caplog.text
    assert "everything is closed" in caplog.text


def test_every_change_stands_in_the_audit_trail_once(office: Office) -> None:
    alarm = StatutoryAlarm(office.data / "store")
    assert alarm.write(office.look(), NOW) == 1
    office.put_all()
    assert alarm.write(office.look(), NOW) == 3, "two lists in force, and compliant"
    assert alarm.write(office.look(), NOW) == 0
    office.put("iwf", 2)
    assert alarm.write(office.look(), NOW) == 1
    office.file("iwf").unlink()
    assert alarm.write(office.look(), NOW) == 1
    with reading(office.data / "store") as connection:
        lines = entries(connection)[::-1]
    assert [line.what for line in lines] == [
        "statutory compliance",
        "statutory list in force",
        "statutory list in force",
        "statutory compliance",
        "statutory list in force",
        "statutory compliance",
    ]
    newer = lines[4]
    assert (newer.subject, newer.before["number"], newer.after["number"]) == ("statutory/iwf", 1, 2)
    assert lines[5].after["compliant"] is False
    assert "listed" not in str(lines)


def test_what_could_not_be_written_is_written_later(office: Office) -> None:
    alarm = StatutoryAlarm(office.data / "store")
    catalog = office.data / "store" / "catalog.db"
    away = catalog.rename(catalog.with_suffix(".away"))
    with pytest.raises(Exception, match="catalog"):
        alarm.write(office.look(), NOW)
    away.rename(catalog)
    assert alarm.write(office.look(), NOW) == 1
