"""Prints what an engine with the starter lists says of made-up requests, a line each: whole verdicts, errors by name.

Run as a program, so that the same can be asked of sources that are interpreted and of what was compiled of them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from categories.domains import entry_of
from categories.index import CompiledIndex
from categories.names import NameProblem, canonical_url
from categories.parse import FileFormat
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.taxonomy import load_taxonomy
from policy import engine as decision
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request, Signal, Stage
from policy.rules import load_policy

PRESET = Path(decision.__file__).parent / "presets" / "trust.yaml"
MONDAY = datetime(2026, 9, 14, 9, 30, tzinfo=UTC)
LISTED: dict[FileFormat, str] = {
    "urls": "games.example/play/now games.example/watch?v=bad&t=1 pages.example/~user/page.html www2.pages.example/a "
    "203.0.113.7/secret tube.example/watch?v=closed",
    "domains": "b\u00fccher.example",
    "networks": "2001:db8::/48 198.51.100.0/24",
}
"""Own lists, by format."""
PATHS = """
/ /play/now /play/now/ /play/nowhere /PLAY/now /play%2Fnow /play;x/now /x/../play/now //play//now
/watch?v=bad /watch?t=1&v=bad /watch?v=bad&t=1 /watch?v=bad+ /~user/page.html /%7Euser/page.html /secret#x
/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB /browse.php?u=https://games.example/play&b=4
/search?q=how+to+make+a+bomb /search?q=caf%C3%A9&tbm=isch /results?search_query=chess
/url?q=https://games.example/play/now /translate?u=http://games.example/play/now&sl=en
/web/2020/http://pages.example/~user/page.html /%ff%fe /\u00e9t\u00e9?\u4e2d=1
"""
HOSTS = """
games.example www.games.example pages.example www2.pages.example tube.example b\u00fccher.example 203.0.113.7
198.51.100.9 [2001:db8::1] [::ffff:203.0.113.7] 3405803783 games.example. GAMES.example www.google.co.uk www.bing.com
duckduckgo.com www.youtube.com translate.google.com games-example.translate.goog web.archive.org search.yahoo.com
hidden.onion xn--bcher-kva.example a..b - localhost 127.0.0.1.nip.example unlisted.example
"""


def _clients(policy: Engine, dice: random.Random) -> Iterator[Client]:
    sites = (None, *policy.policy.sites)
    while True:
        band = dice.choice(list(Band))
        yield Client(dice.choice(sites), f"user-{dice.randrange(9)}", band=band, band_known=dice.random() < 0.9)


def _texts(index: CompiledIndex, dice: random.Random) -> Iterator[str]:
    entries = [entry_of(key)[1] for key in index._domains.keys_below()]
    while True:
        host, slash, path = (
            dice.choice(entries).partition("/") if dice.random() < 0.5 else (dice.choice(HOSTS.split()), "", "")
        )
        front = dice.choice(("", "", "www.", "x.", "WWW."))
        target = f"/{path}" if slash and dice.random() < 0.5 else dice.choice(("", *PATHS.split()))
        yield f"{dice.choice(('http', 'https', 'wss'))}://{front}{host}{dice.choice(('', '', ':8443'))}{target}"


def lines(many: int, folder: Path) -> Iterator[str]:
    """What is said of that many requests."""
    dice = random.Random(41)
    taxonomy = load_taxonomy()
    sources = list(starter_sources())
    for kind, entries in LISTED.items():
        (folder / kind).write_text("\n".join(entries.split()), encoding="utf-8")
        sources.append(ListSource(f"own-{kind}", folder / kind, kind, category="games"))
    build_snapshot(sources, folder / "lists", taxonomy)
    index = open_snapshot(folder / "lists")
    policy = load_policy(PRESET.read_text(encoding="utf-8"), file="trust.yaml", categories=taxonomy)
    engine = Engine(index, policy)
    clients, texts = _clients(engine, dice), _texts(index, dice)
    yield f"# {Path(decision.__file__).suffix}"
    for _ in range(many):
        text, other = next(texts), next(texts)
        try:
            url = canonical_url(text)
            claims = (url,) if dice.random() < 0.9 else (url, canonical_url(other))
            stage = dice.choice((Stage.REQUEST, Stage.REQUEST, Stage.CONNECT))
            signals = frozenset({dice.choice(list(Signal))}) if dice.random() < 0.05 else frozenset()
            request = Request(url, stage, dice.choice(("GET", "GET", "POST")), signals=signals, claims=claims)
            at = MONDAY + timedelta(minutes=dice.randrange(0, 7 * 24 * 60, 17))
            client = next(clients)
            verdict = engine.decide(request, client, at)
            if dice.random() < 0.1 and engine.explain(request, client, at).verdict != verdict:
                yield f"{text} {client} {at}: explained otherwise"
            yield f"{text} {sorted(verdict._asdict().items(), key=lambda item: item[0])}"
        except NameProblem as error:
            yield f"{text} {error}"
        except Exception as error:
            yield f"{text} {type(error).__name__}"


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        for line in lines(int(sys.argv[1]), Path(scratch)):
            print(line.encode("unicode_escape").decode())
