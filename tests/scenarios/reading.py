"""`school-day.tsv` in, scenarios out: the words of a school turned into a client, a request and a time.

Other tests run the same rows through the addons and through a real proxy; they take from a `Scenario` what they need.
A row that cannot be read is a mistake of the test suite and says so with its line.

    who      Year 4 pupil at Oakwood · Reception child at Oakwood · Teacher at Riverside · Visitor at Oakwood ·
             Class login 3b at Oakwood · Somebody unknown at Oakwood · Somebody unknown · Year 8 pupil at home
    when     Tue 24 Nov 2026 10:20 (London) · Mon 2 Nov 2026 07:55 UTC
    request  https://… · POST https://… · CONNECT host:443 · search google: words
             and after it: claiming other.host · (no-sni, name-mismatch)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from categories.names import canonical_url
from policy.client import STRICTEST_BAND, Band, Client
from policy.model import Action, Request, Signal, Stage, Tier

SCHOOL_DAY = Path(__file__).with_name("school-day.tsv")
"""The rows."""
COLUMNS = ("id", "who", "when", "request", "action", "category", "tier", "requirements")
LONDON = ZoneInfo("Europe/London")
SITES = {"Oakwood": "oakwood", "Riverside": "riverside", "home": None}
NETWORKS = {"oakwood": "10.1", "riverside": "10.2", None: "192.0.2"}
"""First numbers of the addresses a site's machines have in these rows."""
ENGINES = {
    "google": "https://www.google.com/search?q={}",
    "bing": "https://www.bing.com/search?q={}",
    "duckduckgo": "https://duckduckgo.com/?q={}",
    "yahoo": "https://uk.search.yahoo.com/search?p={}",
    "ecosia": "https://www.ecosia.org/search?q={}",
    "youtube": "https://www.youtube.com/results?search_query={}",
    "wikipedia": "https://en.wikipedia.org/w/index.php?search={}",
    "kiddle": "https://www.kiddle.co/s.php?q={}",
}
"""Where a search goes."""
ADULTS = {
    "Teacher": (Band.STAFF, "teaching-staff"),
    "Teaching assistant": (Band.STAFF, "support-staff"),
    "Head teacher": (Band.STAFF, "leadership"),
    "Technician": (Band.STAFF, "technicians"),
    "Member of staff": (Band.STAFF, None),
    "Visitor": (Band.GUEST, "visitors"),
}
"""Grown-ups: band, and the group of the preset they are in."""

