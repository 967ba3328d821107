"""What a pupil gets instead of a blocked page, in every wrapping, and that the origin never hears of it.

Shows: `addons.filter`, `addons.answers`, `addons.asking`.
"""

from __future__ import annotations

import json

import pytest

from tests.rig.clients import Browser, Raw, curl, trusting
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])


@BOTH
def test_a_blocked_page_is_answered_with_a_readable_page(
    gateway: Gateway, origin: Origin, name: str, scheme: str
) -> None:
    path = f"/{name}"
    answer = curl(gateway, f"{scheme}://blocked.example{path}", source=YEAR_4)
    assert (answer.code, answer.status) == (0, 403), answer.error
    assert answer.headers["content-type"].startswith("text/html")
    assert "no-store" in answer.headers["cache-control"]
    assert "not in trouble" in answer.text, "a page in a child's words"
    assert "Oakwood Primary" in answer.text
    (row,) = gateway.wait_for_rows(1, host="blocked.example", path=path)
    expected = {
        "ending": "blocked",
        "action": "block",
        "blocked": True,
        "reason": "rule",
        "rule": "blocked-everywhere",
        "tier": "trust",
        "status": 403,
        "scheme": scheme,
        "site": "oakwood",
        "band": "ks2",
    }
    assert {key: row[key] for key in expected} == expected
    assert not origin.contacted("blocked.example")


@BOTH
def test_games_are_closed_for_year_4_and_open_for_staff(
    gateway: Gateway, origin: Origin, name: str, scheme: str
) -> None:
    path = f"/{name}"
    assert curl(gateway, f"{scheme}://www.roblox.com{path}", source=TEACHER).status == 200
    before = len(origin.seen("www.roblox.com"))
    assert curl(gateway, f"{scheme}://www.roblox.com{path}", source=YEAR_4).status == 403
    assert len(origin.seen("www.roblox.com")) == before
    pupil, teacher = gateway.wait_for_rows(2, host="www.roblox.com", path=path)
    assert (pupil["blocked"], pupil["category"], pupil["rule"]) == (True, "games", "year-4-no-games")
    assert pupil["list"] == "starter/games"
    assert pupil["entry"] == "roblox.com"
    assert (teacher["blocked"], teacher["category"]) == (False, "games")


def test_a_grown_up_is_told_the_reason(gateway: Gateway) -> None:
    page = curl(gateway, "https://blocked.example/", source=TEACHER).text
    assert "closed in the laboratory" in page
    assert "blocked.example" in page


def test_an_api_caller_gets_json_and_a_picture_gets_an_empty_picture(gateway: Gateway) -> None:
    told = curl(gateway, "https://blocked.example/api", "-H", "Accept: application/json")
    assert told.status == 403
    assert told.headers["content-type"].startswith("application/json")
    assert json.loads(told.body)
    picture = curl(gateway, "https://blocked.example/x.png", "-H", "Accept: image/*", "-H", "Sec-Fetch-Dest: image")
    assert picture.headers["content-type"].startswith("image/")


@BOTH
def test_only_the_closed_page_of_a_site_is_closed(gateway: Gateway, scheme: str) -> None:
    assert curl(gateway, f"{scheme}://mixed.example/open").status == 200
    assert curl(gateway, f"{scheme}://mixed.example/closed").status == 403
    assert curl(gateway, f"{scheme}://mixed.example/closed/below?x=1").status == 403


SPELLINGS = (
    "{scheme}://BLOCKED.example/",
    "{scheme}://blocked.example./",
    "{scheme}://www.blocked.example/",
    "{scheme}://user@blocked.example/",
    "{scheme}://mixed.example/%63losed",
    "{scheme}://mixed.example/./closed",
    "{scheme}://mixed.example/open/../closed",
    "{scheme}://mixed.example//closed",
    "{scheme}://MIXED.example/closed?",
)


@BOTH
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_of_a_blocked_address_is_blocked_too(
    gateway: Gateway, origin: Origin, scheme: str, spelling: str
) -> None:
    """Design §5.6: case, trailing dot, subdomain, user info, percent-encoding and dot segments change nothing."""
    before = len(origin.arrivals)
    answer = curl(gateway, spelling.format(scheme=scheme), "--path-as-is")
    assert answer.status == 403, answer
    assert len(origin.arrivals) == before


def test_a_bare_site_does_not_block_a_neighbour_whose_name_ends_alike(gateway: Gateway) -> None:
    assert curl(gateway, "https://notblocked.example/").status == 200


def test_a_blocked_request_leaves_the_connection_usable(gateway: Gateway, name: str) -> None:
    with Browser(gateway) as browser:
        first = browser.fetch("http://blocked.example/")
        again = browser.fetch("http://blocked.example/2")
        other = browser.fetch(f"http://{name}/page")
    assert (first.status, again.status, other.status) == (403, 403, 200)


SCRIPTS = (b"/<script>alert(1)</script>", b'/?q="><img/src=x/onerror=alert(2)>', b"/%3Cscript%3Ealert(1)%3C/script%3E")


@pytest.mark.parametrize("target", SCRIPTS)
def test_the_block_page_cannot_be_used_to_inject_script(gateway: Gateway, target: bytes) -> None:
    with Raw(gateway) as raw:
        raw.send(b"GET http://blocked.example" + target + b" HTTP/1.1\r\nHost: blocked.example\r\n")
        raw.send(b"Accept: text/html\r\nConnection: close\r\n\r\n")
        answer = raw.answer()
    assert answer.status == 403
    assert b"<script>alert" not in answer.body
    assert b"<img/src=x" not in answer.body
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_head_request_to_a_blocked_page_has_no_body(gateway: Gateway) -> None:
    with Raw(gateway) as raw:
        raw.send(b"HEAD http://blocked.example/ HTTP/1.1\r\nHost: blocked.example\r\nConnection: close\r\n\r\n")
        head, _, body = raw.read_all().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403")
    assert body == b""


def test_the_host_header_does_not_open_what_the_address_line_names(gateway: Gateway, origin: Origin) -> None:
    """The strictest of all a request claims to be decides (design §5.6)."""
    for target, host in (("blocked.example", "open.example"), ("open.example", "blocked.example")):
        with Raw(gateway) as raw:
            raw.send(f"GET http://{target}/front HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert raw.answer().status in (400, 403)
    assert not [arrival for arrival in origin.arrivals if arrival.path == "/front"]


@pytest.mark.parametrize(
    ("connect", "sni", "host"),
    [
        ("open.example", "open.example", "blocked.example"),
        ("open.example", "blocked.example", "open.example"),
        ("blocked.example", "open.example", "open.example"),
    ],
)
def test_domain_fronting_is_refused(gateway: Gateway, origin: Origin, connect: str, sni: str, host: str) -> None:
    """CONNECT, SNI and Host naming different sites: one closed name closes the exchange."""
    with Raw(gateway) as raw:
        status = raw.tunnel(f"{connect}:443")
        if status == 200:
            raw.secure(sni, trusting(gateway))
            raw.send(f"GET /fronted HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            status = raw.answer().status
    assert status in (400, 403, 421)
    assert not [arrival for arrival in origin.arrivals if arrival.path == "/fronted"]
