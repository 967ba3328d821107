"""Over-blocking: which of the sites people really use does a preset close, by whose list, and what do we take back?

    python -m benchmarks.overblocking [--lists FOLDER] [--sites FOLDER] [--preset FILE] [--shown N]

Every university, every popular host and every popular origin is decided at a lesson time with a preset: with the
starter lists alone, with a UT1 tree, and with the large overlay of that tree. Each is decided twice: with the preset
as it is, and without what heeds our own allow list. Early Years to Key Stage 2 may open only what was chosen, so a
share of popular sites says nothing about them; every band is asked for every host our own lists choose for teaching.
The run fails when an answer everybody knows is wrong, or when a university, or a site chosen for teaching, stays closed
without a reason.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import yaml

from benchmarks.corpus import REAL, ROOT, unpacked_tree
from benchmarks.targets import Target
from categories.model import EntryKind
from categories.names import NameProblem, Url, canonical_url
from categories.parse import Entry, parse
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import STARTER, ListSource, starter_sources
from categories.taxonomy import Kind, Taxonomy, load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request, Verdict
from policy.rules import load_policy

BENIGN = ROOT / "benchmarks" / "benign.tsv"
"""Sites and searches of our own choice that careless lists close."""
AT = datetime(2026, 11, 24, 9, 20, tzinfo=UTC)
"""A Tuesday in term, in a lesson at every site of the presets."""
MISTAKES = Target("known answers that are wrong, and sites closed for no reason", 0)
OWN = "wrongly-listed"
"""The category of our own allow list, and the rule of the presets that heeds it."""
SPARED = "not school-services"
"""How the presets keep a list of chat sites off the classroom services our own list names."""
CHOSEN = ("education", "child-safe-search", "school-services", "cdn", "app-updates")
"""What the presets open to bands that get only what was chosen."""
OLDER = (Band.KS3, Band.KS4, Band.KS5, Band.STAFF)
YOUNGER = (Band.KS1, Band.KS2)
NEVER_CLOSED = {"universities", "chosen for teaching", "benign look-alikes"}
"""Sets of which every closed host is a mistake."""
LEFT = {
    "amti.hit.bg": "a page at a free web host that is mostly adverts",
    "kidu-darululum.blogspot.com": "a blog, and Key Stage 3 gets none",
}
"""Closed hosts of those sets that are left so, and why."""
NOT_OVERRULED = {"malware", "phishing"}
"""A site may be named for these because somebody broke into it: our allow list never overrules that, it is told."""
KNOWN = (
    ("www.ox.ac.uk", OLDER, False),
    ("www.nhs.uk", OLDER, False),
    ("www.gov.uk", OLDER, False),
    ("www.bbc.co.uk", OLDER, False),
    ("en.wikipedia.org", OLDER, False),
    ("www.childline.org.uk", tuple(Band), False),
    ("www.pornhub.com", tuple(Band), True),
    ("nordvpn.com", tuple(Band), True),
    ("www.bet365.com", OLDER, True),
    ("child-abuse.schoolgate.test", tuple(Band), True),
)
"""Host, bands, and whether it must be closed in a lesson: whatever lists are in force, before and after."""


@dataclass(frozen=True, slots=True)
class Sites:
    """One set of sites."""

    name: str
    """What it is."""
    urls: Sequence[Url]
    """Most popular first, each once."""
    bands: Sequence[Band]
    """Who is asked for them."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one band met in one set with one choice of lists."""

    closed: Mapping[str, Verdict]
    """Host, or host and query, to verdict, without our allow list; most popular first."""
    still: Mapping[str, Verdict]
    """The same with it."""

    @property
    def opened(self) -> tuple[str, ...]:
        """What our allow list opens."""
        return tuple(host for host in self.closed if host not in self.still)


