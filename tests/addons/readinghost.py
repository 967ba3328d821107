"""A host whose lists ask for the words of pages, closed to Year 11 where they are of weapons."""

from __future__ import annotations

from pathlib import Path

from addons.pagebody import PageLimits
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from policy.engine import Engine
from policy.rules import load_policy
from tests.addons.host import Host
from tests.rig.certificates import Authority
from tests.rig.origin import Origin

POLICY = """
schoolgate: 1
trust: Test
sites: {oakwood: {title: Oakwood}}
policies:
  - tier: default
    rules:
      - {rule: no-weapons, who: [ks4], what: [weapons], action: block}
      - {rule: rest, what: [anything], action: allow}
"""


def reading_host(folder: Path, phrases: str, origin: Origin, authority: Authority) -> Host:
    """The host, not running yet; `phrases` are the lines of its list, of which sixty points are too many."""
    (folder / "arms.txt").write_text(phrases)
    source = ListSource("arms", folder / "arms.txt", "phrases", category="weapons", limit=60, apply_to=("page",))
    build_snapshot([source], folder / "lists", load_taxonomy())
    (folder / "host").mkdir()
    made = Host(folder / "host", origin.address, trust=authority.pem)
    policy = load_policy(POLICY, file="policy.yaml", categories=load_taxonomy())
    made.live.engine = Engine(open_snapshot(folder / "lists"), policy)
    made.live.pages = PageLimits(hold_bytes=32 * 1024, hold_seconds=1.0, scan_bytes=128 * 1024)
    return made
