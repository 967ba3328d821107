"""Ways round the filter through a real gateway: each is stopped, and recorded as circumvention with its category.

The other half is as important: sign-ins, share buttons and maps that only mention an address stay open.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl, trusting, websocket
from tests.rig.gateway import PLACES, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e
PRESET = Path(__file__).resolve().parents[2] / "policy" / "presets" / "trust.yaml"
YEAR_8, TEACHER = "127.0.4.10", "127.0.2.10"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Gateway]:
    """A gateway with the trust preset and the starter lists: a school's first day."""
    folder = tmp_path_factory.mktemp("school")
    places: list[dict[str, Any]] = [
        *PLACES,
        {"network": f"{YEAR_8}/32", "site": "riverside", "band": "ks3", "groups": ["year-8"]},
    ]
    settings = {"identity": {"sign_in": "optional", "places": places}}
    gateway = Gateway(folder / "gateway", origin=origin.address, trust=authority.pem, policy=PRESET, settings=settings)
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


QUESTION = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA29yZwAAAQAB"
WAYS = [
    ("https://dns.google/dns-query", "doh"),
    ("https://mozilla.cloudflare-dns.com/dns-query?dns=" + QUESTION, "doh"),
    ("https://quiet-one.example/dns-query", "doh"),
    ("https://quiet-two.example/lookup?dns=" + QUESTION, "doh"),
    ("https://nordvpn.com/download/", "vpn"),
    ("https://www.croxyproxy.com/", "proxy-avoidance"),
    ("https://www.browserling.com/browse", "proxy-avoidance"),
    ("https://eu-browse.startpage.com/do/proxy?ep=x", "proxy-avoidance"),
    ("https://free-one.example/browse.php?u=https%3A%2F%2Fwww.example.org&b=4", "proxy-avoidance"),
    ("https://free-two.example/service/hvtrs8%2F-wuw%2Cezaopne%2Cmre", "proxy-avoidance"),
    ("https://free-three.example/uv/uv.config.js", "proxy-avoidance"),
    ("http://free-four.example/cgi-bin/nph-proxy.cgi/000000A/http/www.example.org/", "proxy-avoidance"),
    ("https://www.torproject.org/download/", "tor"),
    ("http://exampleonionaddress234567.onion/", "tor"),
    ("https://exampleonionaddress234567.onion/x", "tor"),
    ("https://exampleonionaddress234567.onion.ly/", "tor"),
    ("https://web.archive.org/web/2020/https://www.example.org/", "web-archive"),
    ("https://archive.ph/newest/https://www.example.org/", "web-archive"),
    ("https://www-example-org.translate.goog/page", "translation-proxy"),
    ("https://translate.google.com/translate?sl=fr&u=https://www.example.org/", "translation-proxy"),
    ("https://anydesk.com/en", "remote-access"),
    ("https://93.184.216.34/page", "circumvention"),
    ("http://93.184.216.34/page", "circumvention"),
    ("http://0x5db8d822/hexadecimal", "circumvention"),
]


@pytest.mark.parametrize(("url", "category"), WAYS, ids=[url.partition("?")[0] for url, _ in WAYS])
def test_a_way_round_is_stopped_and_called_so(school: Gateway, origin: Origin, url: str, category: str) -> None:
    """F-21, F-22, F-23, B-49: no byte reaches the other side, and the row can be counted and alerted on."""
    before = len(origin.arrivals)
    assert curl(school, url, source=YEAR_8).status == 403
    assert len(origin.arrivals) == before
    parts = urlsplit(url)
    host = "93.184.216.34" if parts.hostname == "0x5db8d822" else parts.hostname
    rows = [
        row
        for row in school.wait_for_rows(1, host=host, path=parts.path, scheme=parts.scheme, query=parts.query or None)
        if row["blocked"]
    ]
    assert [(row["reason"], row["category"], row["band"]) for row in rows] == [("circumvention", category, "ks3")]


