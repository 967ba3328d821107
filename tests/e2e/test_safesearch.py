"""Searches over HTTPS through a real gateway: what the engine is sent, what is decided, what is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl
from tests.rig.gateway import PLACES, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e
PRESET = Path(__file__).resolve().parents[2] / "policy" / "presets" / "trust.yaml"
YEAR_8, TEACHER, TECHNICIAN = "127.0.4.10", "127.0.2.10", "127.0.5.10"
RULES = """
  - tier: override
    rules:
      - {rule: try-without-decrypting, who: ["device:tablet"], what: ["host:google.com"], action: bypass}
"""
TABLET = "127.0.6.10"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Gateway]:
    """A gateway with the trust preset, and SafeSearch relaxed for technicians."""
    folder = tmp_path_factory.mktemp("school")
    policy = folder / "preset.yaml"
    policy.write_text(PRESET.read_text() + RULES + "safe_search: {off_for: [group:technicians]}\n")
    places: list[dict[str, Any]] = [
        *PLACES,
        {"network": f"{YEAR_8}/32", "site": "riverside", "band": "ks3", "groups": ["year-8"]},
        {"network": f"{TECHNICIAN}/32", "site": "riverside", "band": "staff", "groups": ["technicians"]},
        {"network": TABLET, "site": "riverside", "device": "tablet", "band": "staff", "groups": ["teaching-staff"]},
    ]
    with Origin(authority) as strict:
        hosts = {"*": origin.address, "forcesafesearch.google.com": strict.address}
        settings = {"identity": {"sign_in": "optional", "places": places}, "proxy": {"hosts": hosts}}
        gateway = Gateway(
            folder / "gateway", origin=origin.address, trust=authority.pem, policy=policy, settings=settings
        )
        try:
            gateway.strict = strict  # type: ignore[attr-defined]
            yield gateway.start()
            gateway.stop()
        finally:
            gateway.kill()


ENGINES = {
    "Google": ("https://www.google.co.uk/search?q={}&safe=off", {"safe": "active"}),
    "Google pictures": ("https://www.google.com/search?udm=2&SAFE=off&q={}", {"safe": "active"}),
    "Bing": ("https://www.bing.com/search?q={}&adlt=off", {"adlt": "strict"}),
    "Bing pictures": ("https://www.bing.com/images/search?adlt=off&q={}", {"adlt": "strict"}),
    "DuckDuckGo": ("https://duckduckgo.com/?kp=-2&q={}", {"kp": "1"}),
    "Yahoo": ("https://uk.search.yahoo.com/search?p={}&vm=p", {"vm": "r"}),
    "Ecosia": ("https://www.ecosia.org/search?q={}", {}),
    "Brave": ("https://search.brave.com/search?q={}&safesearch=off", {"safesearch": "strict"}),
    "Qwant": ("https://www.qwant.com/?q={}&s=0", {"s": "2"}),
    "YouTube": ("https://www.youtube.com/results?search_query={}", {}),
    "Pixabay": ("https://pixabay.com/images/search/{}/?order=ec", {}),
    "Mojeek": ("https://www.mojeek.com/search?q={}&safe=0", {"safe": "1"}),
}
BY_COOKIE = {
    "Ecosia": "ECFG=f=y",
    "Brave": "safesearch=strict",
    "Bing": "SRCHHPGUSR=ADLT=STRICT",
    "Pixabay": "g_rated=1",
}
OPEN_TO_YEAR_8 = [name for name in ENGINES if name not in {"YouTube"}]


@pytest.mark.parametrize("name", ENGINES)
def test_the_engine_is_told_to_be_safe_and_the_record_says_what_was_asked(
    school: Gateway, origin: Origin, name: str
) -> None:
    """D-24, F-39: the setting of the client is overruled; the row keeps it, and notes the change."""
    url, forced = ENGINES[name]
    words = f"volcano-{name.lower().replace(' ', '-')}"
    asked = urlsplit(url.format(words))
    before = len(origin.seen(asked.hostname or ""))
    assert curl(school, asked.geturl(), source=TEACHER).status == 200
    (arrival,) = origin.seen(asked.hostname or "")[before:]
    assert {key: arrival.query.get(key) for key in forced} == forced
    assert not {"off", "0", "p", "-2"} & set(arrival.query.values())
    assert BY_COOKIE.get(name, "") in (arrival.header("cookie") or "")
    if name == "YouTube":
        assert arrival.header("youtube-restrict") == "Strict"
    row = next(row for row in school.wait_for_rows(1, host=asked.hostname, path=asked.path, query=asked.query or None))
    assert row["blocked"] is False
    assert any(words in term.replace(" ", "-") for term in row["terms"])
    assert "safesearch" in row["note"]


@pytest.mark.parametrize("name", OPEN_TO_YEAR_8)
def test_a_search_for_words_of_a_closed_category_is_blocked_on_every_engine(
    school: Gateway, origin: Origin, name: str
) -> None:
    """A-24: Year 8 asks for a way round the filter; the engine never hears of it, and the row has the words."""
    phrase = "unblocked games for school"
    url = ENGINES[name][0].format(quote_plus(phrase) if "{}/" not in ENGINES[name][0] else phrase.replace(" ", "-"))
    asked = urlsplit(url)
    before = len(origin.seen(asked.hostname or ""))
    assert curl(school, url, source=YEAR_8).status == 403
    assert len(origin.seen(asked.hostname or "")) == before
    (row,) = school.wait_for_rows(1, host=asked.hostname, path=asked.path, query=asked.query or None, blocked=True)
    assert (row["reason"], row["category"], row["rule"]) == ("search", "proxy-avoidance", "trust-ways-round")
    assert phrase in row["terms"]
    assert row["list"] == "starter/proxy-avoidance"


@pytest.mark.parametrize("words", ["volcanoes", "sussex rivers", "romeo and juliet suicide scene"])
def test_an_ordinary_search_is_open_and_its_words_are_recorded(school: Gateway, words: str) -> None:
    """F-13: no word stands alone."""
    url = f"https://www.google.co.uk/search?q={quote_plus(words)}&n=1"
    assert curl(school, url, source=YEAR_8).status == 200
    (row,) = school.wait_for_rows(1, host="www.google.co.uk", query=urlsplit(url).query)
    assert (row["blocked"], row["terms"]) == (False, (words,))


def test_words_of_concern_warn_a_teacher(school: Gateway) -> None:
    """D-15: staff go on after a warning; the words are in the row."""
    url = "https://www.bing.com/search?q=thinspo"
    answer = curl(school, url, source=TEACHER)
    (row,) = school.wait_for_rows(1, host="www.bing.com", query="q=thinspo")
    assert answer.status == 403
    assert (row["action"], row["reason"], row["terms"]) == ("warn", "search", ("thinspo",))


@pytest.mark.parametrize(
    "query",
    [
        "q=a&safe=off&safe=off",
        "safe=off&q=a;safe=off",
        "q=a&%73afe=off",
        "q=a&Safe=OFF",
        "q=a&safe[]=off",
        "q=a&s%61fe%5B%5D=off",
        "q=a&+safe=off",
        "safe=&q=a&safe",
    ],
)
def test_no_spelling_switches_it_off(school: Gateway, origin: Origin, query: str) -> None:
    """F-22: duplicates, case, encoding, brackets, semicolons, fragments."""
    before = len(origin.seen("www.google.fr"))
    with Raw(school, source=YEAR_8) as raw:
        assert raw.tunnel("www.google.fr:443") == 200
        raw.secure("www.google.fr")
        head = f"GET /search?{query} HTTP/1.1\r\nHost: www.google.fr\r\nConnection: close\r\n\r\n"
        raw.send(head.encode())
        assert raw.answer().status == 200
    (arrival,) = origin.seen("www.google.fr")[before:]
    assert [value for name, value in arrival.query.items() if "safe" in name.lower()] == ["active"]
    assert arrival.query["q"] == "a"


def test_a_search_sent_as_a_form_is_closed_to_a_pupil(school: Gateway, origin: Origin) -> None:
    """The words are in the body, where nobody can read them before the engine does."""
    answer = curl(school, "https://duckduckgo.com/", "-d", "q=cats&kp=-2", source=YEAR_8)
    assert answer.status == 403
    rows = school.wait_for_rows(1, host="duckduckgo.com", method="POST")
    assert (rows[0]["category"], rows[0]["rule"]) == ("unsafe-search", "pupils-unsafe-search")
    assert not [arrival for arrival in origin.seen("duckduckgo.com") if arrival.method == "POST"]


@pytest.mark.parametrize("host", ["yandex.com", "www.startpage.com", "html.duckduckgo.com", "searx.be", "www.ask.com"])
def test_an_engine_that_cannot_be_kept_safe_is_closed_to_a_pupil(school: Gateway, host: str) -> None:
    """F-39: engines without SafeSearch are blocked for pupils and open to staff."""
    url = f"https://{host}/search?q=volcano"
    assert curl(school, url, source=YEAR_8).status == 403
    assert curl(school, url, source=TEACHER).status == 200


def test_a_technician_searches_as_the_policy_lets_them(school: Gateway, origin: Origin) -> None:
    """`safe_search: off_for` names a group of staff: their request is sent as it came."""
    before = len(origin.seen("www.google.pl"))
    assert curl(school, "https://www.google.pl/search?q=a&safe=off", source=TECHNICIAN).status == 200
    (arrival,) = origin.seen("www.google.pl")[before:]
    assert arrival.query == {"q": "a", "safe": "off"}
    (row,) = school.wait_for_rows(1, host="www.google.pl")
    assert row["note"] is None


def test_a_tunnel_that_is_not_decrypted_leads_to_the_strict_host(
    school: Gateway, origin: Origin, authority: Authority
) -> None:
    """Google's own way for schools that cannot look inside: another address, the same name in TLS."""
    strict: Origin = school.strict  # type: ignore[attr-defined]
    answer = curl(school, "https://www.google.com/headers", source=TABLET, trust=authority.pem)
    assert answer.status == 200
    assert json.loads(answer.body)
    assert [arrival.host for arrival in strict.arrivals] == ["www.google.com"]
    (row,) = school.wait_for_rows(1, host="www.google.com", ending="bypassed")
    assert row["action"] == "bypass"


def test_the_query_of_a_search_is_otherwise_left_alone(school: Gateway, origin: Origin) -> None:
    """Encoding, order and empty parameters reach the engine as they were."""
    query = "q=caf%C3%A9+%26+cr%C3%A8me&hl=en&empty=&tbm=isch"
    before = len(origin.seen("www.google.es"))
    assert curl(school, f"https://www.google.es/search?{query}", source=YEAR_8).status == 200
    (arrival,) = origin.seen("www.google.es")[before:]
    assert arrival.query == {**dict(parse_qsl(query)), "safe": "active"}
