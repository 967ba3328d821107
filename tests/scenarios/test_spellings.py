"""Every spelling of a URL meets the same verdict: compiled lists, the preset's policy, a pupil in a lesson.

What a spelling is reduced to is `tests/categories/test_names.py`; here it is asked what a pupil gets.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request, Stage, Verdict
from policy.rules import load_policy

PRESET = Path(__file__).parents[2] / "policy" / "presets" / "trust.yaml"
LESSON = datetime(2026, 11, 24, 10, 20, tzinfo=ZoneInfo("Europe/London"))
PUPIL = Client(band=Band.KS4, band_known=True, groups=frozenset({"year-10"}))
LISTED = (
    "listed-school.example",
    "192.0.2.66",
    "xn--bcher-kva.example",
    "pages.example/closed/room",
    "pages.example/q?n=1",
)
ASKED = (
    *((host, "/some/page") for host in ("listed-school.example", "192.0.2.66", "below.listed-school.example")),
    ("xn--bcher-kva.example", "/"),
    ("pages.example", "/closed/room"),
    ("pages.example", "/closed/room/below"),
    ("pages.example", "/q?n=1"),
    ("pages.example", "/open"),
    ("games.schoolgate.test", "/"),
    ("www.childline.org.uk", "/talk"),
    ("a-page-of-nobody.example", "/closed/room"),
)
HOSTS = {
    "192.0.2.66": ("192.0.2.66", "3221226050", "0xC0.0.0x2.0102", "192.0.578", "0300.0.02.66"),
    "xn--bcher-kva.example": ("bücher.example", "BÜCHER.example", "xn--bcher-kva.EXAMPLE", "b%C3%BCcher.example"),
}
"""Hosts that can also be written otherwise than letter by letter."""
WIDE = {letter: chr(ord(letter) + 0xFEE0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789-"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The starter lists and a list of games, with the preset."""
    folder = tmp_path_factory.mktemp("spellings")
    (folder / "games").mkdir()
    for name, wanted in (("domains", False), ("urls", True)):
        lines = [entry for entry in LISTED if ("/" in entry) is wanted]
        (folder / "games" / name).write_text("".join(f"{line}\n" for line in lines))
    ours = ListSource("ours", folder, "ut1")
    taxonomy = load_taxonomy()
    build_snapshot((*starter_sources(), ours), folder / "lists", taxonomy)
    policy = load_policy(PRESET.read_text("utf-8"), file=PRESET.name, categories=taxonomy)
    return Engine(open_snapshot(folder / "lists"), policy)


def facts(verdict: Verdict) -> tuple[object, ...]:
    """What a pupil and the record get."""
    return verdict.action, verdict.rule, verdict.reason, verdict.category, verdict.match


def spelt(host: str, target: str, choose: Callable[[], float]) -> str:
    """The URL, spelt in some other way."""

    def one_of(*ways: str) -> str:
        return ways[int(choose() * len(ways))]

    def letter(c: str) -> str:
        return one_of(c, c, c.upper(), f"%{ord(c):02x}", WIDE.get(c, c)) if c.isalnum() else c

    other = one_of(*HOSTS[host]) if host in HOSTS else "".join(map(letter, host))
    other = other if host in HOSTS else "".join(one_of(".", ".", "。", "%2E") if c == "." else c for c in other)
    path, mark, query = target.partition("?")
    odd = "".join(one_of(c, c, f"%{ord(c):02X}", f"%25{ord(c):02x}") if c.isalnum() else c for c in path)
    odd = "".join(one_of("/", "/", "//", "/./", "/x/../", "\\") if c == "/" else c for c in odd)
    odd = "/" + odd.lstrip("/\\") if odd[:1] in "/\\" else odd
    return (
        one_of("http", "HTTP", "hTTp")
        + "://"
        + one_of("", "", "someone@", "listed-elsewhere.example:pw@")
        + other
        + one_of("", "", ".")
        + one_of("", "", ":80", ":0080", ":")
        + odd
        + mark
        + query
        + one_of("", "", "#part", "#/../else")
    )


@settings(deadline=None, max_examples=600)
@given(
    st.sampled_from(ASKED),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=40),
    st.sampled_from([Stage.REQUEST, Stage.CONNECT]),
)
@example(("pages.example", "/closed/room"), [0.99], Stage.REQUEST)
@example(("listed-school.example", "/some/page"), [0.5], Stage.CONNECT)
def test_every_spelling_meets_the_same_verdict(
    engine: Engine, asked: tuple[str, str], choices: list[float], stage: Stage
) -> None:
    """The same action for the same reason, by the same row and entry."""
    host, target = asked
    drawn = iter(choices * 200)
    text = spelt(host, target, lambda: next(drawn))
    plain = engine.decide(Request(canonical_url(f"http://{host}{target}"), stage), PUPIL, LESSON)
    assert facts(engine.decide(Request(canonical_url(text), stage), PUPIL, LESSON)) == facts(plain), text


def test_the_addresses_asked_for_meet_every_kind_of_verdict(engine: Engine) -> None:
    """Else the test above would show little: closed by host, by page and by address, open, and always open."""
    found = {
        (verdict.action.value, verdict.match.entry if verdict.match else "")
        for host, target in ASKED
        for verdict in [engine.decide(Request(canonical_url(f"http://{host}{target}")), PUPIL, LESSON)]
    }
    assert {entry for action, entry in found if action == "block"} >= {*LISTED, "games.schoolgate.test"}
    assert ("allow", "") in found
    assert ("allow", "childline.org.uk") in found
