"""What every addon works with: the engine in force, the people in force, the spool.

One object a worker. `engine` and `directory` are replaced by one reference each (a reload, a change of people); an
addon reads each reference once per stage and never keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from addons.destinations import Destinations
from addons.grants import Grants
from addons.handout import Handout
from addons.metrics import Metrics
from addons.openconnections import OpenConnections
from addons.pagebody import PageLimits
from addons.pages import Surroundings
from addons.requestpace import RequestPace
from addons.reviewanswers import Answers
from identity.basic import PasswordCheck
from identity.directory import Directory
from logstore.ids import RecordIds
from logstore.spool import SpoolWriter
from policy.engine import Engine


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Live:
    """The worker's moving parts."""

    engine: Engine
    """Decides. Immutable; replaced whole."""
    directory: Directory
    """People and places. Immutable; replaced whole."""
    spool: SpoolWriter
    """Where records go."""
    ids: RecordIds
    """Makes record ids."""
    worker: str
    """Name of this worker, as in records."""
    metrics: Metrics
    """Metrics."""
    destinations: Destinations
    """Where the gateway may connect to."""
    passwords: PasswordCheck
    """Checks passwords and remembers good ones."""
    grants: Grants
    """Warnings people went on past."""
    secret: bytes = field(repr=False)
    """Signs the buttons of warning pages; the same in every worker."""
    answers: Answers = field(default_factory=Answers, repr=False)
    """What was decided on requests for a review. Replaced whole."""
    sign_in: Literal["off", "optional", "required"] = "optional"
    """Whether proxy sign-in is asked for."""
    realm: str = "School internet"
    """Shown in the sign-in box."""
    connect_ports: frozenset[int] = frozenset({443})
    """Ports a CONNECT may ask for."""
    http_ports: frozenset[int] = frozenset({80, 443})
    """Ports a plain request may ask for."""
    connections: OpenConnections = field(default_factory=OpenConnections, repr=False)
    """Open connections by client address, at all workers."""
    connections_per_client: int = 512
    """Open connections one client address may hold."""
    pace: RequestPace = field(default_factory=RequestPace, repr=False)
    """Requests by client address within a second, at all workers."""
    requests_per_client: int = 500
    """Requests one client address may make in a second; 0 for no cap."""
    upload_limit: int = 1024**3
    """Largest request body in bytes."""
    pages: PageLimits = field(default_factory=PageLimits)
    """How far pages are looked at."""
    when_full: Literal["block-pupils", "block-all", "count"] = "block-pupils"
    """What happens to requests that cannot be recorded."""
    handout: Handout = field(default_factory=Handout)
    """Where the certificate is handed out, and which."""
    surroundings_by_site: Mapping[str | None, Surroundings] = field(default_factory=dict)
    """What pages say of each school."""
    now: Callable[[], datetime] = field(default=utc_now)
    """The time of day."""
    clock: Callable[[], float] = field(default=time.monotonic)
    """Seconds that only go forward, the same for all workers."""

    def surroundings(self, site: str | None) -> Surroundings:
        """What pages say of the school at `site`."""
        return self.surroundings_by_site.get(site) or Surroundings()
