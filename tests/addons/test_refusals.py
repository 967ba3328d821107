"""What a worker tells of clients that refuse our certificate: bounded, and only where there was something to read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test import tflow
from mitmproxy.tls import TlsData

from addons.flownotes import ConnectionNotes, connection_notes
from addons.live import Live
from addons.refusals import EACH, TAKERS, Refusals, Said, device_of, person_of, sign_of, would_be_read
from categories.layered import LayeredIndex, OwnEntry
from categories.model import EntryKind, Match
from categories.names import canonical_url
from categories.statutory_forms import WITHHELD
from logstore.encoding import EventKind, decode_fact
from logstore.reading import SpoolReader
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Reason, Signal, Verdict

ALLOWED = Verdict(Action.ALLOW, Reason.DEFAULT, "open")
AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        ("The client does not trust the proxy's certificate for a.example (tlsv1 alert unknown ca)", "unknown-ca"),
        ("… (ssl/tls alert bad certificate)", "bad-certificate"),
        ("… (OpenSSL Error([('SSL routines', '', 'ssl/tls alert certificate unknown')]))", "certificate-unknown"),
        ("The client disconnected during the handshake. If this happens …", "closed"),
        ("The client may not trust the proxy's certificate (OpenSSL Error([('', '', 'no shared cipher')]))", None),
        ("", None),
    ],
)
def test_how_a_client_says_no(error: str, sign: str | None) -> None:
    """What is no word about our certificate counts for nothing."""
    assert sign_of(error) == sign


def met(host: str = "app.example", **more: Any) -> ConnectionNotes:
    client = Client(site="oakwood", address="10.4.2.14", band=Band.KS3, band_known=True)
    notes = ConnectionNotes(
        "10.4.2.14", client=client, connect=canonical_url(f"https://{host}/"), connect_verdict=ALLOWED
    )
    return replace(notes, **more)


@pytest.mark.parametrize(
    ("notes", "read"),
    [
        (met(), True),
        (met(connect_verdict=Verdict(Action.BLOCK, Reason.RULE, "closed")), False),
        (met(connect_verdict=Verdict(Action.WARN, Reason.RULE, "think")), False),
        (met(connect_verdict=None), False),
        (met("192.0.2.7"), False),
        (met(signals={Signal.NO_SNI}), False),
        (met(sni=canonical_url("https://other.example/")), False),
    ],
    ids=["allowed", "closed", "a warning", "undecided", "an address", "no name", "another name"],
)
def test_only_what_would_have_been_read_can_be_refused(notes: ConnectionNotes, read: bool) -> None:
    """A client that does not like our block page's certificate is no pinned program."""
    assert would_be_read(notes) is read


def test_a_device_has_its_name_or_its_address_or_its_ipv6_network() -> None:
    """A laptop gives itself as many IPv6 addresses as it likes."""
    assert device_of(Client(address="2001:db8:0:7:a1b2::9")) == device_of(Client(address="2001:db8:0:7::1"))
    assert device_of(Client(address="2001:db8:0:7::1")) == "2001:db8:0:7::/64"
    assert device_of(Client(address="2001:db8:0:8::1")) == "2001:db8:0:8::/64"
    assert device_of(Client(address="::ffff:10.4.2.14")) == "10.4.2.14"
    assert device_of(Client(address="")) == ""
    assert device_of(Client(address="2001:db8::1", device="lab2-14")) == "lab2-14"
    assert device_of(Client(address="10.4.2.14")) == "10.4.2.14"
    assert device_of(Client(address="10.4.2.14", device="lab2-14")) == "lab2-14"


def test_a_signed_in_person_is_one_at_a_host_and_named_nowhere() -> None:
    """A class login is nobody; the digest of one host is not that of another."""
    jane = Client(user="pupil-0417")
    assert person_of(jane, "a.example") == person_of(Client(user="PUPIL-0417", device="d"), "a.example")
    assert person_of(jane, "a.example") != person_of(jane, "b.example")
    assert person_of(jane, "a.example") != person_of(Client(user="pupil-0418"), "a.example")
    assert "0417" not in str(person_of(jane, "a.example"))
    assert person_of(Client(user="year-4", shared=True), "a.example") is None
    assert person_of(Client(), "a.example") is None


@dataclass
class Worker:
    """An addon whose clock stands where it is put."""

    live: Live
    now: datetime = AT
    addon: Refusals = field(init=False)

    def __post_init__(self) -> None:
        self.live.now = lambda: self.now
        self.addon = Refusals(self.live)
        self.before = 0
        self.before = len(self.facts())

    def handshake(self, host: str, error: str = "tlsv1 alert unknown ca", **more: Any) -> None:
        """A handshake that failed."""
        client = tflow.tclient_conn()
        kept = connection_notes(client)
        for name, value in {
            "connect": met(host).connect,
            "client": met().client,
            "connect_verdict": ALLOWED,
            **more,
        }.items():
            setattr(kept, name, value)
        client.error = error
        self.addon.tls_failed_client(TlsData(client, Context(client, Options()), ssl_conn=object()))  # type: ignore[arg-type]

    def leaves(
        self, host: str, *, after: float, requests: int = 0, told: bool = False, cut: str | None = None, **who: Any
    ) -> None:
        """A connection that ends so many seconds after its handshake."""
        client = tflow.tclient_conn()
        client.timestamp_tls_setup = self.now.timestamp() - after
        kept = connection_notes(client)
        kept.connect, kept.client, kept.connect_verdict = met(host).connect, replace(met().client, **who), ALLOWED
        kept.requests, kept.told, kept.cut = requests, told, cut
        self.addon.client_disconnected(client)

    def facts(self) -> list[tuple[str, dict[str, Any]]]:
        """What reached the spool."""
        self.live.spool.flush()
        reader = SpoolReader(self.live.spool.folder)
        events = [event for producer in reader.producers() for event in reader.read(producer, 100_000)]
        told = [decode_fact(event.payload) for event in events if EventKind(event.kind) is EventKind.FACT]
        return [(fact.kind, dict(fact.payload)) for fact in told][self.before :]


