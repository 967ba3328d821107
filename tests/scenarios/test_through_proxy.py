"""The school day through a real gateway: sockets, HTTP and HTTPS, people who sign in, and a clock that is moved.

Every row of `school-day.tsv` that a client can ask for over sockets is asked for twice, plain and inside TLS, by a
person who signed in (or did not) at an address of the right school, at the row's time: the gateway runs under
libfaketime, whose offset a test may change while it runs. What the client got and what the record says must both be
what the row says.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from categories.names import canonical_url
from policy.model import Action, Signal
from tests.rig.certificates import Authority
from tests.rig.clients import NO_CHECK_TIME, Answer, Raw, basic
from tests.rig.clock import Clock
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.tools import need_library
from tests.rig.waiting import wait_for
from tests.scenarios.reading import Scenario, load_scenarios

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
PRESET = Path(__file__).resolve().parents[2] / "policy" / "presets" / "trust.yaml"
PASSWORD = "seven-green-lanterns"
NETWORKS = {"oakwood": "127.4", "riverside": "127.5", None: "127.6"}
"""First half of the loopback addresses that stand for a school."""


def askable(scenario: Scenario) -> bool:
    """Whether a well-behaved client can ask for it: the rest are CONNECTs and forged names, tried in `tests/e2e`."""
    bypass = scenario.method == "CONNECT" and scenario.action is Action.BYPASS
    return not scenario.claims and scenario.signals <= {Signal.IP_LITERAL} and (scenario.method != "CONNECT" or bypass)


SCENARIOS = sorted(filter(askable, load_scenarios()), key=lambda scenario: scenario.at)
SCHEMES = ("http", "https")
CASES = [
    (scenario, scheme)
    for scenario in SCENARIOS
    for scheme in SCHEMES
    if scheme == "https" or scenario.method != "CONNECT"
]


@dataclass
class Outcome:
    """What came of one case."""

    answer: Answer
    """What the client got."""
    issuer: str = ""
    """Who signed the certificate it was shown."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What the record says."""


