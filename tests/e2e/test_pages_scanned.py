"""What stands on a page closes it before anybody sees it: real workers, real sockets, real pages.

Shows: `addons.pagecheck`, `addons.holding`, `addons.pagebody`.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from tests.rig.clients import Answer, Browser, Raw, trusting
from tests.rig.gateway import PLACES, TEACHER, YEAR_4, Gateway
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
YEAR_8 = "127.0.4.8"
"""A Year 8 pupil's machine."""
YEAR_12 = "127.0.5.12"
"""A sixth former's."""
LIST = """
< sword ><60>
< dagger ><60>
<crossbow>,< bolts ><130>
< museum of arms >
< arms fair ><40>
"""
SPARED = "< royal armouries >\n"
WORDS = '"war hammer"\n'
POLICY = """
schoolgate: 1
trust: Laboratory Trust
groups:
  teaching-staff: {band: staff, title: Teaching staff}
  year-4: {band: ks2}
sites:
  oakwood: {title: Oakwood}
  hillview: {title: Hillview}
page_limits: {ks3: 100, ks5: 125}
policies:
  - tier: default
    rules:
      - {rule: no-weapons, who: [pupils], what: [weapons], action: block}
      - {rule: think, who: [ks3], what: [gambling], action: warn}
      - {rule: rest, what: [anything], action: allow}
"""
HEAD = "Content-Type: text/html; charset=utf-8"
BAD = "<html><head><title>Blades</title></head><body><p>A <b>sword</b> and a dagger.</p></body></html>"
GOOD = "<html><head><title>Towers</title></head><body><p>A tower and a moat.</p></body></html>"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A gateway with phrase lists that ask for pages."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "arms.txt").write_text(LIST)
    (folder / "spared.txt").write_text(SPARED)
    (folder / "tools.txt").write_text(WORDS)
    (folder / "odds.txt").write_text("< each way bet ><120>\n")
    (folder / "lab.yaml").write_text(POLICY)
    settings = {
        "lists": [
            source("arms", "weapons", limit=60),
            source("spared", "set-aside", kind="exception-phrases"),
            source("tools", "weapons"),
            source("odds", "gambling", limit=60),
        ],
        "pages": {"hold_bytes": 64 * 1024, "hold_seconds": 1.5, "scan_bytes": 512 * 1024},
        "identity": {
            "places": [
                *PLACES,
                {"network": "127.0.4.0/24", "site": "hillview", "band": "ks3"},
                {"network": "127.0.5.0/24", "site": "hillview", "band": "ks5"},
            ]
        },
    }
    gateway = Gateway(folder, origin=origin.address, trust=authority.pem, settings=settings, policy=folder / "lab.yaml")
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


def source(name: str, category: str, *, kind: str = "phrases", limit: int = 60) -> dict[str, Any]:
    """One list of the settings."""
    return {
        "name": name, "path": f"{name}.txt", "format": kind, "category": category, "limit": limit, "apply_to": ["page"],
    }  # fmt: skip


def page_url(name: str, *pieces: str | bytes, scheme: str = "https", **told: Any) -> str:
    """A URL whose origin answers with these pieces."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    told = {"pieces": [base64.b64encode(piece).decode() for piece in raw], **told}
    return f"{scheme}://{name}/written?page={base64.urlsafe_b64encode(json.dumps(told).encode()).decode()}"


def fetch(school: Gateway, url: str, source: str = YEAR_8, **more: Any) -> Answer:
    """What a browser gets."""
    with Browser(school, source=source) as browser:
        return browser.fetch(url, **more)


def row(school: Gateway, name: str) -> dict[str, Any]:
    """Its one row."""
    return school.wait_for_rows(1, host=name)[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_bad_words_close_a_page_for_a_pupil(school: Gateway, name: str, scheme: str) -> None:
    """Nothing of the page reaches Year 8; the row tells list, phrases, score and limit, and the page's title."""
    answer = fetch(school, page_url(name, BAD, scheme=scheme))
    assert answer.status == 403
    assert b"sword" not in answer.body
    found = row(school, name)
    assert (found["action"], found["blocked"], found["reason"]) == ("block", True, "content")
    assert (found["stage"], found["ending"], found["rule"], found["tier"]) == (
        "response",
        "blocked",
        "no-weapons",
        "default",
    )
    assert (found["list"], found["category"], found["title"]) == ("arms", "weapons", "Blades")
    assert found["entry"] == "< dagger ><60> < sword ><60> (120 points, limit 100)"


def test_staff_see_the_same_page_untouched(school: Gateway, name: str) -> None:
    """No rule closes weapons for them, so nothing is held either."""
    answer = fetch(school, page_url(name, BAD), TEACHER)
    assert (answer.status, answer.body) == (200, BAD.encode())
    assert row(school, name)["note"] is None