def test_dns_in_a_body_is_told_by_its_media_type(school: Gateway, origin: Origin) -> None:
    """RFC 8484 §4.1: the question is in the body of a POST to any path."""
    kind = "Content-Type: Application/DNS-Message"
    answer = curl(school, "https://quiet-three.example/api", "-H", kind, "--data-binary", "x", source=YEAR_8)
    assert answer.status == 403
    (row,) = school.wait_for_rows(1, host="quiet-three.example")
    assert (row["reason"], row["category"], row["note"]) == ("circumvention", "doh", "doh-request")
    assert not origin.seen("quiet-three.example")


@pytest.mark.parametrize("source", [YEAR_8, TEACHER])
@pytest.mark.parametrize("port", ["853", "1194", "1723", "22", "9001"], ids=["DoT", "OpenVPN", "PPTP", "ssh", "Tor"])
def test_a_tunnel_to_an_odd_port_is_refused(school: Gateway, origin: Origin, port: str, source: str) -> None:
    """DoT, VPN and Tor ports, for everybody."""
    host = f"port-{port}-{source.replace('.', '-')}.example"
    with Raw(school, source=source) as raw:
        assert raw.tunnel(f"{host}:{port}") == 403
    (row,) = school.wait_for_rows(1, host=host)
    assert (row["reason"], row["category"], row["blocked"]) == ("circumvention", "circumvention", True)
    assert not origin.contacted(host)


BYTES = {
    "ssh": b"SSH-2.0-OpenSSH_9.9\r\n",
    "openvpn": b"\x00\x0e\x38\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00\x00",
    "wireguard": b"\x01\x00\x00\x00" + b"\x07" * 144,
    "socks": b"\x05\x01\x00",
}


@pytest.mark.parametrize("name", BYTES)
def test_other_bytes_in_a_tunnel_are_an_attempt(school: Gateway, origin: Origin, name: str) -> None:
    host = f"bytes-{name}.example"
    with Raw(school, source=YEAR_8) as raw:
        assert raw.tunnel(f"{host}:443") == 200
        raw.send(BYTES[name])
        raw.read_all()
    (row,) = school.wait_for_rows(1, host=host)
    assert (row["reason"], row["category"], row["blocked"]) == ("circumvention", "circumvention", True)
    assert not origin.contacted(host)


