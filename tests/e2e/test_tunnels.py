"""CONNECT: what passes without decryption, what a device without our CA meets, and what never becomes a tunnel.

Shows: `addons.tls`, `addons.nextlayer`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest

from tests.addons.test_clienthello import real_hello
from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl, trusting
from tests.rig.gateway import HILLVIEW, TEACHER, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e


def issuer(raw: Raw) -> str:
    """Common name of who signed the certificate the client was shown."""
    assert isinstance(raw.socket, ssl.SSLSocket)
    parts = raw.socket.getpeercert()["issuer"]
    return dict(pair for part in parts for pair in part)["commonName"]


def test_a_bank_is_not_decrypted_and_has_its_row(gateway: Gateway, authority: Authority, name: str) -> None:
    """The client sees the origin's own certificate; the row names the host and no path."""
    origins = ssl.create_default_context(cafile=str(authority.pem))
    host = f"{name.removesuffix('.example')}.bank.example"
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{host}:443") == 200
        raw.secure(host, origins)
        assert issuer(raw) == "Laboratory origins"
        raw.send(f"GET /page?account=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert raw.answer().status == 200
    (row,) = gateway.wait_for_rows(1, host=host)
    expected = {"ending": "bypassed", "action": "bypass", "blocked": False, "path": None, "query": None, "title": None}
    assert {key: row[key] for key in expected} == expected
    assert row["rule"] == "bank-not-decrypted"
    assert row["duration_us"] > 0


def test_a_decrypted_site_shows_our_certificate(gateway: Gateway, name: str) -> None:
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.secure(name)
        assert issuer(raw) != "Laboratory origins"


@pytest.mark.parametrize("sni", ["other.example", None], ids=["another name", "no name"])
def test_the_bank_opens_no_tunnel_for_another_name(
    gateway: Gateway, origin: Origin, authority: Authority, sni: str | None
) -> None:
    """Passing through needs the SNI to be the CONNECT host; everything else is decrypted or closed."""
    origins = ssl.create_default_context(cafile=str(authority.pem))
    with Raw(gateway) as raw:
        assert raw.tunnel("bank.example:443") == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            raw.secure(sni, origins)
            assert issuer(raw) == "Laboratory origins"
    assert not origin.hellos("other.example")


def test_the_banks_name_takes_nobody_elsewhere(
    gateway: Gateway, origin: Origin, authority: Authority, name: str
) -> None:
    """The tunnel goes where the CONNECT says, and only that name decides: the SNI of a bank passes nothing unread."""
    origins = ssl.create_default_context(cafile=str(authority.pem))
    before = origin.hellos("bank.example")
    for target in (f"{name}:443", "203.0.113.9:443"):
        with Raw(gateway) as raw:
            if raw.tunnel(target) == 200:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    raw.secure("bank.example", origins)
    assert origin.hellos("bank.example") == before
    assert not gateway.rows(host=name, ending="bypassed")


def test_a_pupil_for_whom_the_bank_is_closed_gets_the_block_page(gateway: Gateway, origin: Origin) -> None:
    """A row above the bypass row: nothing passes through, the page comes inside our TLS."""
    before = origin.hellos("pupils.bank.example")
    assert curl(gateway, "https://pupils.bank.example/", source=HILLVIEW).status == 403
    assert origin.hellos("pupils.bank.example") == before


def test_a_device_that_does_not_trust_us_leaves_a_row(gateway: Gateway, origin: Origin, name: str) -> None:
    nobody = ssl.create_default_context(cafile=None)
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            raw.secure(name, nobody)
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["path"], row["method"]) == ("tls-refused", None, "CONNECT")
    assert (row["action"], row["blocked"], row["reason"]) == ("allow", False, "device")
    assert not origin.seen(name)


@pytest.mark.parametrize(
    ("octets", "ending", "error"),
    [
        (0, "aborted", "nothing asked"),
        (2, "aborted", "half a ClientHello"),
        (3, "aborted", "half a ClientHello"),
        (60, "aborted", "half a ClientHello"),
        (None, "aborted", "left before the certificate"),
    ],
)
def test_who_leaves_before_a_certificate_is_shown_has_refused_none(
    gateway: Gateway, name: str, octets: int | None, ending: str, error: str
) -> None:
    """So much of a ClientHello and FIN: the row says how far the client came, not that it refused us.

    Whoever shows a certificate before it hears of the FIN cannot know. Whether they are read together is for the
    machine to say, and nearly always they are.
    """
    expected = {"ending": ending, "error": error, "action": "allow", "blocked": False, "reason": "rule"}
    found = list[dict[str, object]]()
    for tries in range(5):
        site = f"{tries}.{name}"
        with Raw(gateway) as raw:
            assert raw.tunnel(f"{site}:443") == 200
            raw.socket.send(real_hello(site, ["http/1.1"])[:octets], socket.MSG_MORE)  # and FIN, in one packet
            raw.socket.shutdown(socket.SHUT_WR)
            shown = raw.read_all()
        (row,) = gateway.wait_for_rows(1, host=site)
        found.append({key: row[key] for key in expected})
        if not shown:
            break
    assert found[-1] == expected, found
    assert not shown


def test_half_a_clienthello_that_waits_is_half_a_clienthello(make_gateway, name: str) -> None:
    """Ended by the idle clock."""
    gateway = make_gateway({"proxy": {"idle_timeout": 5}}).start()
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(real_hello(name, [])[:60])
        assert raw.read_all() == b""
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"], row["blocked"]) == ("aborted", "half a ClientHello", False)


