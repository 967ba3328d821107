"""What a form gives away: DNS over HTTPS, web proxies, hidden networks, hidden searches. And what does not."""

from __future__ import annotations

import base64
import gzip
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import NameProblem, canonical_url
from policy.model import Action, Reason, Request, Signal
from policy.shapes import shape
from tests.policy.school import LESSON, PEOPLE, SCHOOL, school_engine


def dns_question(name: str, ident: int = 0) -> str:
    """A DNS query in base64url, as RFC 8484 §4.1.1 puts it into an address."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    message = ident.to_bytes(2, "big") + b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    return base64.urlsafe_b64encode(message).decode().rstrip("=")


def shifted(text: str) -> str:
    """Ultraviolet's encoding: every second character with bit 1 flipped."""
    return "".join(chr(ord(letter) ^ 2) if place % 2 else letter for place, letter in enumerate(text))


PACKED = base64.b64encode(b"https://www.example.org/").decode()

FORMS = {
    f"https://cdn.example.org/dns-query?dns={dns_question('www.example.org')}": Signal.DOH,
    "https://cdn.example.org/dns-query": Signal.DOH,
    "https://cdn.example.org/a/b/dns-query/": Signal.DOH,
    "https://cdn.example.org/%64ns-query": Signal.DOH,
    f"https://cdn.example.org/quiet?dns={dns_question('www.example.org', 7)}": Signal.DOH,
    f"https://cdn.example.org/quiet?x=1&dns={dns_question('a.example')}%3D": Signal.DOH,
    "https://cdn.example.org/resolve?name=example.org&ct=application/dns-json": Signal.DOH,
    "https://a.example/browse.php?u=https%3A%2F%2Fwww.example.org&b=4": Signal.WEB_PROXY,
    "https://a.example/proxy/browse.php?u=Oi8vd3d3LmV4YW1wbGUub3Jn&b=28&f=norefer": Signal.WEB_PROXY,
    f"https://a.example/index.php?q={PACKED}&hl=3ed": Signal.WEB_PROXY,
    "https://a.example/index.php?q=uggcf%3A%2F%2Fjjj.rknzcyr.bet&hl=2e5": Signal.WEB_PROXY,
    "https://a.example/cgi-bin/nph-proxy.cgi/000000A/https/www.example.org/": Signal.WEB_PROXY,
    f"https://a.example/service/{shifted('https://www.example.org/').replace('/', '%2F')}": Signal.WEB_PROXY,
    f"https://a.example/x/{shifted('http://www.example.org/').replace('/', '%2F')}": Signal.WEB_PROXY,
    f"https://a.example/service/{PACKED}": Signal.WEB_PROXY,
    "https://a.example/service/https%3A%2F%2Fwww.example.org%2F": Signal.WEB_PROXY,
    "https://a.example/uv/service/https%3A%2F%2Fwww.example.org": Signal.WEB_PROXY,
    "https://a.example/uv/uv.bundle.js": Signal.WEB_PROXY,
    "https://a.example/scramjet/scramjet.all.js": Signal.WEB_PROXY,
    "https://a.example/scramjet/https%3A%2F%2Fwww.example.org": Signal.WEB_PROXY,
    "https://a.example/proxy/https://www.example.org/": Signal.WEB_PROXY,
    "https://a.example/x/service/https:%2F%2Fwww.example.org": Signal.WEB_PROXY,
    "https://a.example/my/games/uv/service/https%3A%2F%2Fwww.example.org": Signal.WEB_PROXY,
    "https://a.example/UV/SERVICE/https%3A%2F%2Fwww.example.org": Signal.WEB_PROXY,
    "https://a.example/Service/HTTPS:%2F%2Fwww.example.org": Signal.WEB_PROXY,
    f"https://a.example/deep/SERVICE/{PACKED}": Signal.WEB_PROXY,
    "https://a.example/x/UV/UV.Bundle.js": Signal.WEB_PROXY,
    "https://a.example/CGI-BIN/NPH-Proxy.CGI/000000A/https/www.example.org/": Signal.WEB_PROXY,
    f"https://a.example/r/{'0A' * 16}/https://www.example.org/": Signal.WEB_PROXY,
    "https://a.example/main/https://www.example.org/": Signal.WEB_PROXY,
    f"https://a.example/{'0a' * 16}/https://www.example.org/": Signal.WEB_PROXY,
    "https://93.184.216.34/?__cpo=aHR0cHM6Ly93d3cuZXhhbXBsZS5vcmc": Signal.WEB_PROXY,
    "http://exampleonionaddress234567.onion/": Signal.HIDDEN_NETWORK,
    "http://www.exampleonionaddress234567.onion./index.html": Signal.HIDDEN_NETWORK,
    "http://example.i2p/": Signal.HIDDEN_NETWORK,
}
NEAR_MISSES = [
    "https://www.example.org/",
    "https://www.example.org/docs/dns-query-explained",
    "https://www.example.org/dns?name=example.org",
    "https://www.example.org/lookup?dns=8.8.8.8",
    "https://www.example.org/lookup?dns=www.example-with-a-long-name.org",
    "https://www.example.org/lookup?dns=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "https://www.example.org/forum/browse.php?u=12345",
    "https://www.example.org/forum/browse.php?u=some_reader_name",
    "https://www.example.org/index.php?q=volcanoes&hl=en",
    "https://www.example.org/index.php?q=https%3A%2F%2Fother.example&hl=en",
    "https://www.example.org/service/contact",
    "https://www.example.org/service/http-hosting",
    "https://www.example.org/main/page.html",
    "https://www.example.org/proxy/8888/tree",
    "https://www.example.org/library/proxy/login?url=https://journal.example/",
    "https://go.example.org/go/summer-camp",
    "https://www.example.org/sw.js",
    "https://www.example.org/0123456789abcdef0123456789abcdef/page.html",
    f"https://ads.example.org/click?to={PACKED}",
    f"https://www.example.org/a/{PACKED}",
    "https://www.example.org/login?return=https://www.example.org/proxy/https",
    "https://onion.example.org/recipes",
    "https://www.theonion.example/",
    "https://www.example.org/active/learning",
    "https://www.example.org/Customer/Service/https-explained",
    f"https://www.example.org/service/{PACKED.lower()}",
]


