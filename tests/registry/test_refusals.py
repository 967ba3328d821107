"""Programs that refuse to be read: what counts, what does not, and for how long.

Shows: `registry.caution`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from categories.taxonomy import load_taxonomy
from logstore.encoding import Fact
from policy.kinds import kinds_of
from policy.model import Action
from policy.overrides import Override
from registry.caution import caution
from registry.change import By, RegistryError
from registry.overrides import add
from registry.refusals import Learning, dismiss, facts, file_all, forget, forget_dismissed, suggestions
from tests.policy.lists import PlainIndex
from tests.registry.conftest import AT, trail

LEARNING = Learning(devices=3, days=14, hosts=4)
APP = "api.app.example"
TECHNICIAN = By("technician-1", AT, "the app pins its certificate")


def seen(kind: str, at: datetime = AT, **what: Any) -> Fact:
    return Fact(kind, 0, {"at": at.isoformat(), **what})


def refused(device: str, host: str = APP, at: datetime = AT, **more: Any) -> Fact:
    told = {"site": "oakwood", "staff": False, "sign": "unknown-ca", **more}
    return seen("tls-refused", at, device=device, host=host, **told)


def accepts(*devices: str, at: datetime = AT) -> list[Fact]:
    return [seen("tls-accepts", at, device=device) for device in devices]


def learn(connection: Connection, *facts: Fact) -> None:
    assert file_all(connection, facts, LEARNING.window) == len(facts)


def hosts(connection: Connection, at: datetime = AT, site: str | None = None) -> list[str]:
    return [one.host for one in suggestions(connection, at, LEARNING, site)]


THREE = [refused("d1"), refused("d2"), refused("d3")]
TRUSTING = accepts("d1", "d2", "d3")


def test_three_devices_that_trust_us_elsewhere_make_a_suggestion(connection: Connection) -> None:
    """It says who: how many devices, of staff among them, where, how, since when and until when."""
    yesterday = AT - timedelta(days=1)
    more = [refused("d1", at=yesterday, sign="closed"), refused("d3", site="hillview", staff=True)]
    learn(connection, *THREE[:2], *more, *TRUSTING)
    (one,) = suggestions(connection, AT, LEARNING)
    assert (one.host, one.devices, one.staff_devices, one.days, one.times) == (APP, 3, 1, 2, 4)
    assert (one.sites, one.signs) == (("hillview", "oakwood"), ("closed", "unknown-ca"))
    assert (one.first_at, one.last_at, one.expires_at) == (yesterday, AT, AT + timedelta(days=14))
    assert facts(one)["signs"] == ["closed", "unknown-ca"]
    assert trail(connection) == [], "nothing was decided"


@pytest.mark.parametrize(
    "learned",
    [
        pytest.param([*THREE[:2], *TRUSTING], id="too few"),
        pytest.param([THREE[0]] * 9 + TRUSTING, id="one device, often"),
        pytest.param(THREE, id="devices without our CA"),
        pytest.param([*THREE, *TRUSTING[:2]], id="one of them without our CA"),
        pytest.param([*THREE, *TRUSTING, seen("tls-taken", host=APP)], id="somebody took our certificate for it"),
        pytest.param(
            [*THREE, *TRUSTING, *(refused("d1", f"h{n}.example") for n in range(4))], id="one that refuses everything"
        ),
        pytest.param([*THREE, *accepts("d1", "d2", "d3", at=AT - timedelta(days=15))], id="trusted us long ago"),
    ],
)
def test_what_makes_no_suggestion(connection: Connection, learned: list[Fact]) -> None:
    learn(connection, *learned)
    assert hosts(connection) == []


def test_it_expires_and_what_devices_did_is_forgotten(connection: Connection) -> None:
    """No device is named in the tables for longer than it counts."""
    learn(connection, *THREE, *TRUSTING)
    assert hosts(connection, AT + timedelta(days=13)) == [APP]
    assert hosts(connection, AT + timedelta(days=15)) == []
    assert forget(connection, AT + timedelta(seconds=1), dry_run=True) == 6
    later = AT + timedelta(days=14, seconds=1)
    learn(connection, *accepts("d9", at=later))
    assert forget(connection, later) == 0
    assert forget(connection, later + timedelta(seconds=1)) == 1


def test_a_site_sees_what_its_own_devices_refused(connection: Connection) -> None:
    learn(connection, *THREE, *TRUSTING)
    assert hosts(connection, site="oakwood") == [APP]
    assert hosts(connection, site="hillview") == []


def test_dismissed_it_is_quiet_for_a_while(connection: Connection) -> None:
    """With a reason, in the trail, and no longer than that."""
    learn(connection, *THREE, *TRUSTING)
    with pytest.raises(RegistryError, match="needs a reason"):
        dismiss(connection, APP, By("technician-1", AT, ""))
    with pytest.raises(RegistryError, match="before it began"):
        dismiss(connection, APP, TECHNICIAN, AT)
    assert dismiss(connection, APP, TECHNICIAN) == AT + timedelta(days=90)
    assert dismiss(connection, APP, TECHNICIAN, AT + timedelta(days=3)) == AT + timedelta(days=3)
    assert hosts(connection) == []
    assert hosts(connection, AT + timedelta(days=4)) == [APP]
    assert [line[:3] for line in trail(connection)] == [("technician-1", "bypass.dismiss", APP)] * 2
    assert forget_dismissed(connection, AT + timedelta(days=4)) == 1


@pytest.mark.parametrize(
    ("override", "left", "passed"),
    [
        (Override(0, Action.BYPASS, "host:app.example"), [], ()),
        (Override(0, Action.BYPASS, f"host:{APP}", site="oakwood"), [APP], ("override-1",)),
        (Override(0, Action.ALLOW, f"host:{APP}"), [APP], ()),
        (Override(0, Action.BYPASS, "host:pp.example"), [APP], ()),
    ],
)
def test_what_passes_already_is_not_suggested(
    connection: Connection, override: Override, left: list[str], passed: tuple[str, ...]
) -> None:
    learn(connection, *THREE, *TRUSTING)
    add(connection, override, TECHNICIAN)
    found = suggestions(connection, AT, LEARNING)
    assert [one.host for one in found] == left
    assert [one.passed for one in found] == [passed] * len(left)


def test_a_fact_nobody_can_read_holds_nothing_up(connection: Connection) -> None:
    odd = [
        Fact("tls-refused", 0, {}),
        seen("tls-accepts", device=7),
        seen("tls-taken", host=""),
        refused("d", sign=None),
    ]
    assert file_all(connection, [*odd, *THREE, *TRUSTING], LEARNING.window) == 6
    assert hosts(connection) == [APP]


LISTS = {
    "pornography": ["porn.example"],
    "vpn": ["vpn.example"],
    "child-abuse": ["illegal.example", "half.example/page"],
    "web-hosting": ["pages.host.example"],
    "help": ["h.example", "api.aid.example/page"],
    "games": ["api.forum.example/play", "forum.example/chess"],
    "gambling": ["forum.example/bets"],
}


@pytest.mark.parametrize(
    ("host", "never", "words"),
    [
        ("api.porn.example", True, ""),
        ("vpn.example", True, ""),
        ("illegal.example", True, ""),
        ("cdn.half.example", True, ""),
        ("192.0.2.7", True, ""),
        ("github.io", True, ""),
        ("a..b", True, ""),
        ("pages.host.example", False, "much besides one program"),
        ("app.co.uk", False, "whole domain"),
        ("api.app.co.uk", False, ""),
        ("api.forum.example", False, "pages of it are listed (Gambling, Games): it is read all the same"),
        ("forum.example", False, "is closed; this is a whole domain"),
        ("api.aid.example", False, ""),
    ],
)
def test_what_speaks_against_passing_a_host_unread(host: str, never: bool, words: str) -> None:
    found = caution(host, PlainIndex(LISTS), kinds_of(load_taxonomy()))
    assert found.never == never
    assert words in found.words
    assert bool(words) == bool(found.words)