def test_what_begins_like_tls_and_is_none_is_refused(gateway: Gateway, name: str) -> None:
    """A record that holds no ClientHello."""
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(b"\x16\x03\x01\x00\x08\x01\x00\x00\x04none")
        assert raw.read_all() == b""
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"], row["blocked"]) == ("refused", "not a ClientHello", True)


def test_half_a_clienthello_to_the_proxy_itself_leaves_a_row(make_gateway) -> None:
    """TLS towards the proxy: nobody knows where to."""
    gateway = make_gateway().start()
    with Raw(gateway) as raw:
        raw.send(real_hello("proxy.example", [])[:60])
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.read_all() == b""
    (row,) = gateway.wait_for_rows(1)
    assert (row["host"], row["ending"], row["error"]) == ("", "refused", "half a ClientHello")


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda raw, name: None, id="after CONNECT"),
        pytest.param(lambda raw, name: raw.send(b"\x16\x03\x01"), id="in the middle of the ClientHello"),
        pytest.param(lambda raw, name: raw.secure(name), id="after the handshake"),
    ],
)
def test_a_tunnel_that_carried_nothing_leaves_at_most_one_row(
    gateway: Gateway, origin: Origin, name: str, leave
) -> None:
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        leave(raw, name)
    assert curl(gateway, f"https://{name}/page").status == 200
    gateway.wait_for_rows(1, host=name, path="/page")
    assert len(gateway.rows(host=name)) <= 2


ODD = ("22", "25", "80", "8080", "3128", "6667", "1194", "65535")


@pytest.mark.parametrize("port", ODD)
def test_an_odd_port_is_never_tunnelled_to(gateway: Gateway, origin: Origin, name: str, port: str) -> None:
    """F-21: a tunnel to an odd port is a way round the filter."""
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:{port}") == 403
    (row,) = gateway.wait_for_rows(1, host=name)
    assert (row["ending"], row["blocked"], row["method"], row["port"]) == ("refused", True, "CONNECT", int(port))
    assert row["reason"] in ("circumvention", "guard")
    assert not origin.contacted(name)


NOT_TLS = (b"SSH-2.0-OpenSSH_9.9\r\n", b"\x13BitTorrent protocol", b"\x00\x01\x02\x03", b"EHLO mail\r\n", b"\xff" * 600)


@pytest.mark.parametrize("data", NOT_TLS, ids=["ssh", "bittorrent", "binary", "smtp", "noise"])
def test_other_protocols_do_not_pass_through_a_tunnel(gateway: Gateway, origin: Origin, name: str, data: bytes) -> None:
    """F-21, A-20: after a CONNECT only TLS or HTTP may follow."""
    before = origin.connections
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(data)
        answer = raw.read_all()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert not origin.contacted(name)
    assert origin.connections == before
    rows = gateway.wait_for_rows(1, host=name)
    assert rows[0]["ending"] == "refused"


def test_plain_http_inside_a_tunnel_is_filtered_too(gateway: Gateway, origin: Origin) -> None:
    with Raw(gateway) as raw:
        assert raw.tunnel("blocked.example:443") in (200, 403)
        raw.send(b"GET /inside HTTP/1.1\r\nHost: blocked.example\r\nConnection: close\r\n\r\n")
        assert raw.read_all().startswith((b"HTTP/1.1 4", b""))
    assert not origin.contacted("blocked.example")


@pytest.mark.parametrize(
    "target",
    ["", "nonsense", ":443", "a..b:443", "open.example", "open.example:x", "open.example:99999", "[::1:443", "a b:443"],
)
def test_a_connect_nobody_can_read_is_refused(gateway: Gateway, origin: Origin, target: str) -> None:
    before = origin.connections
    with Raw(gateway) as raw:
        raw.send(f"CONNECT {target} HTTP/1.1\r\nHost: open.example\r\n\r\n".encode())
        assert raw.read_head().startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert origin.connections == before


@pytest.mark.parametrize(
    "sni", ["x" * 63 + ".example", "trailing-dot.example.", "under_score.example", "xn--zz--.example"]
)
def test_odd_server_names_do_not_hang(gateway: Gateway, sni: str) -> None:
    """Reference 5.3: some names make the host fail without an answer; a client must not wait for ever."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with Raw(gateway, timeout=15) as raw:
        if raw.tunnel(f"{sni.rstrip('.')}:443") != 200:
            return
        placeholder = "".join("." if letter == "." else "a" for letter in sni[:-1]) + "a"
        client = context.wrap_bio(incoming, outgoing, server_hostname=placeholder)
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        raw.send(outgoing.read().replace(placeholder.encode(), sni.encode()))
        assert raw.socket.recv(1) in (b"\x16", b"\x15", b""), "an answer or a close, within the time limit"


def test_tls_to_the_proxy_itself_is_answered_or_closed(gateway: Gateway) -> None:
    with socket.create_connection(gateway.address, 10, source_address=(TEACHER, 0)) as plain:
        context = trusting(gateway)
        context.check_hostname = False
        with contextlib.suppress(ssl.SSLError, ConnectionError), context.wrap_socket(plain) as secure:
            secure.sendall(b"GET http://blocked.example/ HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
            assert secure.recv(12) in (b"HTTP/1.1 403", b"")
