"""Certificates for clients: for the right names, by the right key, made once, forgotten in order of use."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from mitmproxy.certs import CertStore
from OpenSSL import SSL

from addons.leaves import RENEWED, Leaves, leaf_certificate
from proxy.ca import create_ca, prepare_confdir
from tests.addons.host import Host
from tests.rig.clients import Raw

NOW = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.UTC)


@pytest.fixture
def store(tmp_path: Path) -> CertStore:
    create_ca(tmp_path / "ca", name="Test", at=NOW)
    return CertStore.from_store(prepare_confdir(tmp_path / "ca", tmp_path / "host"), "mitmproxy", 2048)


def leaves(store: CertStore, **more: object) -> Leaves:
    return Leaves(store, SSL.Context(SSL.TLS_SERVER_METHOD), **more)  # type: ignore[arg-type]


def test_a_certificate_is_made_once_for_its_names(store: CertStore) -> None:
    """Whoever asks for the same names is shown the same certificate."""
    made = leaves(store)
    assert made.leaf(("lesson.example",)) is made.leaf(("lesson.example",))
    assert made.leaf(("lesson.example", "other.example")) is not made.leaf(("lesson.example",))


def test_what_was_not_used_longest_is_forgotten_first(store: CertStore) -> None:
    """One in use stays, however old."""
    made = leaves(store, kept=2)
    first, _ = made.leaf(("a.example",)), made.leaf(("b.example",))
    assert made.leaf(("a.example",)) is first
    made.leaf(("c.example",))
    assert len(made) == 2
    assert made.leaf(("a.example",)) is first


def test_a_certificate_is_made_anew_long_before_it_expires(store: CertStore) -> None:
    """A worker may run for a year."""
    now = NOW.timestamp()
    made = leaves(store, clock=lambda: now)
    first = made.leaf(("a.example",))
    now += RENEWED
    second = made.leaf(("a.example",))
    assert second is not first
    assert first.certificate.not_valid_after_utc > NOW + datetime.timedelta(seconds=RENEWED)


def test_the_leaf_key_is_not_the_ca_key(store: CertStore) -> None:
    """The CA's key only signs (design: a stolen leaf key signs nothing)."""
    certificate = leaves(store).leaf(("a.example",)).certificate
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key != store.default_ca.to_cryptography().public_key()
    certificate.verify_directly_issued_by(store.default_ca.to_cryptography())


def test_a_certificate_names_hosts_and_addresses(store: CertStore) -> None:
    """A long name leaves the subject empty, and the names are then critical (RFC 5280 §4.2.1.6)."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    long = "a" * 60 + ".example"
    certificate = leaf_certificate((long, "192.0.2.7"), store, key, at=NOW)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [long]
    assert names.value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("192.0.2.7")]


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "", "a..example"])
def test_what_is_no_name_gets_no_certificate(store: CertStore, name: str) -> None:
    with pytest.raises(ValueError):
        leaves(store).leaf((name,))


def test_a_browser_resumes_its_session(host: Host, name: str) -> None:
    """The second connection of a device to a site costs no certificate and no signature."""
    context = ssl.create_default_context(cafile=str(host.ca_cert))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        first = context.wrap_socket(raw.socket, server_hostname=name)
        assert not first.session_reused
        session = first.session
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        second = context.wrap_socket(raw.socket, server_hostname=name, session=session)
        assert second.session_reused
