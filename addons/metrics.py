"""The metrics of the request path. Names and labels live here and nowhere else.

Low cardinality only: no user, host or URL is ever a label (design §5.9).
"""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from addons.tallies import TalliedCounter, Tallies

DECISION_BUCKETS = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 5e-3, 2.5e-2, 0.1)
LATENCY_BUCKETS = (2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 1.0)


type Way = Literal["inspected", "bypassed", "refused"]
"""What became of traffic: read, passed unread, or not served: blocked, or refused by the client itself."""
WAYS: tuple[Way, ...] = ("inspected", "bypassed", "refused")
_TRAFFIC = {
    "connections": "Client connections that are over, by what became of them.",
    "requests": "Exchanges that are over, by what became of them; a tunnel that is passed unread is one.",
    "bytes": "Bytes of bodies and tunnels, both ways, by what became of them.",
}


class Metrics:
    """Counters and histograms of one worker; multiprocess mode adds workers up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.tallies = Tallies()
        """What an exchange counts, before the metrics are told."""
        self.requests = Counter(
            "schoolgate_requests",
            "Exchanges decided, by what was done, for which band and why.",
            ["action", "band", "reason"],
            registry=registry,
        )
        self.decision_seconds = self.tallies.histogram(
            Histogram(
                "schoolgate_decision_seconds",
                "Time of one decision: lists and policy.",
                buckets=DECISION_BUCKETS,
                registry=registry,
            )
        )
        self.added_latency_seconds = self.tallies.histogram(
            Histogram(
                "schoolgate_added_latency_seconds",
                "Time a request head waits in the gateway before it is sent on or answered.",
                buckets=LATENCY_BUCKETS,
                registry=registry,
            )
        )
        self.record_seconds = self.tallies.histogram(
            Histogram(
                "schoolgate_record_seconds",
                "Time to append one record to the spool.",
                buckets=DECISION_BUCKETS,
                registry=registry,
            )
        )
        self.hook_failures = Counter(
            "schoolgate_hook_failures",
            "Exceptions in the request path; each was answered with a refusal.",
            ["hook"],
            registry=registry,
        )
        self.undecided = Counter(
            "schoolgate_undecided",
            "Exchanges the gatekeeper stopped because nothing had decided them.",
            registry=registry,
        )
        self.unrecorded = Counter(
            "schoolgate_unrecorded",
            "What could not be recorded: exchanges passed (the school's choice) or refused, and endings.",
            ["what"],
            registry=registry,
        )
        self.tls_failures = Counter(
            "schoolgate_tls_failures",
            "TLS handshakes that failed, with clients or with origins.",
            ["side"],
            registry=registry,
        )
        self.pages_scanned = Counter(
            "schoolgate_pages_scanned",
            "Pages whose words were looked at, by what came of it: passed, closed, cut (after they had begun to show).",
            ["outcome"],
            registry=registry,
        )
        self.pages_not_scanned = Counter(
            "schoolgate_pages_not_scanned",
            "Pages that passed without their words being looked at to the end, by why: encoding, range, size.",
            ["why"],
            registry=registry,
        )
        self.page_scan_seconds = self.tallies.histogram(
            Histogram(
                "schoolgate_page_scan_seconds",
                "Time to undo the encoding of one page and look at its words.",
                buckets=LATENCY_BUCKETS,
                registry=registry,
            )
        )
        self.slow_cut = Counter(
            "schoolgate_slow_cut",
            "What was ended for its pace: an upload, bytes that are no request, an answer, or who should read one.",
            ["what"],
            registry=registry,
        )
        for what in ("upload", "nothing", "answer", "reader"):  # an increase from nothing at all is none to Prometheus
            self.slow_cut.labels(what)
        self.over_cap = Counter(
            "schoolgate_requests_over_cap",
            "Requests refused because their client had made too many within a second.",
            registry=registry,
        )
        self.connections = Gauge(
            "schoolgate_connections",
            "Open client connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        ways = {name: (about, ["way"]) for name, about in _TRAFFIC.items()}
        self.traffic_connections = Counter("schoolgate_traffic_connections", *ways["connections"], registry=registry)
        self.traffic_requests = Counter("schoolgate_traffic_requests", *ways["requests"], registry=registry)
        self.traffic_bytes = Counter("schoolgate_traffic_bytes", *ways["bytes"], registry=registry)
        counter = self.tallies.counter
        self._outcomes: dict[str, TalliedCounter] = {}
        self._children: dict[tuple[str, str, str], TalliedCounter] = {}
        self._ways = {
            way: (counter(self.traffic_requests.labels(way)), counter(self.traffic_bytes.labels(way))) for way in WAYS
        }

    def count_exchange(self, way: Way, size: int) -> None:
        """One exchange that is over, by what became of it, and the bytes of its bodies or of its tunnel both ways."""
        requests, sizes = self._ways[way]
        requests.inc()
        if size:
            sizes.inc(size)

    def count_page(self, outcome: str) -> None:
        """One page whose words were looked at, by what came of it."""
        child = self._outcomes.get(outcome)
        if child is None:
            child = self._outcomes[outcome] = self.tallies.counter(self.pages_scanned.labels(outcome))
        child.inc()

    def count_request(self, action: str, band: str, reason: str) -> None:
        """One exchange decided."""
        key = (action, band, reason)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self.tallies.counter(self.requests.labels(*key))
        child.inc()