_YEAR = re.compile(r"Year (\d{1,2}) pupil")
_CHILD = re.compile(r"(Nursery|Reception) child")
_CLASS = re.compile(r"Class login (\d)(\w)")
_WHEN = re.compile(r"(\w{3}) (\d{1,2} \w{3} \d{4} \d{2}:\d{2})(?: (UTC))?")
_REQUEST = re.compile(
    r"(?:(?P<method>[A-Z]+) )?(?P<url>\S+)(?: claiming (?P<claim>\S+))?(?: \((?P<signals>[a-z-]+(?:, [a-z-]+)*)\))?"
)
_SEARCH = re.compile(r"search (?P<engine>\w+): (?P<words>.+)")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row, read."""

    id: str
    """Unique: `ks2-07`."""
    line: int
    """Line in the file."""
    words: str
    """The row as a person would say it."""
    user: str | None
    """Account name; None for somebody unknown."""
    groups: frozenset[str]
    """Groups of the preset the person is in."""
    band: Band | None
    """Age band; None for somebody unknown, who gets the strictest."""
    site: str | None
    """Site; None at home or nowhere."""
    device: str
    """Device name."""
    address: str
    """Client address, one per kind of person and site."""
    verified: bool
    """True when the person signed in."""
    shared: bool
    """True for a class login."""
    at: datetime
    """Aware moment."""
    method: str
    """HTTP method; CONNECT when only the host is known."""
    url: str
    """As typed, not canonical."""
    claims: tuple[str, ...]
    """Other URLs the request claims to be."""
    signals: frozenset[Signal]
    """Signals the host would raise, read from the row or from the URL."""
    action: Action
    """What must be done."""
    category: str | None
    """Category that must decide; None when the row leaves it open."""
    tier: Tier | None
    """Tier that must decide; None when the row leaves it open."""
    requirements: tuple[str, ...]
    """Requirement rows this shows."""

    def client(self) -> Client:
        """The client as `identity` would resolve it."""
        return Client(
            site=self.site,
            device=self.device,
            address=self.address,
            user=self.user,
            groups=self.groups,
            band=STRICTEST_BAND if self.band is None else self.band,
            band_known=self.band is not None,
            source="basic" if self.verified else "none",
            verified=self.verified,
            shared=self.shared,
        )

    def request(self) -> Request:
        """The request as the host would translate it."""
        return Request(
            url=canonical_url(self.url),
            stage=Stage.CONNECT if self.method == "CONNECT" else Stage.REQUEST,
            method=self.method,
            claims=tuple(canonical_url(claim) for claim in self.claims),
            signals=self.signals,
        )


class RowError(ValueError):
    """A row that cannot be read: a mistake in the file of scenarios."""


def load_scenarios(file: Path = SCHOOL_DAY) -> tuple[Scenario, ...]:
    """Every row of the file, in order. Raises `RowError` with the line of the first one that cannot be read."""
    return tuple(_scenarios(file))


def _scenarios(file: Path) -> Iterator[Scenario]:
    header: tuple[str, ...] | None = None
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        cells = tuple(text.split("\t"))
        if header is None:
            header = cells
            if header != COLUMNS:
                raise RowError(f"{file.name}:{number}: the columns are {header}, not {COLUMNS}")
            continue
        if len(cells) != len(COLUMNS):
            raise RowError(f"{file.name}:{number}: {len(cells)} columns, not {len(COLUMNS)}; is a tab missing?")
        try:
            yield read_row(number, cells)
        except ValueError as error:
            raise RowError(f"{file.name}:{number}: {error}") from error


def read_row(line: int, cells: tuple[str, ...]) -> Scenario:
    """One row. Raises ValueError when a cell says nothing that is understood."""
    name, who, when, asked, action, category, tier, requirements = cells
    user, groups, band, shared = read_person(who)
    site = read_site(who)
    method, url, claims, signals = read_request(asked)
    return Scenario(
        id=name,
        line=line,
        words=f"{who}, {when}: {asked} → {action}" + ("" if category == "-" else f" ({category})"),
        user=user,
        groups=groups,
        band=band,
        site=site,
        device=f"{site or 'home'}-{'pc' if user is None else user}",
        address=_address(site, user),
        verified=user is not None,
        shared=shared,
        at=read_time(when),
        method=method,
        url=url,
        claims=claims,
        signals=signals,
        action=Action(action),
        category=None if category == "-" else category,
        tier=None if tier == "-" else Tier(tier),
        requirements=tuple(requirements.split()),
    )


def band_of_year(year: int) -> Band:
    """The key stage of a school year (1 to 13)."""
    if not 1 <= year <= 13:
        raise ValueError(f"there is no Year {year}; schools have Year 1 to Year 13")
    ends = ((2, Band.KS1), (6, Band.KS2), (9, Band.KS3), (11, Band.KS4), (13, Band.KS5))
    return next(band for end, band in ends if year <= end)


def read_person(who: str) -> tuple[str | None, frozenset[str], Band | None, bool]:
    """Account name, groups, band, and whether the login is shared."""
    person = who.partition(" at ")[0]
    if person == "Somebody unknown":
        return None, frozenset(), None, False
    if found := _YEAR.fullmatch(person):
        year = int(found[1])
        return f"pupil-year-{year}", frozenset({f"year-{year}"}), band_of_year(year), False
    if found := _CHILD.fullmatch(person):
        group = found[1].lower()
        return f"pupil-{group}", frozenset({group}), Band.EYFS, False
    if found := _CLASS.fullmatch(person):
        year = int(found[1])
        return f"class-{year}{found[2]}", frozenset({f"year-{year}"}), band_of_year(year), True
    if person not in ADULTS:
        known = ["Year 4 pupil", "Reception child", "Class login 3b", "Somebody unknown", *ADULTS]
        raise ValueError(f"who is {person!r}? known: {', '.join(known)}")
    band, group = ADULTS[person]
    return person.lower().replace(" ", "-"), frozenset({group} if group else ()), band, False


def read_site(who: str) -> str | None:
    """The site's name in the preset; None at home or when no place is named."""
    place = who.partition(" at ")[2]
    if place and place not in SITES:
        raise ValueError(f"where is {place!r}? known: {', '.join(SITES)}")
    return SITES.get(place)


def read_time(when: str) -> datetime:
    """The moment. The weekday is checked, because a school's day hangs on it."""
    found = _WHEN.fullmatch(when)
    if found is None:
        raise ValueError(f"{when!r} is not a time; write Tue 24 Nov 2026 10:20")
    moment = datetime.strptime(found[2], "%d %b %Y %H:%M").replace(tzinfo=UTC if found[3] else LONDON)
    if moment.strftime("%a") != found[1]:
        raise ValueError(f"{found[2]} is a {moment:%a}, not a {found[1]}")
    return moment


def read_request(asked: str) -> tuple[str, str, tuple[str, ...], frozenset[Signal]]:
    """Method, URL as typed, claims and signals."""
    if search := _SEARCH.fullmatch(asked):
        engine = search["engine"]
        if engine not in ENGINES:
            raise ValueError(f"where does {engine!r} search? known: {', '.join(ENGINES)}")
        return "GET", ENGINES[engine].format(quote_plus(search["words"])), (), frozenset()
    found = _REQUEST.fullmatch(asked)
    if found is None:
        raise ValueError(f"{asked!r} is not a request; write https://host/path, with a method in front if not GET")
    method = found["method"] or "GET"
    url = f"https://{found['url']}/" if method == "CONNECT" else found["url"]
    claims = (f"https://{found['claim']}/",) if found["claim"] else ()
    signals = {Signal(word) for word in (found["signals"] or "").split(", ") if word}
    if canonical_url(url).is_address:
        signals.add(Signal.IP_LITERAL)
    return method, url, claims, frozenset(signals)


def _address(site: str | None, user: str | None) -> str:
    """An address of the site; each kind of person has its own, so that rows can be told apart by it."""
    number = 250 if user is None else 1 + sum(user.encode()) % 200
    return f"{NETWORKS[site]}.4.{number}" if site else f"{NETWORKS[site]}.{number}"
