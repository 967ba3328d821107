"""A record that cannot be read: what the service's log says of it, and what it must not."""

from __future__ import annotations

import sqlite3

import pytest

from console.roles import Role
from tests.console.rig import Console, send


def test_a_record_that_cannot_be_read_does_not_tell_the_log_who_was_searched(
    console: Console, caplog: pytest.LogCaptureFixture
) -> None:
    console.store({"user": "pupil-0417", "host": "advice.example"})
    browser = console.signed_in(Role.SAFEGUARDING)
    assert send(browser, "/reason", user="pupil-0417", why="asked by the head", next="/log").status_code == 303
    with sqlite3.connect(console.data / "store" / "catalog.db") as catalog:
        catalog.execute('ALTER TABLE dim_user RENAME COLUMN "key" TO other')
    catalog.close()
    assert browser.get("/log.json", params={"user": "pupil-0417", "host": "advice.example"}).status_code == 503
    assert "the store does not answer: OperationalError" in caplog.text
    assert "pupil-0417" not in caplog.text
    assert "advice.example" not in caplog.text
