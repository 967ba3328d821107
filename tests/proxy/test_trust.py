"""Which authorities origins are believed by: the public ones and the school's own, certificates only."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import ValidationError

from proxy.settings import ProxySettings, Settings
from proxy.trust import TrustError, check_trust, upstream_trust
from tests.rig.certificates import Authority


def told(*files: Path) -> Settings:
    return Settings(proxy=ProxySettings(upstream_trust=files))


def test_without_a_school_authority_it_is_the_public_list() -> None:
    """Never the distribution's."""
    assert upstream_trust(told(), Path("/nonexistent")) == Path(certifi.where())


def test_the_school_s_authority_is_added(tmp_path: Path, authority: Authority) -> None:
    """Beside every public one."""
    file = upstream_trust(told(authority.pem), tmp_path)
    found = x509.load_pem_x509_certificates(file.read_bytes())
    public = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    ours = x509.load_pem_x509_certificates(authority.pem.read_bytes())
    assert set(found) == {*public, *ours}


def test_a_key_that_lies_in_the_file_is_not_copied(tmp_path: Path, authority: Authority) -> None:
    """People hand over what they have."""
    both = tmp_path / "both.pem"
    key = b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n"
    both.write_bytes(key + authority.pem.read_bytes())
    assert b"PRIVATE KEY" not in upstream_trust(told(both), tmp_path).read_bytes()


def test_every_bad_file_is_named(tmp_path: Path, authority: Authority) -> None:
    """At once, with what is wanted."""
    empty = tmp_path / "empty.pem"
    empty.write_bytes(b"")
    with pytest.raises(TrustError) as refused:
        check_trust(told(tmp_path / "missing.pem", authority.pem, empty))
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert "missing.pem: No such file" in lines[0]
    assert "empty.pem: holds no certificate; a PEM file of CA certificates is wanted" in lines[1]


def test_a_distrusted_authority_is_taken_out_wherever_it_comes_from(tmp_path: Path, authority: Authority) -> None:
    """A public one by its fingerprint as browsers show it, the school's without colons; OpenSSL reads what is left."""
    public = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    (ours,) = x509.load_pem_x509_certificates(authority.pem.read_bytes())
    gone = (public[3].fingerprint(SHA256()).hex(":").upper(), ours.fingerprint(SHA256()).hex())
    settings = Settings(proxy=ProxySettings(upstream_trust=(authority.pem,), upstream_distrust=gone))
    file = upstream_trust(settings, tmp_path)
    left = x509.load_pem_x509_certificates(file.read_bytes())
    assert set(left) == {*public} - {public[3]}
    assert ssl.create_default_context(cafile=file).cert_store_stats()["x509_ca"] == len(left)
    with pytest.raises(ValidationError):
        ProxySettings(upstream_distrust=("AA:BB",))
