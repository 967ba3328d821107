"""One way to write a host or a URL: whatever the spelling, the same value.

Shows: `categories.hosts`, `categories.paths`.
"""

from __future__ import annotations

import contextlib
import time

import pytest
import tldextract
from hypothesis import example, given
from hypothesis import strategies as st

from categories.names import (
    NameProblem,
    Url,
    _read_fully,
    _read_plainly,
    canonical_host,
    canonical_url,
    host_suffixes,
    make_url,
    registrable_domain,
)
from categories.paths import BORDERS, folded_all, folded_query, head_of, query_starts, split_query


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("WWW.Example.ORG", "www.example.org"),
        ("www.example.org.", "www.example.org"),
        ("www。example．org", "www.example.org"),
        ("ｗｗｗ.example.org", "www.example.org"),
        ("www.exam\u00adple.org", "www.example.org"),
        ("www.ex%61mple.org", "www.example.org"),
        ("www.ex%2561mple.org", "www.example.org"),
        ("ＷＷＷ.EXAMPLE.org。", "www.example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("xn--Bcher-Kva.example", "xn--bcher-kva.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("❤.example", "xn--qei.example"),
        ("my_host.example.org", "my_host.example.org"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        ("-odd-.example.org", "-odd-.example.org"),
        ("a--b.example.org", "a--b.example.org"),
        ("server", "server"),
        ("a1.example.b2c", "a1.example.b2c"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0x7f.0.0.0x1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0177.0x0.0.01", "127.0.0.1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("[::FFFF:7F00:0001]", "127.0.0.1"),
        ("[2001:0DB8:0:0::1]", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
    ],
)
def test_every_spelling_of_a_host_meets(written: str, meant: str) -> None:
    """Case, dots, IDN, escapes and every notation of an address end in one form."""
    assert canonical_host(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "a..b", ".example.org", "example.org..", "exa mple.org", "a/b", "a:b", "user@host", "a#b", "a?b",
        "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "08.1.1.1", "0xg.1", "4294967296", "example.123", "a.0x1g.0x",
        "[::1", "::1]", "[::g]", "1::2::3", "[1.2.3.4]", "a%zz.org", "a%ff.org", "a%00.org", "a\x00b.org", "a<b.org",
        "\u00ad" * 5000 + "school.example", "%61" * 2000 + ".example",
        "x" * 64 + ".org", ".".join(["x" * 60] * 5), "\udc80.org", "٣" * 70 + ".org",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_with_a_reason(text: str) -> None:
    """A text no browser would send a request to raises `NameProblem`, and says why."""
    with pytest.raises(NameProblem, match=r"\w+ \w+"):
        canonical_host(text)


@pytest.mark.parametrize(
    "written",
    [
        "http://games.example/Play/now?level=1",
        "HTTP://GAMES.example/Play/now?level=1",
        "games.example/Play/now?level=1",
        "//games.example/Play/now?level=1",
        "http:games.example/Play/now?level=1",
        "http:///games.example/Play/now?level=1",
        r"http:\\games.example\Play\now?level=1",
        "http://games.example:80/Play/now?level=1",
        "http://games.example:/Play/now?level=1",
        "http://games.example:0080/Play/now?level=1",
        "http://games.example./Play/now?level=1",
        "http://pupil:secret@games.example/Play/now?level=1",
        "http://school.example@games.example/Play/now?level=1",
        "http://a@b@games.example/Play/now?level=1",
        "  http://games.example/Play/now?level=1\r\n",
        "ht\ttp://games.exa\nmple/Pl\tay/now?level=1",
        "http://games.example/Play/now?level=1#top",
        "http://games.example//Play///now?level=1",
        "http://games.example/./Play/../Play/./now?level=1",
        "http://games.example/../../Play/now?level=1",
        "http://games.example/x/%2e%2E/Play/now?level=1",
        "http://games.example/x/.%2e/Play/now?level=1",
        "http://games.example/%50lay/n%6Fw?level=1",
        "http://games.example/%2550lay/n%25256Fw?level=1",
        "http://games.example/%%350lay/now?level=1",
    ],
)
def test_every_spelling_of_a_url_meets(written: str) -> None:
    """One page, however it is written, is one `Url`."""
    assert canonical_url(written) == Url("http", "games.example", 80, "/Play/now", "level=1", "games.example")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%252fb", "/a%2Fb"),
        ("/a%3Fb", "/a%3Fb"),
        ("/a%23b", "/a%23b"),
        ("/100%", "/100%25"),
        ("/100%25", "/100%25"),
        ("/100%2525", "/100%25"),
        ("/a%20b", "/a%20b"),
        ("/a b", "/a%20b"),
        ("/a%00b", "/a%00b"),
        ("/caf%C3%A9", "/café"),
        ("/café", "/café"),
        ("/caf%E9", "/caf%E9"),
        ("/caf\udce9", "/caf%E9"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/b/../", "/a/"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
        ("", "/"),
        ("?q=1", "/"),
        ("#x", "/"),
    ],
)
def test_paths_are_decoded_only_where_that_is_safe(written: str, path: str) -> None:
    """What would change the resource (`%2F`, `%3F`, `%23`, `%25`, blanks, controls) stays encoded, in one spelling."""
    assert canonical_url("http://school.example" + written).path == path


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "http://", "http:///", "https://?q", "mailto:head@school.example", "data:text/html,hello",
        "javascript:alert(1)", "about:blank", "gopher://x.example/", "http://x.example:99999/", "http://x.example:8o/",
        "http://x.example:-1/", "http://[::1/", "http://exa mple/", "http://x..example/", "/just/a/path",
        "http://" + "%25" * 5 + "/", "http://school.example/" + "%" * 40 + "3" * 40 + "25" * 40,
    ],
)  # fmt: skip
def test_what_names_no_host_is_refused(text: str) -> None:
    """A text that is no URL of a scheme we filter raises `NameProblem`."""
    with pytest.raises(NameProblem):
        canonical_url(text)