class SchoolDay:
    """Asks for every case at its time; each from an address of its own, by which its row is found."""

    def __init__(self, gateway: Gateway, authority: Authority) -> None:
        self.gateway = gateway
        self.tls = ssl.create_default_context(cafile=str(gateway.ca_cert))
        self.tls.load_verify_locations(authority.pem)
        self.tls.verify_flags |= NO_CHECK_TIME
        self.outcomes: dict[tuple[str, str], Outcome] = {}

    def run(self, clock: Clock) -> dict[tuple[str, str], Outcome]:
        """The whole file, in order of time."""
        numbers = itertools.count()
        for at, group in itertools.groupby(CASES, key=lambda case: case[0].at):
            clock.set(at)
            asked = []
            for scenario, scheme in group:
                number = next(numbers)
                address = f"{NETWORKS[scenario.site]}.{number // 250}.{number % 250 + 1}"
                self.outcomes[scenario.id, scheme] = outcome = self.ask(scenario, scheme, address)
                asked.append((outcome, address))
            for outcome, address in asked:
                outcome.rows = wait_for(
                    lambda address=address: self.gateway.rows(client_address=address), f"the row of {address} at {at}"
                )
        return self.outcomes

    def ask(self, scenario: Scenario, scheme: str, address: str) -> Outcome:
        """One case; the URL goes out as it is typed."""
        authority, target = spelled(scenario.url)
        sign_in = basic(scenario.user, PASSWORD) if scenario.user else None
        method = "GET" if scenario.method == "CONNECT" else scenario.method
        with Raw(self.gateway, source=address, timeout=30) as raw:
            issuer = ""
            if scheme == "https":
                status = raw.tunnel(authority if has_port(authority) else f"{authority}:443", sign_in=sign_in)
                if status != 200:
                    return Outcome(Answer(status))
                host = canonical_url(scenario.url).host
                issuer = issuer_of(raw.secure(host, self.tls))
                sign_in = None
            else:
                target = f"http://{authority}{target}"
            fields = f"Proxy-Authorization: {sign_in}\r\n" if sign_in else ""
            fields += "Content-Length: 0\r\n" if method == "POST" else ""
            fields += "Accept: text/html\r\nConnection: close\r\n"
            raw.send(f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\n{fields}\r\n".encode())
            return Outcome(raw.answer(), issuer)


def spelled(url: str) -> tuple[str, str]:
    """Host (with port) and target of a URL as typed; what browsers settle themselves is settled."""
    text = url if url.isascii() else canonical_text(url)
    parts = urlsplit(text if "://" in text else f"http://{text}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return unquote(parts.netloc.rpartition("@")[2]), target


def canonical_text(url: str) -> str:
    """The URL in ASCII, as browsers put names of other scripts on the wire."""
    known = canonical_url(url)
    return f"{known.scheme}://{known.host}{known.path}" + (f"?{known.query}" if known.query else "")


def has_port(authority: str) -> bool:
    return authority.rpartition(":")[2].isdecimal() and not authority.endswith("]") and authority.count(":") > 0


def issuer_of(tls: ssl.SSLSocket) -> str:
    """Common name of who signed the server's certificate."""
    certificate = tls.getpeercert() or {}
    return dict(pair for part in certificate["issuer"] for pair in part)["commonName"]


def register(gateway: Gateway, folder: Path) -> None:
    """Everybody of the rows, as a school's office would: from a spreadsheet."""
    people = {scenario.user: scenario for scenario in SCENARIOS if scenario.user}
    file = folder / "people.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("name", "band", "groups", "shared", "consent", "password"))
        for user, scenario in people.items():
            band = "" if scenario.groups else str(scenario.band)
            row = (user, band, " ".join(sorted(scenario.groups)), "yes" if scenario.shared else "no", "yes", PASSWORD)
            writer.writerow(row)
    done = gateway.command("users", "import", str(file), seconds=120)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority
) -> Iterator[dict[tuple[str, str], Outcome]]:
    """Everything that came of the school day."""
    folder = tmp_path_factory.mktemp("school-day")
    clock = Clock(folder / "clock", need_library("*/faketime/libfaketimeMT.so.1", "faketime"))
    clock.set(SCENARIOS[0].at - timedelta(minutes=5))
    places = [{"network": f"{first}.0.0/16", "site": site} for site, first in NETWORKS.items() if site]
    gateway = Gateway(
        folder,
        origin=origin.address,
        trust=authority.pem,
        policy=PRESET,
        settings={"identity": {"places": places}},
        environment=clock.environment,
    )
    try:
        gateway.start()
        register(gateway, folder)
        somebody = next(scenario.user for scenario in SCENARIOS if scenario.user)
        wait_for(lambda: signs_in(gateway, somebody), "the register to be in force")
        yield SchoolDay(gateway, authority).run(clock)
        gateway.stop()
    finally:
        with contextlib.suppress(Exception):
            print(gateway.output[-3000:])
        gateway.kill()


def signs_in(gateway: Gateway, user: str) -> bool:
    """Whether that person's password is accepted."""
    with Raw(gateway) as raw:
        fields = f"Host: x.example\r\nProxy-Authorization: {basic(user, PASSWORD)}\r\nConnection: close\r\n"
        raw.send(f"GET http://x.example/ HTTP/1.1\r\n{fields}\r\n".encode())
        return raw.answer().status != 407


@pytest.mark.parametrize(("scenario", "scheme"), CASES, ids=[f"{case[0].id}-{case[1]}" for case in CASES])
def test_the_client_gets_and_the_record_says_what_the_row_says(
    outcomes: dict[tuple[str, str], Outcome], scenario: Scenario, scheme: str
) -> None:
    outcome = outcomes[scenario.id, scheme]
    (row,) = outcome.rows
    seen = (
        f"{scenario.words}: {row['action']} by {row['tier']}/{row['rule']}, {row['category']}; status {row['status']}"
    )
    undecrypted = row["action"] == "bypass" and scheme == "https"
    assert row["action"] == scenario.action or (scenario.action is Action.ALLOW and undecrypted), seen
    assert row["blocked"] is (scenario.action in (Action.BLOCK, Action.WARN)), seen
    if scenario.category is not None:
        assert row["category"] == scenario.category, seen
    if scenario.tier is not None:
        assert row["tier"] == scenario.tier, seen
    assert (row["user"], row["verified"], row["site"]) == (scenario.user, scenario.verified, scenario.site)
    assert row["band"] == (scenario.band or "eyfs")
    assert abs(row["time_us"] / 1e6 - scenario.at.timestamp()) < 120
    if scenario.action in (Action.ALLOW, Action.BYPASS):
        assert (outcome.answer.status, "origin content" in outcome.answer.text) == (200, True)
    else:
        assert outcome.answer.status == 403
        assert "origin content" not in outcome.answer.text
    if scheme == "https":
        assert (outcome.issuer == "Laboratory origins") is undecrypted, (
            "only what is bypassed shows its own certificate"
        )


def test_a_third_of_the_rows_at_least_went_through_sockets() -> None:
    assert len(SCENARIOS) >= len(load_scenarios()) / 3
