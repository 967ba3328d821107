"""No list comes from inside the school unless the settings name the server: nobody has the gateway ask for them.

Shows: `proxy.list_settings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from addons.destinations import read_destinations
from categories.fetch import FetchProblem, Limits, Remote, fetch
from proxy.listservers import connect_by, refusal
from proxy.listupdate import update
from proxy.settings import Settings, SettingsError, parse_settings
from registry.sources import Source
from tests.rig.listserver import ListServer

LIST = b"games.example\nmore.example\n"


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer(files={"/games.txt": LIST}) as server:
        yield server


@pytest.mark.parametrize("named", ["", "10.9.0.0/16", "127.0.0.1:9", "lists.school.example"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_gateway_asks_nobody_inside(tmp_path: Path, server: ListServer, named: str, host: str) -> None:
    """The update says why, and which setting would allow it."""
    settings = Settings(data=tmp_path, list_servers=(named,) if named else ())
    source = Source("city", server.url("/games.txt").replace("127.0.0.1", host), "domains", "games")
    (one,) = update(settings, [source], datetime.now(UTC)).outcomes
    assert (one.state, server.asked) == ("failed", [])
    assert f"{host} leads to where no list comes from" in one.what
    assert "the settings can name a server inside in `list_servers`" in one.what


def test_every_connection_is_judged_by_where_the_name_leads(tmp_path: Path, server: ListServer) -> None:
    """Of the list, its checksum and its signature."""
    judged: list[tuple[str, int, str]] = []

    def inside(address: str, port: int, name: str) -> str | None:
        judged.append((address, port, name))
        return "loopback" if name == "localhost" else None

    limits = Limits(connect=connect_by(inside))
    place = server.url("/games.txt")
    assert fetch(Remote(place, tree=False), tmp_path / "plain", limits=limits).folder is not None
    assert judged == [("127.0.0.1", server.port, "127.0.0.1")]
    named, asked = place.replace("127.0.0.1", "localhost"), len(server.asked)
    for remote in (Remote(named, tree=False), Remote(place, tree=False, checksum_url=named)):
        with pytest.raises(FetchProblem, match="localhost leads to where no list comes from: loopback"):
            fetch(remote, tmp_path / "named", limits=limits)
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "fe80::1", "fd00::1", "::ffff:10.0.0.1",
        "0.0.0.0", "100.64.0.1", "64:ff9b::a9fe:a9fe", "203.0.113.7",
    ],
)  # fmt: skip
def test_addresses_inside_are_no_place_for_lists(address: str) -> None:
    """Nor is that of a cloud's metadata, nor one of this machine; the Internet is, and what the settings name."""
    told = ("10.1.2.3:8443", "lists.school.example")
    inside = read_destinations(told, {}, own_ports=(), own_addresses=("203.0.113.7",), own_names=())
    assert refusal(inside, address, 443, "lists.example")
    assert refusal(inside, "93.184.215.14", 443, "lists.example") is None
    assert refusal(inside, address, 443, "LISTS.school.example.") is None
    assert refusal(inside, "10.1.2.3", 8443, "10.1.2.3") is None


def test_the_settings_name_servers_in_words_that_can_be_read() -> None:
    with pytest.raises(SettingsError, match="no network, address or host name"):
        parse_settings("list_servers: ['-?-']\n", "schoolgate.yaml")
