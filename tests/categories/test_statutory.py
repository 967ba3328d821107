"""Statutory lists over all others: every spelling of a listed address meets them, near misses do not, none is read."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.model import EntryKind, Match
from categories.names import canonical_url
from categories.statutory import PREFIX, Installed, StatutoryIndex
from categories.statutory_bundle import Bundle
from categories.statutory_forms import WITHHELD
from categories.urlreadings import other_readings
from tests.categories.statutory_rig import ENTRIES, ISSUER
from tests.policy.lists import PlainIndex

BELOW = PlainIndex({"help": ["bad-host.test"], "games": ["filehost.test", "filehost.test/dir", "plain.test"]})
IWF = ISSUER.bundle()
CTIRU = ISSUER.bundle(["terror.test", "filehost.test/dir/listed-page", "filehost.test/pamphlet"], category="terrorism")
INDEX = StatutoryIndex([Installed("iwf", IWF), Installed("ctiru", CTIRU)], BELOW)


def listed(url: str) -> list[str]:
    """The statutory lists a URL is in."""
    return [match.list for match in INDEX.match(canonical_url(url)) if match.list.startswith(PREFIX)]


LISTED = [
    # a host covers everything on it and below it
    "http://bad-host.test/",
    "https://BAD-HOST.test./any/page?x=1",
    "https://user:secret@deep.www.bad-host.test:8443/",
    "http://bad-host。test/",
    "http://192.0.2.66/",
    "http://3221226050/x",
    "http://0xc0.0.2.0x42/",
    "http://[::ffff:192.0.2.66]/",
    # a page: with any query, in any spelling
    "http://filehost.test/dir/listed-page",
    "https://www.filehost.test/dir/listed-page",
    "https://FILEHOST.test:8080/dir/listed-page/",
    "http://filehost.test/dir/listed-page?x=1#top",
    "http://filehost.test/%64ir//./other/../LISTED%2dpage",
    "http://filehost.test/dir/%256Cisted-page",
    "http://filehost.test/dir%2Flisted-page",
    "http://filehost.test\\dir\\listed-page",
    "http://filehost.test/dir;x=1/listed-page;session=77",
    "http://filehost.test/dir%2Flisted-page;s",
    # parameters: whatever else is asked for
    "http://filehost.test/view?id=4711",
    "http://filehost.test/view/?lang=en&ID=4711&x=1",
    "http://filehost.test/view?%69d=%34711",
    "http://filehost.test/view?id=1;id=4711",
    "http://filehost.test/show?picture=77&album=9",
    "http://filehost.test/show?a=1&picture=77&b=2&album=9",
    "http://filehost.test/show?" + "&".join(f"p{n}={n}" for n in range(200)) + "&album=9&picture=77",
    # below a path
    "http://gallery.test/secret",
    "http://gallery.test/secret/",
    "http://gallery.test/secret/1/2/3.jpg?x",
]
NOT_LISTED = [
    "http://good-bad-host.test/",
    "http://bad-host.test.example/",
    "http://test/",
    "http://192.0.2.67/",
    "http://filehost.test/",
    "http://filehost.test/dir",
    "http://filehost.test/dir/listed-page/more",
    "http://filehost.test/dir/listed-pages",
    "http://cdn.filehost.test/dir/listed-page",
    "http://filehost.test/view",
    "http://filehost.test/view?id=47110",
    "http://filehost.test/view?id=4712",
    "http://filehost.test/viewer?id=4711",
    "http://filehost.test/show?album=9",
    "http://filehost.test/show?picture=77&album=8",
    "http://gallery.test/",
    "http://gallery.test/secrets",
    "http://gallery.test/a/secret",
]


@pytest.mark.parametrize("url", LISTED)
def test_a_listed_address_is_found_in_every_spelling(url: str) -> None:
    assert "statutory/iwf" in listed(url)


@pytest.mark.parametrize("url", NOT_LISTED)
def test_a_near_miss_is_left_alone(url: str) -> None:
    """Requirement I-02: by exact address, not by domain, unless the entry is a domain."""
    assert listed(url) == []


def spelled(text: str, seed: int) -> str:
    """`text` in a spelling that `seed` chooses: case and percent-encoding, up to twice."""
    out = []
    for place, letter in enumerate(text):
        way = hashlib.sha256(f"{seed}/{place}".encode()).digest()[0] % 5
        written = {0: letter.upper(), 1: f"%{ord(letter):02x}", 2: quote(f"%{ord(letter):02X}")}.get(way, letter)
        out.append(written if letter not in "/?&=" else letter)
    return "".join(out)


@given(
    st.sampled_from([entry for entry in ENTRIES if entry != "192.0.2.66"]),
    st.integers(0, 2**32),
    st.sampled_from(["http", "https", "wss", "ftp", "HTTP"]),
    st.sampled_from(["", ":80", ":8443"]),
    st.sampled_from(["", "#x"]),
)
def test_every_spelling_of_every_entry_is_found(entry: str, seed: int, scheme: str, port: str, tail: str) -> None:
    host, _, path = entry.removesuffix("*").partition("/")
    mixed = "".join(c.upper() if seed >> place & 1 else c for place, c in enumerate(host))
    url = f"{scheme}://{mixed}{'.' if seed & 1 else ''}{port}/{spelled(path, seed)}{tail}"
    assert "statutory/iwf" in listed(url)


@given(st.text("abcdefghij", min_size=1, max_size=12), st.text("abcdefghij/", max_size=20))
def test_what_is_not_listed_is_not_found(label: str, path: str) -> None:
    assert listed(f"http://{label}.example/{path}") == []
    assert listed(f"http://filehost.test/{path}") == []


def test_statutory_matches_come_first_and_nothing_below_hides_them_or_is_hidden() -> None:
    url = canonical_url("http://filehost.test/dir/listed-page")
    found = INDEX.match(url)
    assert [match.list for match in found[:2]] == ["statutory/iwf", "statutory/ctiru"]
    assert found[2:] == BELOW.match(url)
    assert INDEX.match(canonical_url("http://plain.test/")) == BELOW.match(canonical_url("http://plain.test/"))


def test_a_match_names_list_and_category_and_withholds_the_entry() -> None:
    (host, _help) = INDEX.match(canonical_url("http://www.bad-host.test/"))
    assert host == Match("child-abuse", "statutory/iwf", WITHHELD, host.line, EntryKind.DOMAIN)
    page = INDEX.match(canonical_url("http://filehost.test/view?id=4711"))[0]
    assert (page.kind, page.entry) == (EntryKind.URL, WITHHELD)
    assert 1 <= page.line <= IWF.header.rows, "the row tells the issuer which entry it was"
    assert page.line != host.line


def test_the_host_alone_cannot_settle_a_host_with_listed_pages() -> None:
    """So it is never passed through undecrypted."""
    assert INDEX.has_entries_below("filehost.test") == {"child-abuse", "terrorism", "games"}
    assert INDEX.has_entries_below("www.filehost.test") >= {"child-abuse"}
    assert INDEX.has_entries_below("gallery.test") == {"child-abuse"}
    assert INDEX.has_entries_below("plain.test") == frozenset()


@pytest.mark.parametrize(
    "url", [*LISTED, *NOT_LISTED, "http://plain.test/x", "http://gallery.test/", "http://else.test/"]
)
def test_what_a_host_settles_holds_for_every_page_of_it(url: str) -> None:
    """And a host of which a page is on the list settles nothing."""
    page = canonical_url(url)
    pageless = INDEX.pageless(page)
    assert pageless in (None, INDEX.match(page))
    assert (pageless is None) == bool(INDEX.has_entries_below(page.host))


def test_it_tells_its_lists_with_the_others_and_counts_no_canary() -> None:
    first, second, *_ = INDEX.lists
    assert (first.name, first.category, first.entries) == ("statutory/iwf", "child-abuse", len(ENTRIES))
    assert (second.name, second.category, second.entries) == ("statutory/ctiru", "terrorism", 3)
    assert first.updated_at == IWF.header.created.timestamp()
    assert INDEX.locked == {"child-abuse", "terrorism"}
    assert INDEX.categories == BELOW.categories | INDEX.locked


def test_its_canaries_are_listed() -> None:
    assert len(INDEX.canaries) == 2
    for host, category in INDEX.canaries:
        assert [match.category for match in INDEX.match(canonical_url(f"https://{host}/"))] == [category]


def test_every_other_question_goes_to_the_lists_below() -> None:
    assert INDEX.match_text("roblox") == BELOW.match_text("roblox")
    urls = [canonical_url("http://plain.test/"), canonical_url("http://bad-host.test/")]
    assert list(INDEX.classify(urls)) == [INDEX.match(url) for url in urls]


def test_a_new_bundle_is_a_new_revision() -> None:
    other = StatutoryIndex([Installed("iwf", ISSUER.bundle(sequence=2)), Installed("ctiru", CTIRU)], BELOW)
    again = StatutoryIndex([Installed("iwf", IWF), Installed("ctiru", CTIRU)], BELOW)
    assert INDEX.revision == again.revision
    assert len({INDEX.revision, other.revision, BELOW.revision}) == 3


class Counting(Bundle):
    """A bundle that counts how often it hashes."""

    __slots__ = ("asked",)

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle.raw, bundle.header, bundle._heads, bundle._tails, bundle._marks)
        self.asked = 0

    def row(self, form: bytes) -> int:
        """As ever."""
        self.asked += 1
        return super().row(form)


@pytest.mark.parametrize(
    ("url", "first", "again"),
    [
        ("https://www.plain.example/a/b?c=d", 2, 0),
        ("https://" + "a." * 100 + "plain.example/", 2, 0),
        ("https://filehost.test/other?x=1", 5, 4),
        ("https://filehost.test/" + "a/" * 5000, 5, 3),
        ("https://gallery.test/" + "x%2Fy;z/" * 400, 13, 12),
    ],
)
def test_the_hashes_of_one_request_are_bounded(url: str, first: int, again: int) -> None:
    """By the list, never by what is asked for."""
    bundle = Counting(IWF)
    index = StatutoryIndex([Installed("iwf", bundle)], BELOW)
    asked = canonical_url(url)
    index.match(asked)
    once = bundle.asked
    index.match(asked)
    assert once <= first
    assert bundle.asked - once <= again


def test_the_readings_of_one_address_are_hashed_once() -> None:
    """600 characters of parameters, on a page listed with two, cost 0.2 s: each reading tried them all."""
    bundle = Counting(ISSUER.bundle(["pages.test/p?cat=1&id=2", "pages.test/p/p?cat=1&id=2"]))
    index = StatutoryIndex([Installed("iwf", bundle)], BELOW)
    asked = canonical_url("https://pages.test/p;a%2Fp;b?" + "&".join(f"k{number}=v" for number in range(80)))
    index.match(asked)
    once = bundle.asked
    assert once < 2 * 80 * 80 / 2 + 20, "each page with each pair"
    for reading in other_readings(asked):
        index.match(reading)
    index.match(asked._replace(host="www.pages.test"))
    assert bundle.asked - once < 40
    assert index.match(canonical_url("https://pages.test/p%2Fp?k=1&id=2&cat=1"))[0].category == IWF.header.category
