"""Bytes of a decrypted tunnel take the short way; whatever happens to either end, what comes is what always came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from addons.shortway import ShortWay
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.clients import Browser
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way events went, in order: `short`, or `long` with the event's kind."""
    seen: list[str] = []
    received, handle = ShortWay._received, ShortWay.handle_event

    def short(self: ShortWay, *arguments: Any) -> Any:
        seen.append("short")
        return received(self, *arguments)

    def either(self: ShortWay, event: Any) -> Any:
        before = len(seen)
        found = handle(self, event)
        if len(seen) == before:
            seen.append(f"long {type(event).__name__}")
        return found

    monkeypatch.setattr(ShortWay, "_received", short)
    monkeypatch.setattr(ShortWay, "handle_event", either)
    return seen


@pytest.fixture
def host(tmp_path: Path, origin: Origin, authority: Authority) -> Iterator[Host]:
    with Host(tmp_path, origin.address, trust=authority.pem).running() as running:
        yield running


def browser(host: Host) -> Browser:
    """A browser that keeps its connections."""
    return Browser(host)  # type: ignore[arg-type]


def test_pages_of_a_kept_connection_take_the_short_way(host: Host, name: str, ways: list[str]) -> None:
    """All but what comes before HTTP is known; a row for each."""
    with browser(host) as pupil:
        assert [pupil.fetch(f"https://{name}/page").status for _ in range(5)] == [200] * 5
    assert ways.count("short") >= 8  # a question and an answer each, but for the first
    assert len([row for row in host.rows() if row.method == "GET"]) == 5


@pytest.mark.parametrize("size", [0, 1, 16_384, 1_000_000])
def test_answers_and_uploads_of_every_size_come_whole(host: Host, name: str, size: int) -> None:
    """In one piece or in many."""
    with browser(host) as pupil:
        for _ in range(2):
            assert len(pupil.fetch(f"https://{name}/large?bytes={size}").body) == size
            assert pupil.fetch(f"https://{name}/upload", method="POST", body=b"x" * size).status == 200


def test_an_origin_that_closes_is_reached_anew(host: Host, origin: Origin, name: str, ways: list[str]) -> None:
    """The pupil's connection stays; the next page is asked for on another one of the origin's."""
    master = host.master
    assert master is not None

    def ends() -> list[int]:
        return [len(one.transports) for one in list(master.server.connections.values())]

    with browser(host) as pupil:
        assert pupil.fetch(f"https://{name}/page").status == 200
        hellos = origin.hellos(name)
        assert pupil.fetch(f"https://{name}/last").status == 200
        wait_for(lambda: host.call(ends) == [1], "the origin's end to be gone")
        assert [pupil.fetch(f"https://{name}/page").status for _ in range(3)] == [200] * 3
    assert origin.hellos(name) == hellos + 1
    assert "long ConnectionClosed" in ways


def test_a_closed_page_in_between_changes_nothing(host: Host, name: str) -> None:
    """Ours, and then the origin's again, on one connection."""
    with browser(host) as pupil:
        assert pupil.fetch(f"https://{name}/page").status == 200
        assert pupil.fetch(f"https://{name}/page", headers={"Host": "games.schoolgate.test"}).status == 403
        assert pupil.fetch(f"https://{name}/page").status == 200


def test_a_client_that_leaves_in_the_middle_ends_its_exchange(host: Host, name: str) -> None:
    """Its row says so, and the next one is served."""
    with browser(host) as pupil:
        connection = pupil._connect("https", name, 443)
        connection.request("GET", "/slow?seconds=5")
        wait_for(host.rows, "the request to be on record")
        connection.close()
        wait_for(lambda: [one.error for one in host.endings().values()] == ["client left"], "its ending")
    with browser(host) as other:
        assert other.fetch(f"https://{name}/page").status == 200
