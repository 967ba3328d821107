"""What stands on a page closes it before anybody sees it: real workers, real sockets, real pages.

Shows: `addons.pagecheck`, `addons.holding`, `addons.pagebody`, `addons.pageremarks`.
"""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.pages import BAD, GOOD, HEAD, YEAR_8, YEAR_12, fetch, page_url, reading_school, row
from tests.rig.routes import broken
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A school whose gateway reads pages."""
    yield from reading_school(tmp_path_factory.mktemp("pages"), origin, authority)


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


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_a_page_of_which_the_end_is_not_to_be_had_says_so(school: Gateway, name: str, encoding: str) -> None:
    """Broken behind more than is kept to be undone again: the last octets pass unread, and the row tells."""
    answer = fetch(school, f"http://{name}/broken?encoding={encoding}")
    assert (answer.status, answer.body) == (200, broken(encoding))
    assert row(school, name)["note"] == "not-scanned:encoding"


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