@pytest.mark.parametrize(("url", "signal"), FORMS.items())
def test_a_form_that_names_itself_is_told(url: str, signal: Signal) -> None:
    """F-21, F-22: on any host, because the hosts move every week."""
    assert shape(canonical_url(url)) == {signal}


@pytest.mark.parametrize("url", NEAR_MISSES)
def test_what_only_looks_a_little_like_it_is_left_alone(url: str) -> None:
    """F-13: a forum, a library's proxy, a page about DNS, a link counter."""
    assert shape(canonical_url(url)) == frozenset()


@pytest.mark.parametrize(
    ("method", "url", "hidden"),
    [
        ("POST", "https://duckduckgo.com/", True),
        ("POST", "https://html.duckduckgo.com/html/", True),
        ("POST", "https://lite.duckduckgo.com/lite/", True),
        ("POST", "https://www.startpage.com/sp/search", True),
        ("POST", "https://www.google.co.uk/search", True),
        ("POST", "https://www.bing.com/images/search", True),
        ("POST", "https://searx.be/search", True),
        ("GET", "https://duckduckgo.com/", False),
        ("POST", "https://duckduckgo.com/t/page_home", False),
        ("POST", "https://www.bing.com/fd/ls/lsp.aspx", False),
        ("POST", "https://www.google.com/gen_204", False),
        ("POST", "https://www.example.org/search", False),
    ],
)
def test_a_search_sent_as_a_form_hides_its_words(method: str, url: str, hidden: bool) -> None:
    """A-24: what cannot be read cannot be checked. Beacons and other sites' forms are something else."""
    assert (Signal.HIDDEN_SEARCH in shape(canonical_url(url), method)) is hidden


RULES = SCHOOL.partition("policies:")[0] + (
    "policies: [{tier: trust, rules: [{rule: r, what: [doh, tor, proxy-avoidance, unsafe-search], action: block}]}]"
)


@pytest.mark.parametrize(
    ("url", "method", "category", "reason"),
    [
        ("https://cdn.example.org/dns-query", "GET", "doh", Reason.CIRCUMVENTION),
        ("https://a.example/uv/uv.bundle.js", "GET", "proxy-avoidance", Reason.CIRCUMVENTION),
        ("http://abc.onion/", "GET", "tor", Reason.CIRCUMVENTION),
        ("https://duckduckgo.com/", "POST", "unsafe-search", Reason.RULE),
    ],
)
def test_a_form_is_a_category_with_evidence(url: str, method: str, category: str, reason: Reason) -> None:
    """F-23: recorded as what it is; the list says that the product itself saw it."""
    verdict = school_engine(RULES).decide(Request(canonical_url(url), method=method), PEOPLE["Year 8"], LESSON)
    assert (verdict.action, verdict.category, verdict.reason) == (Action.BLOCK, category, reason)
    assert verdict.match is not None
    assert verdict.match.list == "built-in/signals"


@given(st.text(max_size=300))
def test_any_target_has_a_form(target: str) -> None:
    """Total."""
    try:
        url = canonical_url(f"https://www.example.org/{target}")
    except NameProblem:
        return
    assert shape(url) <= {*Signal}


@pytest.mark.parametrize(
    "target",
    [
        "index.php?" + "q=aHR0c&" * 7000, "index.php?" + "q=aHR0c&hl=3" * 4500, "browse.php?" + "u=aaaa&" * 8000,
        "service/" * 7000, "hvtr" * 15_000, "https:/" * 8000, "x?" + "dns=" * 15_000, "x?" + "__cpo=" * 10_000,
    ],
)  # fmt: skip
def test_no_target_takes_long_to_look_at(target: str) -> None:
    """A device may send 64 kB; two searches in one pattern took half a second of every worker's time for it."""
    url = canonical_url(f"https://www.example.org/{target}")
    begin = time.process_time()
    shape(url)
    assert time.process_time() - begin < 0.15


@pytest.mark.realdata
def test_no_real_request_is_taken_for_an_attempt(real_data: Path) -> None:
    """105,676 real requests, not one signal: no advert, no script and no link counter looks like a web proxy."""
    seen: Counter[Signal] = Counter()
    with gzip.open(real_data / "urls" / "requests-dev.tsv.gz", "rt", encoding="utf-8", errors="replace") as lines:
        next(lines)
        for line in lines:
            try:
                seen.update(shape(canonical_url(line.rstrip("\n").split("\t")[3])))
            except NameProblem:
                continue
    assert seen == Counter()
