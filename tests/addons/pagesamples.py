"""A blocked game, the people who ask for it, and a reader for the page they get."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

from addons.pagekinds import PageKind
from addons.pages import Page, Surroundings, render
from categories.model import EntryKind, Match
from categories.names import Url
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.model import Action, Reason, Tier, Verdict

NOW = datetime(2026, 7, 7, 9, 20, 5, tzinfo=UTC)
TAXONOMY = load_taxonomy()
AROUND = Surroundings(
    school="Oakwood Primary",
    contact="ICT support, extension 204",
    zone=ZoneInfo("Europe/London"),
    categories=TAXONOMY,
)
GAMES = Url("https", "www.games.example", 443, "/play/one", "session=secret", "games.example")
ENTRY = Match("games", "starter/games", "games.example", 412, EntryKind.DOMAIN)
REFERENCE = 249870123456789


def verdict(action: Action = Action.BLOCK, reason: Reason = Reason.RULE, category: str = "games", **more) -> Verdict:
    return Verdict(
        action,
        reason,
        "Games stay closed in lessons.",
        tier=Tier.SITE,
        rule="games-in-lessons",
        category=category,
        match=Match(category, ENTRY.list, ENTRY.entry, ENTRY.line, ENTRY.kind),
        revision="418",
        **more,
    )


def person(band: str, **more) -> Client:
    known = {"site": "oakwood", "device": "lab2-14", "address": "10.4.2.17", "user": "pupil-0417", "source": "basic"}
    return Client(**{**known, "band": Band(band), "band_known": True, "verified": True, **more})


def page(made: Verdict, band: str, kind: PageKind = PageKind.HTML, url: Url = GAMES, **more) -> Page:
    return render(made, person(band), url, kind, at=NOW, around=AROUND, reference=REFERENCE, **more)


class Read(HTMLParser):
    """What a browser would see: tags with their attributes, and the text people read."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(body.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = self._style and tag != "style"

    def handle_data(self, data):
        if not self._style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words)).strip()

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(made: Page) -> Read:
    return Read(made.body)


def header(made: Page, name: str) -> str | None:
    return next((value for key, value in made.headers if key.lower() == name.lower()), None)


EVERY_BAND = [band.value for band in Band]
EVERY_REASON = [
    (reason, action, refused)
    for reason in Reason
    for action in (Action.BLOCK, Action.WARN)
    for refused in (["sign-in", "disabled", "consent", None] if reason is Reason.IDENTITY else [None])
]
