"""A school whose gateway reads pages: its lists of words, its policy, its pupils, and pages made to order.

`reading_school` is started by a test module's own fixture and stopped with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.rig.clients import Answer, Browser
from tests.rig.gateway import PLACES, Gateway

YEAR_8 = "127.0.4.8"
"""A Year 8 pupil's machine."""
YEAR_12 = "127.0.5.12"
"""A sixth former's."""
LIST = """
< sword ><60>
< dagger ><60>
<crossbow>,< bolts ><130>
< museum of arms >
< arms fair ><40>
"""
SPARED = "< royal armouries >\n"
WORDS = '"war hammer"\n'
POLICY = """
schoolgate: 1
trust: Laboratory Trust
groups:
  teaching-staff: {band: staff, title: Teaching staff}
  year-4: {band: ks2}
sites:
  oakwood: {title: Oakwood}
  hillview: {title: Hillview}
page_limits: {ks3: 100, ks5: 125}
policies:
  - tier: default
    rules:
      - {rule: no-weapons, who: [pupils], what: [weapons], action: block}
      - {rule: think, who: [ks3], what: [gambling], action: warn}
      - {rule: rest, what: [anything], action: allow}
"""
HEAD = "Content-Type: text/html; charset=utf-8"
BAD = "<html><head><title>Blades</title></head><body><p>A <b>sword</b> and a dagger.</p></body></html>"
GOOD = "<html><head><title>Towers</title></head><body><p>A tower and a moat.</p></body></html>"


def reading_school(folder: Path, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A gateway with phrase lists that ask for pages."""
    (folder / "arms.txt").write_text(LIST)
    (folder / "spared.txt").write_text(SPARED)
    (folder / "tools.txt").write_text(WORDS)
    (folder / "odds.txt").write_text("< each way bet ><120>\n")
    (folder / "lab.yaml").write_text(POLICY)
    settings = {
        "lists": [
            source("arms", "weapons", limit=60),
            source("spared", "set-aside", kind="exception-phrases"),
            source("tools", "weapons"),
            source("odds", "gambling", limit=60),
        ],
        "pages": {"hold_bytes": 64 * 1024, "hold_seconds": 1.5, "scan_bytes": 512 * 1024},
        "identity": {
            "places": [
                *PLACES,
                {"network": "127.0.4.0/24", "site": "hillview", "band": "ks3"},
                {"network": "127.0.5.0/24", "site": "hillview", "band": "ks5"},
            ]
        },
    }
    gateway = Gateway(folder, origin=origin.address, trust=authority.pem, settings=settings, policy=folder / "lab.yaml")
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


def source(name: str, category: str, *, kind: str = "phrases", limit: int = 60) -> dict[str, Any]:
    """One list of the settings."""
    return {
        "name": name, "path": f"{name}.txt", "format": kind, "category": category, "limit": limit, "apply_to": ["page"],
    }  # fmt: skip


def page_url(name: str, *pieces: str | bytes, scheme: str = "https", **told: Any) -> str:
    """A URL whose origin answers with these pieces."""
    raw = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    told = {"pieces": [base64.b64encode(piece).decode() for piece in raw], **told}
    return f"{scheme}://{name}/written?page={base64.urlsafe_b64encode(json.dumps(told).encode()).decode()}"


def fetch(school: Gateway, url: str, source: str = YEAR_8, **more: Any) -> Answer:
    """What a browser gets."""
    with Browser(school, source=source) as browser:
        return browser.fetch(url, **more)


def row(school: Gateway, name: str) -> dict[str, Any]:
    """Its one row."""
    return school.wait_for_rows(1, host=name)[0]