def main() -> int:
    """Compile, decide, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree, or the folder of its archives")
    parser.add_argument("--sites", type=Path, default=REAL / "topsites", help="folder of the tables of sites")
    parser.add_argument("--preset", type=Path, default=ROOT / "policy" / "presets" / "trust.yaml", help="a policy")
    parser.add_argument("--shown", type=int, default=20, help="closed hosts shown per band")
    args = parser.parse_args()
    taxonomy, wrong = load_taxonomy(), []
    sets = [
        Sites("benign look-alikes", tuple(benign_urls()), OLDER),
        Sites("chosen for teaching", tuple(_urls(chosen_hosts())), (*YOUNGER, *OLDER)),
        *site_sets(args.sites),
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for name, sources in _list_choices(args.lists, Path(scratch)):
            report = build_snapshot(sources, Path(scratch) / "snapshot", taxonomy)
            print(f"\n=== {name}: {report.entries:,} entries", flush=True)
            engines = _engines(args.preset, Path(scratch) / "snapshot", taxonomy)
            wrong += [f"{name}: {line}" for line in mistaken(*engines)]
            for sites in sets:
                tallies = {band: tally(*engines, sites.urls, band) for band in sites.bands}
                show(sites, tallies, taxonomy, args.shown, print)
                if sites.name in NEVER_CLOSED:
                    wrong += [f"{name}: {sites.name}: {line}" for line in unexplained(tallies)]
    for line in wrong:
        print(f"WRONG  {line}", file=sys.stderr)
    return 0 if MISTAKES.tell(len(wrong)) else 1


def site_sets(folder: Path) -> Iterator[Sites]:
    """The tables that are there: universities, popular hosts (the first 10,000, and all), popular origins."""
    for pattern, name, column in (
        ("universities-*.tsv.gz", "universities", 0),
        ("umbrella-*.tsv.gz", "popular hosts", -1),
        ("crux-*.tsv.gz", "popular origins", -1),
    ):
        for file in sorted(folder.glob(pattern)):
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                urls = tuple(_urls(line.rstrip("\n").split("\t")[column] for line in lines))
            if name == "popular hosts":
                yield Sites("the 10,000 most popular hosts", urls[:10_000], OLDER)
            yield Sites(name, urls, OLDER)


def chosen_hosts() -> Iterator[str]:
    """Every host our own lists choose for teaching."""
    for category in CHOSEN:
        with (STARTER / f"{category}.txt").open("rb") as lines:
            yield from (
                entry.value
                for entry in parse("starter", lines, category)
                if isinstance(entry, Entry) and entry.kind is EntryKind.DOMAIN
            )


def benign_urls() -> Iterator[Url]:
    """Our own corpus: front pages, and searches on a general engine."""
    for line in BENIGN.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            what = line.partition("\t")[2]
            search = f"www.google.com/search?{urlencode({'q': what.strip('"')})}"
            yield canonical_url(f"https://{search if what.startswith('"') else what}")


def _urls(names: Iterable[str]) -> Iterator[Url]:
    """Front pages; what is no name of a site (a header, a bare top level) is left out, and nothing comes twice."""
    seen: set[str] = set()
    for name in names:
        try:
            url = canonical_url(name if "://" in name else f"https://{name}/")
        except NameProblem:
            continue
        if "." in url.host and url.host not in seen:
            seen.add(url.host)
            yield url


def _list_choices(lists: Path, scratch: Path) -> Iterator[tuple[str, tuple[ListSource, ...]]]:
    """The starter lists, then with the tree, then with its overlay; a tree that is not there is said and left out."""
    yield "starter lists", starter_sources()
    archives = sorted(lists.glob("*.tar.xz"))
    if not archives and not lists.is_dir():
        print(f"no UT1 tree at {lists}: only the starter lists are shown", file=sys.stderr)
        return
    for archive in archives or (lists,):
        part = scratch / "part"
        part.mkdir(exist_ok=True)
        if archives:
            (part / archive.name).symlink_to(archive.resolve())
        tree = unpacked_tree(part if archives else lists, scratch)
        if tree is not None:
            name = f"starter lists + UT1 ({', '.join(sorted(file.name for file in part.iterdir())) or lists.name})"
            yield name, (*starter_sources(), ListSource(name="ut1", path=tree, format="ut1"))


def without_own(text: str) -> str:
    """A policy without what heeds our own lists: its rule for the allow list, and `not school-services`."""
    policy = yaml.load(text, Loader=yaml.BaseLoader)
    for part in policy["policies"]:
        part["rules"] = [rule for rule in part["rules"] if rule["rule"] != OWN]
        for rule in part["rules"]:
            if "what" in rule:
                rule["what"] = [item for item in rule["what"] if item != SPARED]
    return str(yaml.safe_dump(policy, sort_keys=False))


def _engines(preset: Path, snapshot: Path, taxonomy: Taxonomy) -> tuple[Engine, Engine]:
    """Without our allow list, and with it."""
    index, text = open_snapshot(snapshot), preset.read_text(encoding="utf-8")
    before, after = (load_policy(t, file=preset.name, categories=taxonomy) for t in (without_own(text), text))
    return Engine(index, before), Engine(index, after)


def client_of(band: Band) -> Client:
    """Who is asked for a band; staff is a teacher, in a lesson the strictest of them."""
    groups = frozenset({"teaching-staff"}) if band is Band.STAFF else frozenset[str]()
    return Client(band=band, band_known=True, groups=groups, address="192.0.2.10")


def tally(before: Engine, after: Engine, urls: Iterable[Url], band: Band) -> Tally:
    """Decide every site twice: an allow list closes nothing, so only closed ones are asked again."""
    client = client_of(band)
    closed, still = {}, {}
    for url in urls:
        request = Request(url)
        first = before.decide(request, client, AT)
        if not first.blocked:
            continue
        name = f"{url.host}?{url.query}" if url.query else url.host
        closed[name] = first
        second = after.decide(request, client, AT)
        if second.blocked:
            still[name] = second
    return Tally(closed, still)


def mistaken(before: Engine, after: Engine) -> Iterator[str]:
    """Answers everybody knows that came out otherwise."""
    for host, bands, closed in KNOWN:
        for band in bands:
            for when, engine in (("before", before), ("after", after)):
                verdict = engine.decide(Request(canonical_url(f"https://{host}/")), client_of(band), AT)
                if verdict.blocked is not closed and (closed or band in OLDER or host == "www.childline.org.uk"):
                    yield f"{host} for {band} {when}: {verdict.action} by {verdict.rule}"


def unexplained(tallies: Mapping[Band, Tally]) -> Iterator[str]:
    """What is closed that never should be, our allow list heeded, and that nothing here explains."""
    for band, one in tallies.items():
        for host, verdict in one.still.items():
            if host not in LEFT and verdict.category not in NOT_OVERRULED:
                yield f"{host} is closed for {band} by {verdict.rule} ({verdict.category})"


def show(
    sites: Sites, tallies: Mapping[Band, Tally], taxonomy: Taxonomy, shown: int, say: Callable[[str], None]
) -> None:
    """Counts and shares by band, category and list; the most popular closed hosts; what our allow list opens."""
    count = len(sites.urls)
    say(f"\n{sites.name}: {count:,}\n  {'band':8}{'closed':>18}{'with our list':>18}{'of these harm':>18}")
    for band, one in tallies.items():
        harm = sum(_is_harm(verdict, taxonomy) for verdict in one.still.values())
        cells = "".join(f"{n:8,} {n / max(count, 1):8.3%}" for n in (len(one.closed), len(one.still), harm))
        say(f"  {band.value:8}{cells}")
    for band, one in tallies.items():
        if not one.closed:
            continue
        categories = Counter(verdict.category or verdict.rule or "?" for verdict in one.still.values())
        lists = Counter(verdict.match.list if verdict.match else "no list" for verdict in one.still.values())
        say(f"  {band}: categories: {_most(categories)}\n  {band}: lists: {_most(lists)}")
        say(f"  {band}: most popular: " + ", ".join(_named(*item) for item in list(one.still.items())[:shown]))
        if one.opened:
            say(f"  {band}: opened by our list ({len(one.opened)}): {', '.join(one.opened[:shown])}")


def _is_harm(verdict: Verdict, taxonomy: Taxonomy) -> bool:
    category = taxonomy.get(verdict.category or "")
    return category is not None and category.kind in {Kind.STATUTORY, Kind.HARMFUL, Kind.CIRCUMVENTION}


def _named(host: str, verdict: Verdict) -> str:
    return f"{host} ({verdict.category or verdict.rule})"


def _most(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counted.most_common(12))


if __name__ == "__main__":
    sys.exit(main())
