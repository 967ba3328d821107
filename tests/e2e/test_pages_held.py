"""Pages that wait for their words: let go in time, cut when they turn bad, whoever leaves meanwhile.

Shows: `addons.holding`, `addons.pagebody`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rig.clients import Raw, trusting
from tests.rig.gateway import Gateway
from tests.rig.pages import BAD, GOOD, LIST, YEAR_8, fetch, page_url, reading_school, row
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A school whose gateway reads pages."""
    yield from reading_school(tmp_path_factory.mktemp("pages"), origin, authority)


def test_a_dribbling_page_is_let_go_in_time_and_cut_when_it_turns_bad(school: Gateway, name: str) -> None:
    """Held for 1.5 s, then shown as it comes; the words that close it are not, nor anything after them."""
    pieces = [*["<p>tower</p>\n"] * 8, "<p>a sword\n", "<p>a dagger\n", "<p>the end\n"]
    began = time.monotonic()
    with Raw(school, source=YEAR_8) as raw:
        url = page_url(name, *pieces, scheme="http", pause=0.4)
        raw.send(f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert b"200 OK" in raw.read_head()
        assert time.monotonic() - began < 3.0
        body = raw.read_all()
    assert b"tower" in body
    assert b"the end" not in body
    assert b"dagger" not in body
    found = row(school, name)
    assert (found["blocked"], found["action"], found["reason"]) == (True, "block", "content")
    assert (found["ending"], found["error"], found["status"]) == ("error", "page cut off", 200)


def test_a_page_of_five_megabytes_passes_with_what_was_looked_at(school: Gateway, name: str) -> None:
    """Shown from the first 64 kB on, looked at for half a megabyte of text, as set."""
    piece = b"<p>tower and moat</p>\n" * 1000
    answer = fetch(school, page_url(name, piece, order=[0] * 240))
    assert (answer.status, len(answer.body)) == (200, 240 * len(piece))
    told, _, far = row(school, name)["note"].removesuffix("k").partition(":")
    assert told == "scanned"
    assert 512 <= int(far) < 1024


def test_a_large_page_whose_rest_is_bad_is_cut(school: Gateway, name: str) -> None:
    """Beyond what is held, within what is looked at."""
    piece = b"<p>tower and moat</p>\n" * 1000
    url = page_url(name, piece, b"<p>sword and dagger</p>", order=[*[0] * 8, 1, *[0] * 8], scheme="http")
    with Raw(school, source=YEAR_8) as raw:
        raw.send(f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        body = raw.read_all()
    assert len(body) < 9 * len(piece)
    assert b"dagger" not in body
    assert row(school, name)["blocked"] is True


def test_a_client_that_leaves_while_a_page_is_held_has_its_row(school: Gateway, name: str) -> None:
    """Aborted, and nothing blocked."""
    url = page_url(name, "<p>tower", "<p>moat", scheme="http", pause=1.0)
    with Raw(school, source=YEAR_8) as raw:
        raw.send(f"GET {url} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        raw.socket.settimeout(0.4)
        with pytest.raises(TimeoutError):
            raw.socket.recv(1)
    found = row(school, name)
    assert (found["ending"], found["blocked"]) == ("aborted", False)
    wait_for(lambda: 'schoolgate_pages_scanned_total{outcome="left"}' in school.metrics(), "it to be counted")


def test_an_origin_that_breaks_off_a_held_page_is_our_page(school: Gateway, name: str) -> None:
    """The client knows nothing of it yet, so it can be told properly."""
    answer = fetch(school, f"https://{name}/half")
    assert answer.status == 502
    assert row(school, name)["ending"] == "error"


def test_connections_are_kept_after_a_closed_page(school: Gateway, name: str) -> None:
    """The next page comes on the same connection."""
    with Raw(school, source=YEAR_8) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name, trusting(school))
        for page, status in ((BAD, 403), (GOOD, 200), (BAD, 403)):
            target = page_url(name, page).removeprefix(f"https://{name}")
            raw.send(f"GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert raw.answer().status == status


def test_a_page_that_is_held_while_lists_change_meets_the_new_ones(school: Gateway, name: str) -> None:
    """It is looked at again, by what is in force when it is shown."""
    arms = school.folder / "arms.txt"
    target = page_url(name, "<p>A hal", "berd", " of old.</p>", scheme="http", pause=0.4)
    raw = socket.create_connection(school.address, 20, source_address=(YEAR_8, 0))
    try:
        arms.write_text(f"{LIST}< halberd ><200>\n")
        reload = school.start_command("reload")
        # Asked again and again while the lists change, so that one of them is held across the change.
        statuses = []

        def closed() -> bool:
            raw.sendall(f"GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                data += raw.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            while len(body) < length:
                body += raw.recv(65536)
            statuses.append(int(head.split()[1]))
            return statuses[-1] == 403

        wait_for(closed, "the new list to close the page", seconds=40)
        assert reload.wait(60) == 0
        assert set(statuses) <= {200, 403}
    finally:
        raw.close()
        arms.write_text(LIST)
        assert school.command("reload").returncode == 0
