"""`schoolgate explain`: what would happen to this request, and why. Needs no running proxy.

In come a URL, somebody and a moment; out comes the same verdict the gateway would give, told in full. With `-` as URL
it reads lines from standard input, URLs or JSON objects, and answers one JSON line each.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from policy.client import Band
from proxy.settings import Settings

if TYPE_CHECKING:
    from categories.pagetable import Finding
    from identity.directory import Directory
    from policy.client import Client
    from policy.engine import Engine
    from policy.explain import Explanation

_FLAGS = ("user", "band", "address", "groups", "site", "at", "method", "stage")
_READ = 16 * 1024 * 1024
"""Most bytes of a page that are read from a file."""
_BANDS = tuple(band.value for band in Band)


class Misasked(ValueError):
    """The question cannot be answered as asked; the message says what would have been right."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("explain", help="what would happen to a request, and why")
    parser.add_argument("url", metavar="URL", help="a URL or host; - reads one a line (or JSON) and answers JSON lines")
    parser.add_argument("--user", metavar="NAME", help="as if this account had signed in")
    parser.add_argument("--band", metavar="BAND", help=f"age band: {', '.join(_BANDS)}")
    parser.add_argument("--address", metavar="IP", help="as if asked from this address")
    parser.add_argument("--group", action="append", default=[], metavar="GROUP", dest="groups", help="may be repeated")
    parser.add_argument("--site", metavar="SITE", help="at this site")
    parser.add_argument("--at", metavar="TIME", help="10:20, 'tue 10:20' or 2026-11-24T10:20; default now")
    parser.add_argument("--method", default="GET", metavar="METHOD", help="HTTP method; default GET")
    parser.add_argument("--stage", default="request", choices=("connect", "request"), help="how much is known")
    parser.add_argument(
        "--text-file", type=Path, metavar="FILE", help="as if this page answered: HTML, or plain text when named .txt"
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(handle=handle)


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 allowed, 1 blocked, 2 it could not be asked. With `-`: 0 when every line was answered, if only by an error."""
    from categories.stored import SnapshotError
    from policy.engine import EngineProblem
    from policy.rules import PolicyErrors
    from proxy.assembly import open_directory, open_engine

    flags = {name: getattr(args, name) for name in _FLAGS}
    try:
        asker = Asker(open_engine(settings), open_directory(settings), datetime.now().astimezone)
        if args.url == "-":
            asker.check(flags)
            answer_lines(asker, flags, sys.stdin.buffer, sys.stdout)
            return 0
        explanation = asker.ask(args.url, flags, found=asker.found_in(args.text_file))
    except BrokenPipeError:
        raise  # whoever read the answers has gone: no fault of policy or lists
    except (PolicyErrors, SnapshotError, EngineProblem, OSError) as error:
        print(f"{error}\nnext: schoolgate validate", file=sys.stderr)
        return 2
    except Misasked as error:
        print(f"explain: {error}\nnext: schoolgate explain --help", file=sys.stderr)
        return 2
    for note in asker.notes:
        print(f"explain: {note}", file=sys.stderr)
    print(json.dumps(explanation.as_json()) if args.json else explanation.as_text())
    return 1 if explanation.verdict.blocked else 0


def answer_lines(asker: Asker, flags: Mapping[str, Any], lines: BinaryIO | Iterable[bytes], out: TextIO) -> None:
    """Answer every line with one JSON line, at once, so that a program can talk with us through a pipe."""
    for raw in lines:
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        asked: dict[str, Any] = {"url": line}
        try:
            if line.startswith("{"):
                asked = _asked(line)
            answer = asker.ask(asked["url"], {**flags, **asked}).as_json()
        except Misasked as error:
            answer = {"url": asked.get("url", line), "error": str(error)}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def _asked(line: str) -> dict[str, Any]:
    """A line of JSON: `url`, and whatever of the flags it overrides."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Misasked(f"is neither a URL nor JSON: {error}") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("url"), str):
        raise Misasked('a JSON line needs "url": {"url": "https://example.org", "band": "ks2"}')
    if "group" in asked:
        asked["groups"] = asked.pop("group")
    if isinstance(asked.get("groups"), str):
        asked["groups"] = [asked["groups"]]
    unknown = sorted(set(asked) - {"url", *_FLAGS})
    if unknown:
        raise Misasked(f"unknown key {unknown[0]!r}; known: url, {', '.join(_FLAGS)}")
    for name, value in asked.items():
        words = value if name == "groups" and isinstance(value, list) else [value]
        if not all(word is None or isinstance(word, str) for word in words):
            raise Misasked(f"{name} must be {'a list of words' if name == 'groups' else 'a word'}")
    return asked


@dataclass(slots=True)
class _Who:
    """A client, and why the gateway would refuse it before any policy is asked."""

    client: Client
    refused: str | None = None


class Asker:
    """Asks one engine many questions."""

    def __init__(self, engine: Engine, directory: Directory, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.directory = directory
        self.clock = clock
        self.notes: list[str] = []
        """What the asker should know besides the answer."""
        self._known: dict[tuple[Any, ...], _Who] = {}
        self._moments: dict[tuple[str, str | None], datetime] = {}

    def check(self, flags: Mapping[str, Any]) -> None:
        """Raise `Misasked` when the flags themselves are wrong, before any line is read."""
        self.who(flags)
        self.moment(flags.get("at"), flags.get("site"))

    def found_in(self, file: Path | None) -> tuple[Finding, ...] | None:
        """What lists say of the page in a file; None when there is no file. Raises `OSError`."""
        if file is None:
            return None
        with file.open("rb") as stream:
            octets = stream.read(_READ)
        table = self.engine.index.pages
        if table is None:
            self.notes.append("no list asks for the words of pages (`apply_to: [page]`)")
            return ()
        from categories.pagescan import PageScan

        scan = PageScan(table, markup=file.suffix.lower() != ".txt")
        scan.feed(octets)
        return scan.findings(last=True)

    def ask(self, url: str, flags: Mapping[str, Any], *, found: tuple[Finding, ...] | None = None) -> Explanation:
        """The explanation of one request, and of the page that answers it when there is one. Raises `Misasked`."""
        from categories.names import NameProblem, canonical_url
        from policy.model import Request, Stage

        try:
            asked = canonical_url(url)
        except NameProblem as problem:
            raise Misasked(f"{url[:200]!r} is not a URL: {problem}") from problem
        stage = flags.get("stage") or "request"
        if stage not in {Stage.CONNECT.value, Stage.REQUEST.value}:
            raise Misasked(f"unknown stage {stage!r}; connect or request")
        who = self.who(flags)
        at = self.moment(flags.get("at"), who.client.site)
        method = str(flags.get("method") or "GET").upper()
        request = Request(asked, Stage(stage), method)
        if found is not None:
            request = request._replace(stage=Stage.RESPONSE, found=found)
        explanation = self.engine.explain(request, who.client, at)
        return explanation if who.refused is None else _refused(explanation, who.refused)

    def who(self, flags: Mapping[str, Any]) -> _Who:
        """The client these flags describe, as if the named account had signed in."""
        groups = tuple(sorted(flags.get("groups") or ()))
        key = (flags.get("user"), flags.get("band"), flags.get("address"), groups, flags.get("site"))
        known = self._known.get(key)
        if known is None:
            if len(self._known) > 10_000:
                self._known.clear()
            known = self._known[key] = self._who(*key)
        return known

    def _who(
        self, user: str | None, band: str | None, address: str | None, groups: tuple[str, ...], site: str | None
    ) -> _Who:
        from identity.model import Evidence
        from identity.resolve import resolve
        from policy.client import STRICTEST_BAND, Client

        policy = self.engine.policy
        _check_word("band", band, _BANDS)
        _check_word("site", site, policy.sites)
        for group in groups:
            _check_word("group", group, policy.groups)
        header = None
        if user and self.directory.person(user) is not None:
            header = "Basic " + base64.b64encode(f"{user}:as if signed in".encode()).decode()
        elif user:
            self.notes.append(f"no account is called {user[:80]!r}: answered as for somebody nobody knows")
        identity = resolve(Evidence(address or "", header), self.directory, "optional", True, self.clock())
        everything = identity.groups | frozenset(groups)
        said = band or (identity.band if identity.band in _BANDS else None)
        settled = Band(said) if said else policy.band_of_groups(everything)
        client = Client(
            site=site or identity.site,
            device=identity.device,
            address=identity.address,
            user=identity.user,
            groups=everything,
            band=settled or STRICTEST_BAND,
            band_known=settled is not None,
            source=identity.source,
            verified=identity.verified,
            shared=identity.shared,
        )
        return _Who(client, identity.refused)

    def moment(self, text: str | None, site: str | None) -> datetime:
        """The moment meant, on the site's wall clock. Raises `Misasked`."""
        key = (text or "", site)
        if key not in self._moments:
            if len(self._moments) > 10_000:
                self._moments.clear()
            zone = self.engine.policy.timetable_of(site).zone
            self._moments[key] = read_moment(text or "", self.clock().astimezone(zone))
        return self._moments[key]


def read_moment(text: str, now: datetime) -> datetime:
    """As `registry.moments.read_moment`. Raises `Misasked`."""
    from registry.moments import read_moment

    try:
        return read_moment(text, now)
    except ValueError as error:
        raise Misasked(str(error)) from error


def _check_word(kind: str, word: str | None, known: Iterable[str]) -> None:
    from policy.problems import did_you_mean

    names = list(known)
    if word is not None and word not in names:
        raise Misasked(f"unknown {kind} {word[:80]!r} ({did_you_mean(word, names)})")


def _refused(explanation: Explanation, refused: str) -> Explanation:
    """What the gateway answers to a person who may not browse at all: the policy is not asked."""
    from addons.filter import REFUSALS
    from policy.model import Action, Reason, Verdict

    verdict = Verdict(
        action=Action.BLOCK,
        reason=Reason.IDENTITY,
        because=REFUSALS.get(refused, REFUSALS["disabled"]),
        rule=f"identity:{refused}",
        band=explanation.verdict.band,
        stage=explanation.verdict.stage,
        revision=explanation.verdict.revision,
    )
    return replace(explanation, verdict=verdict, line=0, changes=(), losers=())
