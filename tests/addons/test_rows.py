"""From a flow to a row: who, what, verdict; and never a secret."""

from __future__ import annotations

import pytest
from mitmproxy.http import Headers
from mitmproxy.test import tflow, tutils

from addons.flownotes import ConnectionNotes, FlowNotes
from addons.live import Live
from addons.proceed import PATH
from addons.rows import open_row, refused_bytes_row, tunnel_row
from categories.model import EntryKind, Match
from categories.names import canonical_url
from policy.client import Band, Client
from policy.model import Action, Reason, Signal, Tier, Verdict

CLIENT = Client(
    site="oakwood",
    device="lab2-14",
    address="10.4.2.14",
    user="pupil-1",
    groups=frozenset({"year-9", "chess"}),
    band=Band.KS3,
    band_known=True,
    source="basic",
    verified=True,
    shared=False,
)
MATCH = Match("games", "starter/games", "roblox.com", 12, EntryKind.DOMAIN)
BLOCK = Verdict(
    Action.BLOCK, Reason.RULE, "Games are closed.", tier=Tier.SITE, rule="no-games", category="games", match=MATCH,
    matches=(MATCH,), revision="abc",
)  # fmt: skip


def row(
    live: Live, url: str, *, verdict: Verdict | None = BLOCK, headers: dict[str, str] | None = None, method: str = "GET"
):
    """The row of a request for `url`."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    fields = Headers([(k.encode(), v.encode()) for k, v in (headers or {}).items()])
    request = tutils.treq(
        method=method.encode(), scheme=scheme.encode(), host=host, path=f"/{path}".encode(), headers=fields
    )
    notes = FlowNotes(client=CLIENT, url=canonical_url(url), verdict=verdict)
    return open_row(live, tflow.tflow(req=request), notes)


def test_a_row_says_who_what_and_why(live: Live) -> None:
    """In primitives: a row written today can be read by any later version."""
    told = row(live, "https://www.roblox.com/games?page=2")
    assert (told.site, told.user, told.user_source, told.verified, told.shared) == (
        "oakwood",
        "pupil-1",
        "basic",
        True,
        False,
    )
    assert (told.band, told.groups, told.device, told.client_address) == (
        "ks3",
        ("chess", "year-9"),
        "lab2-14",
        "10.4.2.14",
    )
    assert (told.method, told.scheme, told.host, told.port, told.path, told.query) == (
        "GET",
        "https",
        "www.roblox.com",
        443,
        "/games",
        "page=2",
    )
    assert (told.domain, told.url) == ("roblox.com", "https://www.roblox.com/games?page=2")
    assert (told.action, told.blocked, told.reason, told.tier, told.rule) == ("block", True, "rule", "site", "no-games")
    assert (told.category, told.categories, told.list, told.entry, told.revision) == (
        "games",
        ("games",),
        "starter/games",
        "roblox.com",
        "abc",
    )
    assert all(type(getattr(told, name)) in (int, str, bool, tuple, type(None)) for name in told.__slots__)


@pytest.mark.parametrize(
    ("target", "secret"),
    [
        ("/login?user=a&password=otter-kite", "otter-kite"),
        ("/cb?access_token=abcdef123456&state=zzz999", "abcdef123456"),
        ("/reset-password/a8f7d6e5c4b3a2918273", "a8f7d6e5c4b3a2918273"),
        ("/x;jsessionid=0123456789ABCDEF?y=1", "0123456789ABCDEF"),
        ("/go?next=https%3A%2F%2Fa.example%2F%3Ftoken%3Dabc123def", "abc123def"),
        (f"{PATH}?token=eyJhbGciOi.signature&back=/", "eyJhbGciOi"),
    ],
)
def test_no_secret_is_in_a_row(live: Live, target: str, secret: str) -> None:
    """Design 5.9: redacted before anything touches a disk."""
    told = row(live, f"https://site.example{target}")
    assert secret not in repr(told)
    assert secret not in told.url


def test_a_search_stays_readable(live: Live) -> None:
    """What a safeguarding lead must be able to read is no secret."""
    assert row(live, "https://search.example/?q=how+to+make+friends").query == "q=how+to+make+friends"


@pytest.mark.parametrize(
    ("verdict", "action", "blocked", "reason"),
    [
        (None, "block", True, "failure"),
        (Verdict(Action.ALLOW, Reason.DEFAULT, ""), "allow", False, "default"),
        (Verdict(Action.WARN, Reason.RULE, ""), "warn", True, "rule"),
        (Verdict(Action.BYPASS, Reason.RULE, ""), "bypass", False, "rule"),
    ],
)
def test_blocked_means_the_user_did_not_get_the_page(
    live: Live, verdict: Verdict | None, action: str, blocked: bool, reason: str
) -> None:
    """What nobody decided was stopped by the gatekeeper."""
    told = row(live, "https://site.example/", verdict=verdict)
    assert (told.action, told.blocked, told.reason) == (action, blocked, reason)


def test_an_entry_of_a_statutory_list_is_not_written(live: Live) -> None:
    """F-06: the row names the list, never the entry."""
    secret = Match("child-abuse", "statutory/iwf", "secret.example/path", 3, EntryKind.URL)
    verdict = Verdict(
        Action.BLOCK, Reason.STATUTORY, "", tier=Tier.LOCKED, category="child-abuse", match=secret, matches=(secret,)
    )
    told = row(live, "https://other.example/", verdict=verdict)
    assert (told.list, told.entry) == ("statutory/iwf", None)
    assert "secret.example" not in repr(told)


@pytest.mark.parametrize(("url", "scheme"), [("http://a.example/", "ws"), ("https://a.example/", "wss")])
def test_a_websocket_is_told_by_its_scheme(live: Live, url: str, scheme: str) -> None:
    """As browsers write it."""
    assert row(live, url, headers={"Upgrade": "WebSocket"}).scheme == scheme


def test_a_method_of_any_length_fits(live: Live) -> None:
    """Low cardinality is for metrics, bounded size is for rows."""
    assert len(row(live, "http://a.example/", method="X" * 500).method) == 32


def test_a_request_nobody_could_read_has_a_row_too(live: Live) -> None:
    """With what it said, as far as it said anything."""
    told = open_row(live, tflow.tflow(req=tutils.treq(host="a..b", port=80)), FlowNotes(client=CLIENT))
    assert (told.host, told.domain, told.blocked, told.user) == ("a..b", None, True, "pupil-1")


def test_the_number_on_the_page_is_the_number_of_the_row(live: Live) -> None:
    """What people quote finds the row."""
    notes = FlowNotes(client=CLIENT, url=canonical_url("http://a.example/"), verdict=BLOCK, reference=4711)
    assert open_row(live, tflow.tflow(), notes).id == 4711


def test_a_tunnel_has_no_path(live: Live) -> None:
    """What is not decrypted is not known."""
    notes = ConnectionNotes(
        "10.4.2.14", client=CLIENT, connect=canonical_url("https://bank.example/"), signals={Signal.NO_SNI}
    )
    notes.connect_verdict = Verdict(Action.BYPASS, Reason.RULE, "", rule="bank")
    told = tunnel_row(live, notes)
    assert (told.method, told.host, told.path, told.query, told.page) == ("CONNECT", "bank.example", None, None, False)
    assert (told.action, told.rule, told.note) == ("bypass", "bank", "no-sni")


@pytest.mark.parametrize(
    ("connect", "host", "reason"), [(None, "", "guard"), ("https://a.example/", "a.example", "circumvention")]
)
def test_bytes_that_never_became_a_request_have_a_row(live: Live, connect: str | None, host: str, reason: str) -> None:
    """Inside a tunnel they are an attempt to get round the filter."""
    notes = ConnectionNotes("10.4.2.14", client=CLIENT, connect=canonical_url(connect) if connect else None)
    told = refused_bytes_row(live, notes, "not TLS or HTTP")
    assert (told.host, told.reason, told.blocked, told.rule, told.note) == (
        host,
        reason,
        True,
        "guard:bytes",
        "not TLS or HTTP",
    )


def test_ids_rise(live: Live) -> None:
    """Rows sort by them."""
    ids = [row(live, "http://a.example/").id for _ in range(50)]
    assert ids == sorted(set(ids))