def test_make_url_takes_parsed_pieces() -> None:
    """The hot path gives what the text would have given."""
    assert make_url("https", "Games.Example.", None, "/a/../b?c#d") == canonical_url("https://games.example/b?c")
    assert make_url("https", "[::1]", 8443, "/").host == "::1"
    assert str(make_url("https", "[::1]", 8443, "")) == "https://[::1]:8443/"


@pytest.mark.parametrize("port", [-1, 65536])
def test_make_url_refuses_a_port_that_cannot_be(port: int) -> None:
    """Ports are checked where they come in."""
    with pytest.raises(NameProblem, match="port"):
        make_url("http", "school.example", port, "/")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.bbc.co.uk", "bbc.co.uk"),
        ("bbc.co.uk", "bbc.co.uk"),
        ("co.uk", ""),
        ("uk", ""),
        ("oakwood.sch.uk", ""),
        ("www.oakwood.kent.sch.uk", "oakwood.kent.sch.uk"),
        ("year4.github.io", "year4.github.io"),
        ("a.year4.github.io", "year4.github.io"),
        ("github.io", "github.io"),
        ("s3.amazonaws.com", "amazonaws.com"),
        ("server", ""),
        ("10.2.3.4", ""),
        ("2001:db8::1", ""),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_registrable_domain(host: str, domain: str) -> None:
    """The part somebody registered, by the bundled Public Suffix List, private suffixes as in browsers."""
    assert registrable_domain(host) == domain


def test_every_rule_of_the_suffix_list_means_what_tldextract_takes_it_to_mean() -> None:
    """We look suffixes up ourselves, because every new host pays for it; the library is the measure."""
    library = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)

    def by_library(host: str) -> str:
        found = library.extract_str(host, include_psl_private_domains=True)
        if not found.domain and found.is_private:
            found = library.extract_str(host, include_psl_private_domains=False)
        return found.top_domain_under_public_suffix if found.suffix else ".".join(host.split(".")[-2:])

    checked = 0
    for rule in library.tlds:
        if rule.endswith("psl.hrsn.dev"):  # the list's own exercises, where the library reads rules within rules anew
            continue
        base = rule.lstrip("!").replace("*", "any").encode("idna").decode()
        for host in (f"a.{base}", f"b.a.{base}", *([base] if "." in base else [])):
            assert registrable_domain(host) == by_library(host), host
            checked += 1
    assert checked > 20_000


def test_suffixes_are_the_host_and_its_parents() -> None:
    """Suffixes are cut at labels; an address has no parents."""
    assert host_suffixes("a.b.c") == ("a.b.c", "b.c", "c")
    assert host_suffixes("10.2.3.4") == ("10.2.3.4",)
    assert host_suffixes("::1") == ("::1",)


