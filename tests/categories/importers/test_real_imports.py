"""Real hosts, wildcard, DNS-over-HTTPS and VPN lists: every line that is no comment is in force or told.

Golden counts: when a reader changes what it takes, a number here changes with it.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
from pathlib import Path

import pytest

from categories.model import Problem
from categories.parse import Entry, FileFormat, parse

pytestmark = pytest.mark.realdata


def content(file: Path) -> bytes:
    """The file, unpacked."""
    if file.suffix == ".xz":
        return lzma.decompress(file.read_bytes())
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


@pytest.mark.parametrize(
    ("name", "format", "entries", "told"),
    [
        ("doh_vpn/az0-vpn-proxy-hostnames-20260822.txt.gz", "domains", 47_499, 0),
        ("doh_vpn/dibdot-doh-domains-20260822.txt", "domains", 1_167, 0),
        ("doh_vpn/dibdot-doh-ipv4-20260822.txt", "networks", 1_975, 0),
        ("doh_vpn/dibdot-doh-ipv6-20260822.txt", "networks", 1_340, 0),
        ("doh_vpn/url-shorteners-peterdavehello-202509.txt", "domains", 1_439, 0),
        ("doh_vpn/v2fly/category-anticensorship", "v2fly", 69, 13),
        ("doh_vpn/v2fly/category-doh", "v2fly", 93, 0),
        ("doh_vpn/v2fly/category-proxy-tunnels", "v2fly", 0, 3),
        ("doh_vpn/v2fly/category-remote-control", "v2fly", 2, 1),
        ("doh_vpn/v2fly/category-urlshortner", "v2fly", 0, 3),
        ("doh_vpn/v2fly/category-vpnservices", "v2fly", 23, 16),
        ("doh_vpn/v2fly/category-web-archive", "v2fly", 6, 3),
        ("doh_vpn/x4bnet-vpn-ipv4-20260822.txt", "networks", 10_862, 0),
        ("hosts/blocklistproject-crypto-202607.hosts.xz", "hosts", 1_038, 0),
        ("hosts/blocklistproject-drugs-202607.hosts.xz", "hosts", 25_902, 0),
        ("hosts/blocklistproject-facebook-202607.hosts.xz", "hosts", 22_359, 0),
        ("hosts/blocklistproject-redirect-202607.hosts.xz", "hosts", 102_627, 0),
        ("hosts/blocklistproject-scam-202607.hosts.xz", "hosts", 8_516, 0),
        ("hosts/blocklistproject-tiktok-202607.hosts.xz", "hosts", 3_725, 0),
        ("hosts/blocklistproject-torrent-202607.hosts.xz", "hosts", 2_593, 0),
        ("hosts/blocklistproject-twitter-202607.hosts.xz", "hosts", 1_193, 0),
        ("hosts/blocklistproject-youtube-202607.hosts.xz", "hosts", 24_280, 0),
        ("hosts/hagezi-light-wildcard-202207.txt.xz", "domains", 121_582, 0),
        ("hosts/sinfonietta-social-202604.hosts.xz", "hosts", 3_240, 1),
        ("hosts/stevenblack-domains-202207.txt.xz", "domains", 137_988, 0),
        ("hosts/stevenblack-fakenews-gambling-porn-social-20190327.hosts.xz", "hosts", 52_896, 1),
    ],
)
def test_real_lists_come_in_without_an_unexplained_line(
    real_data: Path, name: str, format: FileFormat, entries: int, told: int
) -> None:
    """In force and told are all lines but comments; the machine's own names in a hosts file say nothing."""
    raw = content(real_data / name)
    items = list(parse(format, io.BytesIO(raw), name))
    taken = {item.line for item in items if isinstance(item, Entry)}
    left_out = sum(item.lines for item in items if isinstance(item, Problem) and not item.taken)
    lines = [re.sub(rb"(^|\s)#.*", b"", line).strip() for line in raw.splitlines()]
    own = sum(1 for line in lines if format == "hosts" and re.fullmatch(OWN_NAMES, line))
    assert len(taken) + left_out + own == sum(1 for line in lines if line)
    assert (len(taken), left_out) == (entries, told)
    widened = [item for item in items if isinstance(item, Problem) and item.taken and "everything below" in item.why]
    if format == "hosts" or "wildcard" in name:
        assert [item.lines <= entries for item in widened] == [True], "told once, with the number"


OWN_NAMES = rb"\S+\s+(localhost|localhost\.localdomain|local|broadcasthost|0\.0\.0\.0|ip6-\w+)"