@pytest.mark.parametrize(
    ("connect", "sni", "host"),
    [
        ("front-one.example", "front-one.example", "hidden.example"),
        ("front-two.example", "other.example", "front-two.example"),
        ("front-three.example", None, "front-three.example"),
        ("front-four.example", "cloudflare-ech.com", "front-four.example"),
    ],
    ids=["Host", "SNI", "no SNI", "the outer name of ECH"],
)
def test_names_that_do_not_agree_are_an_attempt(
    school: Gateway, origin: Origin, connect: str, sni: str | None, host: str
) -> None:
    """F-22: domain fronting, absent SNI, encrypted ClientHello."""
    context = trusting(school)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Raw(school, source=YEAR_8) as raw:
        assert raw.tunnel(f"{connect}:443") == 200
        raw.secure(sni, context)
        raw.send(f"GET /fronted HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert raw.answer().status == 403
    (row,) = school.wait_for_rows(1, host=connect, path="/fronted")
    assert (row["reason"], row["category"], row["blocked"]) == ("circumvention", "circumvention", True)
    assert not [arrival for arrival in origin.arrivals if arrival.path == "/fronted"]


def test_a_websocket_to_a_listed_host_is_stopped(school: Gateway, origin: Origin) -> None:
    """A tunnel in a socket is still a tunnel."""
    with pytest.raises(Exception, match="403"), websocket(school, "wss://proxy.nordvpn.com/tunnel", source=YEAR_8):
        pass
    (row,) = school.wait_for_rows(1, host="proxy.nordvpn.com")
    assert (row["reason"], row["category"], row["scheme"]) == ("circumvention", "vpn", "wss")
    assert not origin.seen("proxy.nordvpn.com")


COPIES = [
    ("https://www-pornhub-com.translate.goog/video", "pornography"),
    ("https://web.archive.org/web/2020/https://www.pornhub.com/video", "pornography"),
    ("https://translate.google.com/translate?u=https%3A%2F%2Fwww.pornhub.com%2Fvideo", "pornography"),
    ("https://www.google.com/amp/s/www.pornhub.com/video", "pornography"),
]


@pytest.mark.parametrize(("url", "category"), COPIES, ids=[url.partition("?")[0] for url, _ in COPIES])
def test_a_copy_of_a_closed_page_is_an_attempt_by_whoever_may_use_copies(
    school: Gateway, origin: Origin, url: str, category: str
) -> None:
    """B-54b: staff may use translators and archives; what is inside is decided too, and is why it is an attempt."""
    parts = urlsplit(url)
    assert curl(school, url, source=TEACHER).status == 403
    rows = school.wait_for_rows(1, host=parts.hostname, path=parts.path, query=parts.query or None)
    assert [(row["reason"], row["category"], row["rule"]) for row in rows] == [
        ("circumvention", category, "trust-pornography")
    ]


@pytest.mark.parametrize(
    "url",
    ["https://www-bbc-co-uk.translate.goog/news", "https://web.archive.org/web/2020/https://www.bbc.co.uk/news"],
)
def test_a_copy_of_an_open_page_is_open_to_staff(school: Gateway, url: str) -> None:
    assert curl(school, url, source=TEACHER).status == 200


def test_a_click_on_a_closed_result_is_blocked_and_is_no_attempt(school: Gateway) -> None:
    """Pupils click; that is no way round."""
    url = "https://www.google.com/url?q=https%3A%2F%2Fwww.pornhub.com%2F&click=1"
    assert curl(school, url, source=YEAR_8).status == 403
    (row,) = school.wait_for_rows(1, host="www.google.com", path="/url")
    assert (row["reason"], row["category"]) == ("rule", "pornography")


MENTIONED = "https%3A%2F%2Fwww.pornhub.com%2F"
FINE = [
    f"https://accounts.google.com/o/oauth2/v2/auth?redirect_uri={MENTIONED}",
    f"https://accounts.google.com/ServiceLogin?continue={MENTIONED}",
    f"https://login.microsoftonline.com/common/oauth2/v2.0/authorize?redirect_uri={MENTIONED}",
    f"https://login.live.com/login.srf?wreply={MENTIONED}",
    f"https://appleid.apple.com/auth/authorize?redirect_uri={MENTIONED}",
    f"https://github.com/login/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://school.okta.com/oauth2/v1/authorize?redirect_uri={MENTIONED}",
    f"https://school.auth0.com/authorize?redirect_uri={MENTIONED}",
    f"https://school.onelogin.com/oidc/2/auth?redirect_uri={MENTIONED}",
    f"https://idp.school.example/idp/profile/SAML2/Redirect/SSO?target={MENTIONED}",
    f"https://clever.com/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://accounts.wonde.com/oauth/authorize?redirect_uri={MENTIONED}",
    f"https://login.rmunify.com/?wreply={MENTIONED}",
    f"https://sso.hwb.gov.wales/adfs/ls/?wctx={MENTIONED}",
    f"https://login.openathens.net/auth?returnUrl={MENTIONED}",
    f"https://auth.canva.com/login?redirect={MENTIONED}",
    f"https://school.instructure.com/login?url={MENTIONED}",
    f"https://auth.services.adobe.com/en_US/index.html?callback={MENTIONED}",
    f"https://login.arbor.sc/auth?return={MENTIONED}",
    f"https://id.autodesk.com/login?ReturnUrl={MENTIONED}",
    f"https://www.google.com/maps/search/?api=1&query={MENTIONED}",
    f"https://www.example.org/share?url={MENTIONED}",
    "https://www.google.com/url?q=https%3A%2F%2Fwww.bbc.co.uk%2F",
    "https://i0.wp.com/www.example.org/picture.png",
    "https://www.example.org/forum/browse.php?u=12345",
    "https://www.example.org/proxy/8888/tree",
]


@pytest.mark.parametrize("url", FINE, ids=[url.partition("?")[0] for url in FINE])
def test_what_only_mentions_an_address_stays_open(school: Gateway, url: str) -> None:
    """F-13: identity providers, maps, share buttons and results of open pages."""
    assert curl(school, url, source=YEAR_8).status == 200
