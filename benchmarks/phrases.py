"""Weighted phrases on real pages: what a 50 kB page costs, against e2guardian's 20 ms (design §6).

    python -m benchmarks.phrases [--pages N] [--rounds N] [--check N]

All phrase lists of e2guardian (17 languages; generated ones where they are not beside the clone) are looked for in
real pages, cut or repeated to 50 kB each: in what is read of them (tags taken off, that included), which is what counts
here, and also in the text as it stands, which e2guardian's second pass looks at. Then what the gateway does with a
page before anybody sees it: charset, markup, four readings, and every phrase of them, by Hyperscan and by Aho-Corasick;
their findings must be equal. How many of the pages, whole, are over the guide limits is told.
CPU time of this process, best of the rounds; memory is what the finder adds to it. The answer is compared with a plain
search for every phrase, one by one. Also: a search of some words, with disguises undone, and an address. Fails when an
answer differs or what is read of a page costs more than 0.1 of e2guardian's.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.corpus import REAL, urls_of
from categories.importers.e2guardian_phrases import PhraseFile, read_phrases
from categories.model import ListStatus
from categories.names import NameProblem, Url, canonical_url
from categories.needles import precompiled
from categories.pagescan import PageScan
from categories.pagetable import Finding, PageTable
from categories.scoring import PhraseFinder, PhraseKind, PhraseScorer, ScoredPhrase, scored_text
from categories.weighted import WeightedTable, in_points
from categories.words import Words, words_of

PAGE = 50_000
LIMIT = 160
E2GUARDIAN_MS = 20.0
TARGET = 0.1
READ_MS = 2.0
"""Milliseconds of CPU a page may take of the worker's event loop."""
SEARCH = "how do volcanoes form and why do they erupt"
_TAG = re.compile(r"<[^>]*>")


