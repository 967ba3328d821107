"""The lesson begins: what was open at lunch and is closed now ends, though nobody asks for anything.

Shows: `addons.recheck`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.rig.certificates import Authority
from tests.rig.clients import websocket
from tests.rig.clock import Clock
from tests.rig.gateway import POLICY, TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.tools import need_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
LUNCH = datetime(2026, 11, 24, 12, 20, tzinfo=UTC)
LESSON = datetime(2026, 11, 24, 13, 20, tzinfo=UTC)
GAME = "wss://quiz.roblox.com/websocket"
TIMETABLE = """
calendar: {terms: [{from: 2026-09-02, to: 2026-12-18}]}
schedules: {lesson: {days: mon-fri, in: term, times: ["13:10-15:15"]}}
"""


@pytest.fixture
def school(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[tuple[Gateway, Clock]]:
    """A gateway at lunch, whose policy closes games in lessons."""
    clock = Clock(tmp_path / "clock", need_library("*/faketime/libfaketimeMT.so.1", "faketime"))
    clock.set(LUNCH)
    policy = tmp_path / "timetable.yaml"
    text = POLICY.read_text(encoding="utf-8").replace("groups:\n", TIMETABLE + "groups:\n", 1)
    policy.write_text(text.replace("what: [games]", "what: [games]\n        when: [lesson]", 1), encoding="utf-8")
    gateway = Gateway(
        tmp_path, origin=origin.address, trust=authority.pem, policy=policy, environment=clock.environment
    )
    try:
        gateway.start()
        yield gateway, clock
        gateway.stop()
    finally:
        with contextlib.suppress(Exception):
            print(gateway.output[-3000:])
        gateway.kill()


def test_a_game_opened_at_lunch_ends_when_the_lesson_begins(school: tuple[Gateway, Clock]) -> None:
    """Year 4's game is cut and cannot be opened again; the teacher's own stays open."""
    gateway, clock = school
    with (
        websocket(gateway, GAME, source=YEAR_4, any_time=True) as game,
        websocket(gateway, GAME, source=TEACHER, any_time=True) as quiz,
    ):
        for socket in (game, quiz):
            socket.send("still there?")
            assert socket.recv(timeout=10) == "still there?"
        clock.set(LESSON)
        with pytest.raises(ConnectionClosed):
            game.recv(timeout=60)
        quiz.send("and you?")
        assert quiz.recv(timeout=10) == "and you?"
    with pytest.raises(InvalidStatus), websocket(gateway, GAME, source=YEAR_4, any_time=True):
        pass