@pytest.mark.parametrize("length", [8 * 1024, 1024 * 1024])
def test_long_urls_are_taken_or_refused_without_harm(length: int) -> None:
    """An 8 KB and a 1 MB URL, plain and fully escaped, stay the same page."""
    plain = canonical_url("http://school.example/" + "a" * length)
    escaped = canonical_url("http://school.example/" + "%61" * (length // 3) + "a" * (length - length // 3))
    assert plain == escaped


@pytest.mark.parametrize(
    "text",
    [
        "http://school.example/" + "%%%%3333" * 130_000,
        "http://school.example/" + ("%" * 20 + "33" * 20 + "25") * 16_000,
        "http://school.example/" + "%e9" * 350_000,
        "http://school.example/" + "a/../" * 200_000,
        "http://" + "a." * 500_000 + "/",
        "http://school.example:" + "0" * 1_000_000 + "80/",
        "http://[" + ":" * 1_000_000 + "]/",
        "http://" + "@" * 1_000_000 + "school.example/",
        "http://" + "1" * 4_000 + "/",
        "http://" + "\u00fc" * 4_000 + ".example/",
    ],
    ids=lambda text: text[:30],
)
def test_a_megabyte_meant_to_hurt_is_answered_soon(text: str) -> None:
    """Nested escapes, endless labels and digits cost about as much as their length, and raise nothing else."""
    started = time.perf_counter()
    with contextlib.suppress(NameProblem):
        canonical_url(text)
    assert time.perf_counter() - started < 5


@given(st.text(max_size=60))
@example("http://xn--a/")
@example("http://Ⅷ.example")
@example("http://a%2525")
@example("xn--\u0300.example")
def test_nothing_but_name_problem_and_the_canonical_form_is_its_own(text: str) -> None:
    """Whatever comes in: a refusal, or a value that canonicalises to itself."""
    try:
        url = canonical_url(text)
    except NameProblem:
        return
    assert canonical_url(str(url)) == url
    assert canonical_host(url.host) == url.host


ODD = st.sampled_from([*"aA.%25/\\:@[]?#0x7-_ ü。ß\u200d\u0301", "xn--", "%2e", "//", "127", "::ffff:"])


@given(st.lists(ODD, max_size=14).map("".join))
def test_the_canonical_form_of_odd_pieces_is_its_own(text: str) -> None:
    """The same with the pieces evasion is made of."""
    for whole in (text, "http://" + text, "http://school.example/" + text):
        try:
            url = canonical_url(whole)
        except NameProblem:
            continue
        assert canonical_url(str(url)) == url


@given(
    st.sampled_from(
        ["http://", "https://", "HTTP://", "http:/", "", "http://school.example", "https://school.example/"]
    ),
    st.lists(ODD, max_size=14).map("".join),
)
@example("http://", "example.org/a b ")
@example("http://", "me@example.org:80/%2567ames")
@example("https://", "[::1]/..//a?b#c")
def test_the_short_way_reads_what_the_whole_grammar_reads(scheme: str, rest: str) -> None:
    """Most URLs are read without the whole grammar; none may come out otherwise than by it (§5.6)."""
    quick = _read_plainly(scheme + rest)
    if quick is not None:
        assert quick == _read_fully(scheme + rest)


LABELS = st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=2, max_size=4)
SEGMENTS = st.lists(st.from_regex(r"[a-z0-9_~-]{1,6}", fullmatch=True), max_size=4)


@given(LABELS, SEGMENTS, st.randoms(use_true_random=False))
def test_spellings_meet(labels: list[str], segments: list[str], random: object) -> None:
    """Any mixture of case, escapes, dots and slashes of a page is the page."""
    host, path = ".".join(labels), "/" + "/".join(segments)
    choose = random.random  # type: ignore[attr-defined]
    odd_host = "".join(c.upper() if choose() < 0.5 else f"%{ord(c):02x}" if choose() < 0.2 else c for c in host)
    odd_path = "".join(f"%{ord(c):02X}" if c != "/" and choose() < 0.3 else c for c in path)
    odd_path = odd_path.replace("/", "//./" if choose() < 0.5 else "/")
    try:
        plain = canonical_url(f"http://{host}{path}")
    except NameProblem:
        return
    assert canonical_url(f"HTTP://someone@{odd_host}.:080{odd_path}") == plain


@given(st.lists(st.text("aZ%25fF0Aé +Σ\udcff&;=\n", max_size=12), max_size=8))
def test_many_parameters_are_folded_as_each_would_be(texts: list[str]) -> None:
    """Folding them in one go is only cheaper."""
    assert folded_all(texts) == [folded_query(text) for text in texts]


@given(st.lists(st.text("ab=/?#é", max_size=5), max_size=6), st.text("ab=/?#é", max_size=6))
def test_only_starts_that_cannot_fit_are_left_out(pieces: list[str], entry: str) -> None:
    """An entry that fits one of them up to a border has its head."""
    query = "&".join(pieces)
    few = query_starts(query, pieces, frozenset({head_of(entry)}))
    for start in query_starts(query, pieces):
        rest = start.removeprefix(entry)
        if entry and start.startswith(entry) and (not rest or rest[0] in BORDERS or entry[-1] in BORDERS):
            assert start in few or head_of(entry) == "", (start, entry)


def test_a_query_of_broken_escapes_is_folded_in_no_time() -> None:
    """16,000 parameters that are no UTF-8 took a tenth of a second, once for each name the request goes by."""
    query = "%FF&" * 16_000
    begin = time.process_time()
    assert query_starts(query, folded_all(split_query(query)))[0] == query.lower()
    assert time.process_time() - begin < 0.1
