"""What is asked ahead and never has its turn has a row that says why; and the request before it keeps a true one.

Shows: `addons.httplayers`, `addons.refusedbytes`.
"""

from __future__ import annotations

import contextlib

import pytest

from addons import httplayers
from tests.addons.host import Host
from tests.addons.test_cutting import Row, connections, request
from tests.rig.clients import Raw, trusting
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

PLACES = pytest.mark.parametrize("inside", [False, True], ids=["at the proxy", "in a tunnel"])
BEHIND = {"a request": 1.0, "two of them": 2.0, "half of one": 0.5, "empty lines": 0.0}
"""What stands behind a request, in requests."""
ENDING = {
    "the client's wish": ("/page", ["Connection: close"], ("GET", "response", None)),
    "our page for a failure": ("/reset", [], ("GET", "error", "closed early")),
    "half an answer": ("/half", [], ("GET", "error", "closed early")),
}
"""What ends a connection behind its answer: path, fields, and the row of it."""


@pytest.fixture
def rows(host: Host) -> list[int]:
    """Rows that were there before."""
    wait_for(lambda: not connections(host), "what other tests left behind to end")
    return [row.id for row in host.rows()]


def to(raw: Raw, host: Host, name: str, inside: bool) -> None:
    """A connection to the proxy, or a tunnel's."""
    if inside:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name, trusting(host))


def rows_since(host: Host, before: list[int]) -> list[Row]:
    """What was recorded, once nothing is left to add to it."""
    wait_for(lambda: not connections(host), "the connection to be over")
    endings = host.endings()
    new = [row for row in host.rows() if row.id not in before]
    return sorted([(row.method, str(endings[row.id].kind), endings[row.id].error) for row in new])


def untaken(inside: bool, why: str) -> Row:
    """The row of what was asked ahead; that of a tunnel says where to."""
    return ("CONNECT", "aborted", why) if inside else ("-", "refused", why)


@PLACES
@pytest.mark.parametrize("ending", ENDING)
@pytest.mark.parametrize("behind", BEHIND)
def test_what_is_asked_behind_the_last_answer_has_a_row(
    host: Host, rows: list[int], name: str, behind: str, ending: str, inside: bool
) -> None:
    """Whatever ends the connection: nothing of it was decided or sent on, nobody left, and no site is to blame."""
    path, fields, row = ENDING[ending]
    more = request(name, "/page", inside=inside)
    with Raw(host) as raw:
        to(raw, host, name, inside)
        raw.send(request(name, path, *fields, inside=inside) + b"\r\n" + (more * 2)[: int(len(more) * BEHIND[behind])])
        raw.read_all()
        expected = [row, untaken(inside, "closed before its turn")] if BEHIND[behind] else [row]
        assert rows_since(host, rows) == sorted(expected, key=str)


def test_what_is_asked_behind_a_request_that_names_no_site_has_a_row(host: Host, rows: list[int], name: str) -> None:
    """A refusal of ours ends the connection before the request is looked at to its end."""
    with Raw(host) as raw:
        raw.send(b"GET / HTTP/1.1\r\n\r\n" + request(name, "/page"))
        raw.read_all()
        refused = ("-", "refused", "no destination")
        assert rows_since(host, rows) == [untaken(False, "closed before its turn"), refused]


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_what_is_asked_behind_pages_of_ours_has_one_row(host: Host, rows: list[int], name: str, pages: int) -> None:
    """However many of them were asked for at once, and answered in one turn."""
    blocked = request("games.schoolgate.test", "/page")
    last = request("games.schoolgate.test", "/page", "Connection: close")
    with Raw(host) as raw:
        raw.send(blocked * (pages - 1) + last + request(name, "/page"))
        raw.read_all()
        found = rows_since(host, rows)
    assert [row for row in found if row[0] == "-"] == [untaken(False, "closed before its turn")]
    assert len(found) == pages + 1


def test_behind_what_is_refused_nothing_is_a_request(host: Host, rows: list[int], name: str) -> None:
    """Where a head says two lengths, nobody can tell where its body ends: its own row tells of what follows it."""
    bad = request(name, "/upload", "Content-Length: 3", "Content-Length: 5", method="POST")
    with Raw(host) as raw:
        raw.send(request(name, "/page") + bad + request(name, "/page"))
        raw.read_all()
        assert [row[:2] for row in rows_since(host, rows)] == [("GET", "response"), ("POST", "error")]


@PLACES
def test_whoever_asks_too_much_ahead_is_shown_out(
    host: Host, origin: Origin, rows: list[int], name: str, inside: bool
) -> None:
    """The request whose answer is awaited says so as well: its site had only not answered yet."""
    with Raw(host) as raw:
        to(raw, host, name, inside)
        raw.send(request(name, "/hang", inside=inside))
        wait_for(lambda: origin.seen(name), "the site to be asked", every=0.02)
        more = request(name, "/page", inside=inside)
        with contextlib.suppress(OSError):  # it is counted as it comes, in pieces of up to as much
            raw.send(more * (4 * httplayers.limits.ahead // len(more)))
        raw.read_all()
        why = "too much asked ahead"
        assert rows_since(host, rows) == sorted([("GET", "aborted", why), untaken(inside, why)])
    assert len(origin.seen(name)) == 1