def test_each_band_has_its_own_limit(school: Gateway, name: str) -> None:
    """120 points: too many for Year 8 (100) and Year 4 (the list's 60), not for the sixth form (125)."""
    url = page_url(name, BAD)
    assert [fetch(school, url, source).status for source in (YEAR_8, YEAR_4, YEAR_12)] == [403, 403, 200]


def test_a_good_page_is_what_the_origin_sent(school: Gateway, name: str) -> None:
    """To the byte, and its row says nothing of having been looked at."""
    answer = fetch(school, page_url(name, GOOD))
    assert (answer.status, answer.body) == (200, GOOD.encode())
    found = row(school, name)
    assert (found["blocked"], found["note"], found["title"], found["bytes_down"]) == (False, None, "Towers", len(GOOD))


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("gzip", lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:])),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_packed_pages_are_unpacked(school: Gateway, name: str, encoding: str, pack: Any, chunked: bool) -> None:
    """As browsers do; what is good goes out packed as it came."""
    head = [HEAD, f"Content-Encoding: {encoding}"]
    assert fetch(school, page_url(name, pack(BAD.encode()), head=head, chunked=chunked)).status == 403
    good = pack(GOOD.encode())
    answer = fetch(school, page_url(name, good, head=head, chunked=chunked))
    assert (answer.status, answer.body) == (200, good)


@pytest.mark.parametrize(
    "pieces",
    [
        ("<p>A sw", "ord and a dag", "ger.</p>"),
        ("<p>A s<b>w</b>o<i>r</i>d and <span>dag</span>ger.</p>",),
        ("<p>A s&#119;ord and a&nbsp;dagger&period;</p>",),
        ("<p>A SWORD and \uff24\uff21\uff27\uff27\uff25\uff32",),
        ("<p>A “sword” and a sw\u00ador\u200bd-like dag\u00adger.</p>",),
        ("<p>Bolts <!-- of --> and many a cross<wbr>bow</p>",),
        ("<title>x<script></title><p>A sword, a dagger</p>",),
        ("<p>A war-hammer.</p>",),
    ],
    ids=["chunks", "tags", "entities", "wide", "invisible", "combination", "in-a-title", "plain-words"],
)
def test_however_the_words_are_cut(school: Gateway, name: str, pieces: Sequence[str]) -> None:
    """Between chunks, by tags within a line, by entities, by characters nobody sees."""
    assert fetch(school, page_url(name, *pieces, chunked=True, pause=0.02)).status == 403


@pytest.mark.parametrize(
    "page",
    [
        "<script>var sword = 'dagger'; // sword dagger</script><p>fine",
        "<style>.sword, .dagger { }</style><p>fine",
        '<a class="sword dagger" href="/sword/dagger">fine</a>',
        "<!-- a sword and a dagger --><p>fine",
        "<p>swordfish and cloak-and-daggers",
        "<p>A sword and a dagger at the Royal Armouries",
    ],
    ids=["script", "style", "attributes", "comment", "other-words", "exception"],
)
def test_what_nobody_reads_or_what_speaks_for_it_closes_nothing(school: Gateway, name: str, page: str) -> None:
    """Scripts, styles, attributes, comments; borders of words; an exception phrase."""
    answer = fetch(school, page_url(name, page))
    assert (answer.status, answer.body) == (200, page.encode())


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        ("Content-Type: text/html; charset=utf-16le", "utf-16-le"),
        ("Content-Type: text/html; charset=no-such-thing", "utf-8"),
        ("Content-Type: text/html", "cp1252"),
        ("Content-Type: text/plain; charset=iso-8859-1", "cp1252"),
        ("X-Nothing: 1", "utf-8"),
    ],
)
def test_whatever_its_charset(school: Gateway, name: str, head: str, charset: str) -> None:
    """Declared, undeclared, unknown; and an answer that does not say what it is."""
    page = "é A sword and a dagger".encode(charset)
    assert fetch(school, page_url(name, page, head=[head])).status == 403


def test_a_warning_can_be_gone_past(school: Gateway, name: str) -> None:
    """Words may warn; after the button the page opens, and the row names the rule."""
    url = page_url(name, "<p>An each way bet.</p>")
    with Browser(school, source=YEAR_8) as browser:
        warning = browser.fetch(url)
        assert warning.status == 403
        action = warning.text.partition('action="')[2].partition('"')[0].replace("&amp;", "&")
        pressed = browser.fetch(f"https://{name}{action}", method="POST")
        assert pressed.status == 303
        assert browser.fetch(url).body == b"<p>An each way bet.</p>"


