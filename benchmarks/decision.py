"""How long one whole decision takes: host and path, search terms, policy (design §6: p50 <= 10 us, p99 <= 25 us).

    python -m benchmarks.decision [--lists FOLDER] [--urls FILE] [--count N] [--phrases FOLDER] [--url-words]

In come a UT1 tree and a file of URLs (those beside the clone, else made-up ones); out
come percentiles per band and stage, as text. Requests are made beforehand; nothing is remembered between decisions but
what the engine itself remembers; some answers are checked first, because a fast wrong answer is worth nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.corpus import REAL, ROOT, lists_tree, request_urls
from benchmarks.targets import Target, machine
from categories.names import NameProblem, Url, canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Request, Stage
from policy.rules import load_policy
from proxy.worker import settle_memory

AT = datetime(2026, 11, 24, 10, 20, tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)  # as the gateway asks
BANDS = (Band.KS2, Band.KS4, Band.STAFF)
P50 = Target("p50 of a decision, the slowest band and stage", 10.0, "us")
P99 = Target("p99 of a decision, the slowest band and stage", 25.0, "us")


def main() -> int:
    """Build an engine, time it, check it, print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, default=REAL / "ut1", help="a UT1 tree")
    parser.add_argument("--urls", type=Path, default=REAL / "urls" / "requests-dev.tsv.gz", help="URLs, one a line")
    parser.add_argument("--count", type=int, default=20_000, help="decisions per measurement")
    parser.add_argument("--phrases", type=Path, help="a folder of e2guardian phrase lists, or one phrase list, besides")
    parser.add_argument("--url-words", action="store_true", help="let those phrases be looked for in addresses, too")
    parser.add_argument("--snapshot", type=Path, help="folder of a compiled snapshot to use instead of compiling")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree = lists_tree(args.lists, Path(scratch))
        engine = _engine(Path(scratch), tree, args.snapshot, _phrases(args.phrases, args.url_words))
        urls = _urls(request_urls(args.urls, tree), args.count)
        print(f"{sum(s.entries for s in engine.index.lists):,} entries, {len(urls):,} URLs, revision {engine.revision}")
        _check(engine)
        settle_memory()  # as a worker does
        timed = [_measure(engine, urls, band, stage) for band in BANDS for stage in (Stage.REQUEST, Stage.CONNECT)]
    met = [P50.tell(max(p50 for p50, _ in timed)), P99.tell(max(p99 for _, p99 in timed))]
    print(machine())
    return 0 if all(met) else 1


def _phrases(path: Path | None, url_words: bool) -> tuple[ListSource, ...]:
    """The phrase lists as a source, under the limit for young adults."""
    if path is None:
        return ()
    return (
        ListSource("phrases", path, "phrases", limit=160, apply_to=("search", "url") if url_words else ("search",)),
    )


def _engine(scratch: Path, tree: Path, compiled: Path | None, phrases: tuple[ListSource, ...]) -> Engine:
    taxonomy = load_taxonomy()
    if compiled is None:
        compiled = scratch / "snapshot"
        compiled.mkdir()
        build_snapshot((*starter_sources(), ListSource("ut1", tree, "ut1"), *phrases), compiled, taxonomy)
    index = open_snapshot(compiled)
    text = (ROOT / "policy" / "presets" / "trust.yaml").read_text(encoding="utf-8")
    return Engine(index, load_policy(text, file="trust.yaml", categories=taxonomy))


def _urls(lines: list[str], count: int) -> list[Url]:
    random.Random(7).shuffle(lines)
    urls: list[Url] = []
    for line in lines:
        try:
            urls.append(canonical_url(line))
        except NameProblem:
            continue
        if len(urls) == count:
            break
    return urls


def _check(engine: Engine) -> None:
    """Answers that must be right before their speed means anything."""
    staff = Client(site="riverside", band=Band.STAFF, band_known=True)
    infant = Client(site="oakwood", band=Band.KS1, band_known=True)
    wrong = [
        what
        for what, client, url, right in (
            ("staff open an unknown page", staff, "https://plain-page.example.org/", Action.ALLOW),
            ("KS1 does not", infant, "https://plain-page.example.org/", Action.BLOCK),
            ("Childline is open to KS1", infant, "https://www.childline.org.uk/", Action.ALLOW),
        )
        if engine.decide(Request(canonical_url(url)), client, AT).action is not right
    ]
    if wrong:
        raise SystemExit(f"wrong answers: {wrong}")


def _measure(engine: Engine, urls: list[Url], band: Band, stage: Stage) -> tuple[float, float]:
    """Print one line; p50 and p99 in microseconds."""
    client = Client(site="riverside", user="pupil-0417", band=band, band_known=True, groups=frozenset({"year-10"}))
    requests = [Request(url, stage, claims=(url,)) for url in urls]
    clock, decide = time.perf_counter_ns, engine.decide
    for request in requests[:500]:
        decide(request, client, AT)
    times: list[int] = []
    answers: Counter[str] = Counter()
    for request in requests:
        start = clock()
        verdict = decide(request, client, AT)
        times.append(clock() - start)
        answers[verdict.action.value] += 1
    times.sort()
    p50, p99 = times[len(times) // 2] / 1000, times[len(times) * 99 // 100] / 1000
    mean = sum(times) / len(times) / 1000
    told = " ".join(f"{action} {number}" for action, number in sorted(answers.items()))
    print(f"{band.value:<6}{stage.value:<9} p50 {p50:6.1f} us  p99 {p99:6.1f} us  mean {mean:6.1f} us  {told}")
    return p50, p99


if __name__ == "__main__":
    sys.exit(main())