@pytest.fixture
def worker(live: Live) -> Worker:
    return Worker(live)


def test_a_refusal_is_told_once_an_hour(worker: Worker) -> None:
    """With nothing that names a person."""
    for _ in range(3):
        worker.handshake("app.example")
    worker.now += timedelta(minutes=61)
    worker.handshake("app.example", error="The client disconnected during the handshake.")
    (kind, first), (_, second) = worker.facts()
    assert kind == "tls-refused"
    assert first == {
        "device": "10.4.2.14", "host": "app.example", "site": "oakwood", "staff": False, "sign": "unknown-ca",
        "at": AT.isoformat(), "person": None, "named": False,
    }  # fmt: skip
    assert second["sign"] == "closed"


def test_one_device_cannot_fill_the_spool(worker: Worker) -> None:
    for number in range(EACH * 3):
        worker.handshake(f"h{number}.example")
    assert len(worker.facts()) == EACH
    worker.now += timedelta(hours=1)
    worker.handshake("fresh.example")
    assert len(worker.facts()) == EACH + 1


def test_what_was_asked_shows_that_the_device_trusts_us_and_the_host_is_read(worker: Worker) -> None:
    worker.leaves("open.example", after=5, requests=2)
    worker.leaves("open.example", after=5, requests=1)
    worker.leaves("more.example", after=5, requests=1)
    assert Counter(kind for kind, _ in worker.facts()) == {"tls-accepts": 1, "tls-taken": 2}


def test_few_who_take_a_host_are_told_and_whoever_refused_it_too(worker: Worker) -> None:
    """A popular host does not fill the spool, and nobody counts against a host that they read."""
    worker.handshake("open.example")
    for number in range(TAKERS * 3):
        worker.leaves("open.example", after=5, requests=1, device=f"d{number}")
    worker.leaves("open.example", after=5, requests=1)
    devices = [told["device"] for kind, told in worker.facts() if kind == "tls-taken"]
    assert devices == [*(f"d{number}" for number in range(TAKERS)), "10.4.2.14"]


def test_whom_we_ended_in_the_middle_of_its_handshake_has_not_refused(worker: Worker) -> None:
    """The host says of both that they disconnected."""
    worker.handshake("app.example", "The client disconnected during the handshake.", cut="the gateway stopped")
    assert not worker.facts()
    worker.handshake("app.example", "The client disconnected during the handshake.", cut="nothing moved")
    assert len(worker.facts()) == 1, "who would say nothing more has"


def test_a_host_of_a_statutory_list_leaves_no_name(worker: Worker) -> None:
    """Neither when it stands there itself nor when one page of it does, however often it is refused or read (F-06)."""
    listed = Match("child-abuse", "statutory/iwf", WITHHELD, 3, EntryKind.DOMAIN)
    here = Verdict(Action.ALLOW, Reason.DEFAULT, "open", matches=(listed,))
    engine = worker.live.engine
    index = LayeredIndex(engine.index, [OwnEntry(1, "terrorism", EntryKind.URL, "page.example/x")])
    worker.live.engine = Engine(index, engine.policy)
    for _ in range(2):
        worker.handshake("whole.example", connect_verdict=here)
        worker.handshake("page.example")
        worker.leaves("page.example", after=5, requests=1)
        worker.leaves("page.example", after=0.1)
        worker.now += timedelta(hours=2)
    worker.handshake("app.example")
    assert {told["host"] for _, told in worker.facts() if "host" in told} == {"app.example"}


@pytest.mark.parametrize(
    ("after", "told", "cut", "counts"),
    [
        (0.1, False, None, 1),
        (1.9, False, None, 1),
        (9.0, False, None, 0),
        (0.1, True, None, 0),
        (0.1, False, "the gateway stopped", 0),
        (0.1, False, "nothing moved", 1),
    ],
)
def test_who_leaves_at_once_has_looked_at_the_certificate(
    worker: Worker, after: float, told: bool, cut: str | None, counts: int
) -> None:
    """A browser that opens a connection in case it is needed waits longer; what was refused or ended by us is our
    doing."""
    worker.leaves("app.example", after=after, told=told, cut=cut)
    assert [told["sign"] for _, told in worker.facts()] == ["left"] * counts


def test_what_was_told_is_forgotten_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("addons.refusals.REMEMBERED", 3)
    said = Said()
    assert [said.anew(0.0, name) for name in "abca"] == [True, True, True, False]
    assert said.anew(0.0, "d")
    assert said.anew(0.0, "a"), "told again, not lost"