def test_head_range_not_modified_and_downloads_are_never_held(school: Gateway, name: str) -> None:
    """There is no page to look at; a part of one passes, and its row says that it was not looked at."""
    assert fetch(school, page_url(name, BAD), method="HEAD").status == 200
    assert fetch(school, page_url(name, BAD, status="304 Not Modified")).status == 304
    head = [HEAD, "Content-Disposition: attachment; filename=arms.html"]
    assert fetch(school, page_url(name, BAD, head=head)).body == BAD.encode()
    head = [HEAD, f"Content-Range: bytes 1-{len(BAD)}/9999"]
    part = {"Range": "bytes=1-", "Accept": "*/*"}
    assert (
        fetch(school, page_url(name, BAD, head=head, status="206 Partial Content"), headers=part).body == BAD.encode()
    )
    assert fetch(school, page_url(name, BAD, head=["Content-Type: application/json"])).body == BAD.encode()
    notes = [row["note"] for row in school.wait_for_rows(5, host=name)]
    assert sorted(filter(None, notes)) == ["not-scanned:range"]


def test_a_part_nobody_asked_for_is_a_page(school: Gateway, name: str) -> None:
    """And of a page nobody asks for a part: the origin is asked for all of it."""
    head = [HEAD, f"Content-Range: bytes 1-{len(BAD)}/9999"]
    url = page_url(name, BAD, head=head, status="206 Partial Content")
    assert fetch(school, url).status == 403
    assert fetch(school, url, headers={"Range": "bytes=1-"}).status == 403


@pytest.mark.parametrize(
    ("head", "page"),
    [
        ([HEAD, "Content-Encoding: none"], BAD.encode()),
        ([HEAD, "Content-Encoding: utf-8"], BAD.encode()),
        ([HEAD, "Content-Encoding: gzip, gzip"], gzip.compress(gzip.compress(BAD.encode()))),
        (["Content-Type: text/html", "Content-Type: text/html"], BAD.encode()),
        (["Content-Type: text/html; charset=utf16"], BAD.encode()),
        (["Content-Type: text/html; charset=unicode"], BAD.encode("utf-16-le")),
        (["Content-Type: image/svg+xml"], b"<svg><style/><text>A sword and a dagger</text></svg>"),
        ([HEAD], b"<svg><defs><style/></defs></svg>" + BAD.encode()),
        ([HEAD], BAD.replace("sword", "sw<!-- -->o<x-y></x-y>rd").encode()),
        ([HEAD, "Content-Encoding: gzip"], gzip.compress(b"<p>&#" + b"1" * 40_000 + b"; " + BAD.encode())),
    ],
)
def test_heads_and_markup_hide_nothing_that_a_browser_shows(
    school: Gateway, name: str, head: list[str], page: bytes
) -> None:
    """Codings that are none, types told twice, charsets by other names, elements that close themselves."""
    assert fetch(school, page_url(name, page, head=head)).status == 403


def test_a_mark_cut_by_a_pause_is_heeded(school: Gateway, name: str) -> None:
    """One octet of a byte order mark, until nobody waits any longer; then the rest."""
    page = BAD.encode("utf-16")
    url = page_url(name, page[:1], page[1:], pause=2.5, chunked=True, head=["Content-Type: text/html"])
    with pytest.raises((OSError, http.client.HTTPException)):
        fetch(school, url)
    assert row(school, name)["blocked"]


def test_an_unknown_encoding_passes_and_the_row_says_so(school: Gateway, name: str) -> None:
    """What no browser of today asks for."""
    answer = fetch(school, page_url(name, BAD, head=[HEAD, "Content-Encoding: compress"]))
    assert (answer.status, answer.body) == (200, BAD.encode())
    assert row(school, name)["note"] == "not-scanned:encoding"
    assert 'schoolgate_pages_not_scanned_total{why="encoding"}' in school.metrics()


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


@pytest.mark.parametrize(("page", "status"), [(BAD, 1), (GOOD, 0)])
def test_explain_says_what_the_filter_does(school: Gateway, tmp_path: Path, page: str, status: int) -> None:
    """The same engine, the same words, the same evidence."""
    file = tmp_path / "page.html"
    file.write_text(page)
    done = school.command("explain", "https://a.example/", "--band", "ks3", "--text-file", str(file), "--json")
    assert done.returncode == status, done.stderr
    told = json.loads(done.stdout)
    assert told["stage"] == ("response" if status else told["stage"])
    if status:
        assert (told["reason"], told["entry"]) == ("content", "< dagger ><60> < sword ><60> (120 points, limit 100)")


def test_what_was_looked_at_is_counted(school: Gateway, name: str) -> None:
    """By what came of it, with the time it took."""
    fetch(school, page_url(name, BAD))
    fetch(school, page_url(name, GOOD))
    text = wait_for(school.metrics, "metrics")
    for line in ('pages_scanned_total{outcome="closed"}', 'pages_scanned_total{outcome="passed"}'):
        assert f"schoolgate_{line}" in text
    assert "schoolgate_page_scan_seconds_count" in text