def main() -> int:
    """Measure, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=75, help="pages of 50 kB")
    parser.add_argument("--rounds", type=int, default=3, help="the best counts")
    parser.add_argument("--check", type=int, default=6, help="pages compared with the plain search")
    args = parser.parse_args()
    phrases, languages = _phrases()
    pages = _pages(args.pages)
    process, before = psutil.Process(), _settled()
    began = time.process_time()
    scorer = PhraseScorer(phrases, limit=LIMIT)
    built = time.process_time() - began
    memory = process.memory_info().rss - before
    print(f"{len(phrases):,} phrases of {languages} folders of languages and subjects: built in {built:.2f} s of CPU,")
    print(f"{memory / 1e6:.1f} MB; {len(pages)} pages of {PAGE:,} bytes; load {os.getloadavg()[0]:.1f}")
    wrong = _check(phrases, pages[: args.check])
    raw_ms = _each(scorer.score, pages, args.rounds)
    text_ms = _each(lambda page: scorer.score(_TAG.sub(" ", page)), pages, args.rounds)
    both = [one + other for one, other in zip(raw_ms, text_ms, strict=True)]
    _tell("page as it stands", raw_ms)
    _tell("page without tags", text_ms)
    _tell("both passes", both)
    ratio, twice = statistics.mean(text_ms) / E2GUARDIAN_MS, statistics.mean(both) / E2GUARDIAN_MS
    print(
        f"of e2guardian's {E2GUARDIAN_MS:g} ms a page: {ratio:.3f} for what is read of it (target {TARGET:g}), ", end=""
    )
    print(f"{twice:.3f} for both passes")
    read_ms, unequal = _read(phrases, pages, args.rounds)
    _product(phrases, args.rounds)
    return 1 if wrong or unequal or max(ratio, read_ms / E2GUARDIAN_MS) > TARGET or read_ms > READ_MS else 0


def _read(phrases: Sequence[ScoredPhrase], pages: Sequence[str], rounds: int) -> tuple[float, int]:
    """What reading a page costs the gateway, mean of the faster engine; how many pages the engines differ on."""
    status = ListStatus("bench", "bench", len(phrases), 0, 0.0, "")
    points = [in_points(phrase, LIMIT) for phrase in phrases]
    limits = dict.fromkeys({phrase.category for phrase in points}, LIMIT)
    kept = [PageTable([status], (), points, limits)]  # what is freed would be taken again, and not be seen
    parts = kept[0].parts
    began = time.process_time()
    compiled = precompiled(parts)
    took = time.process_time() - began
    size = 0 if compiled is None else len(compiled)
    print(f"\nreading a page: {len(parts):,} different parts, compiled in {took:.2f} s of CPU to {size:,} bytes")
    best, found = float("inf"), []
    for raw in (compiled, None) if compiled is not None else (None,):
        before = _settled()
        table = PageTable([status], (), points, limits, raw)
        memory = _settled() - before
        kept.append(table)
        times = _each(lambda page, table=table: _scan(table, page), pages, rounds)
        found.append([_scan(table, page) for page in pages])
        _tell(table.needles.engine, times)
        print(f"{'':<20} {memory / 1e6:.1f} MB in each worker, phrases included")
        best = min(best, statistics.mean(times))
    unequal = sum(one != other for one, other in zip(found[0], found[-1], strict=True))
    print(f"{len(pages) - unequal} of {len(pages)} pages answered alike by {len(found)} engines; ", end="")
    print(f"of e2guardian's {E2GUARDIAN_MS:g} ms a page: {best / E2GUARDIAN_MS:.3f} (target {TARGET:g})")
    table = PageTable([status], (), points, limits, compiled)
    whole = [_scan(table, page) for page in _pages(10_000, cut=False)]
    for limit in (60, 100, LIMIT):
        over = sum(any(finding.over(limit) for finding in page) for page in whole)
        print(f"over a limit of {limit}: {over} of {len(whole)} pages")
    return best, unequal


def _scan(table: PageTable, page: str) -> tuple[Finding, ...]:
    scan = PageScan(table)
    scan.feed(page.encode())
    return scan.findings(last=True)


def _settled() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _phrases() -> tuple[list[ScoredPhrase], int]:
    """Every phrase of the real lists, and the folders they come from; generated ones where there are none."""
    found: list[ScoredPhrase] = []
    folders: set[str] = set()
    with tempfile.TemporaryDirectory() as scratch:
        for archive in sorted((REAL / "phrases").glob("*.tar.xz")):
            with tarfile.open(archive) as packed:
                packed.extractall(scratch, filter="data")
        for file in sorted(Path(scratch).rglob("*")):
            if not file.is_file() or not file.name.startswith(("weighted", "banned", "exception")):
                continue
            name = file.relative_to(scratch).as_posix()
            folders.add(file.parent.name)
            with file.open("rb") as stream:
                about = PhraseFile(name, file.parent.name, exceptions=file.name.startswith("exception"))
                found += [item for item in read_phrases(stream, about) if isinstance(item, ScoredPhrase)]
    if found:
        return found, len(folders)
    print("no real phrase lists beside the clone: phrases are generated")
    chance = random.Random(7)
    words = _words(chance)
    kind = PhraseKind.WEIGHTED
    return [ScoredPhrase((f" {next(words)} {next(words)} ",), kind, chance.randint(1, 60)) for _ in range(9_800)], 1


def _words(chance: random.Random) -> Iterator[str]:
    while True:
        yield "".join(chance.choices("etaoinshrdlucmfwypvbgk", k=chance.randint(3, 9)))


def _pages(count: int, *, cut: bool = True) -> list[str]:
    """Pages of 50 kB: real ones cut there or repeated until then, or whole; generated ones where there are none."""
    texts: list[str] = []
    for archive in sorted((REAL / "pages").glob("*.tar.xz")):
        with tarfile.open(archive) as packed:
            for member in packed:
                stream = packed.extractfile(member) if member.isfile() else None
                if stream is not None and (raw := stream.read()):
                    sized = (raw * (PAGE // len(raw) + 1))[:PAGE] if cut else raw
                    texts.append(sized.decode("utf-8", "replace"))
    if not texts:
        print("no real pages beside the clone: pages are generated")
        words = _words(random.Random(11))
        texts = [f"<p>{' '.join(next(words) for _ in range(PAGE // 6))}</p>"[:PAGE] for _ in range(20)]
    return texts[:count]


def _check(phrases: Sequence[ScoredPhrase], pages: Sequence[str]) -> int:
    """Compare with a plain search for every phrase; how many pages differ."""
    finder, wrong = PhraseFinder(phrases), 0
    found_all = 0
    for number, page in enumerate(pages):
        text = f" {scored_text(page).strip()} "
        there = {part: part in text for part in {part for phrase in phrases for part in phrase.parts}}
        plain = {place for place, phrase in enumerate(phrases) if all(there[part] for part in phrase.parts)}
        found = set(finder.find(text.strip()))
        found_all += len(plain)
        if found != plain:
            wrong += 1
            print(f"page {number}: {len(found ^ plain)} phrases differ from the plain search")
    print(f"{len(pages) - wrong} of {len(pages)} pages answered as the plain search does ({found_all:,} hits)")
    return wrong


def _each(score: Callable[[str], object], pages: Sequence[str], rounds: int) -> list[float]:
    """CPU milliseconds of each page, best of the rounds."""
    best = [float("inf")] * len(pages)
    for _ in range(rounds):
        for place, page in enumerate(pages):
            began = time.process_time_ns()
            score(page)
            best[place] = min(best[place], (time.process_time_ns() - began) / 1e6)
    return best


def _tell(what: str, times: Sequence[float]) -> None:
    p50, mean, most = statistics.median(times), statistics.mean(times), max(times)
    print(f"{what:<20} p50 {p50:6.2f} ms   mean {mean:6.2f} ms   max {most:6.2f} ms of CPU")


def _product(phrases: Sequence[ScoredPhrase], rounds: int) -> None:
    """What the gateway does with them: searches and addresses, with disguises undone."""
    points = [in_points(phrase, LIMIT) for phrase in phrases]
    table = WeightedTable(points, dict.fromkeys({phrase.category for phrase in points}, LIMIT))
    searches = _each(table.over, [SEARCH] * 200, rounds)
    nobody = Words((), (), (), ())
    url = canonical_url("https://www.example.org/a/b?c=d")
    began = time.process_time_ns()
    for _ in range(100_000):
        nobody.in_url(url)
    print(f"an address, where no list asks: {(time.process_time_ns() - began) / 1e5:.0f} ns of CPU")
    print(f"a search of {len(SEARCH.split())} words: p50 {statistics.median(searches) * 1e3:.0f} µs of CPU")
    file = REAL / "urls" / "requests-dev.tsv.gz"
    texts = urls_of(file)[::20] if file.is_file() else [f"https://h{n}.example/a/b?c={n}" for n in range(5_000)]
    urls = [url for text in texts if (url := _url(text)) is not None]
    costs = _each(table.over, [words_of(url) for url in urls], 1)
    over = sum(bool(table.over(words_of(url))) for url in urls)
    p99 = statistics.quantiles(costs, n=100)[98]
    p50 = statistics.median(costs) * 1e3
    print(f"an address, where a list asks: p50 {p50:.0f} µs, p99 {p99 * 1e3:.0f} µs of CPU; ", end="")
    print(f"{over} of {len(urls):,} are over the limit")


def _url(text: str) -> Url | None:
    try:
        return canonical_url(text)
    except NameProblem:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
