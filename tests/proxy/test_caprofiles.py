"""What each kind of device gets holds the certificate, whole, and never the key; read back with `openssl`."""

from __future__ import annotations

import argparse
import base64
import json
import plistlib
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.ca import create_ca, trusted_certificate
from proxy.caprofiles import PROFILES, Profile, handout
from proxy.commands import ca
from proxy.settings import Settings

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> x509.Certificate:
    folder = tmp_path_factory.mktemp("profiles") / "ca"
    create_ca(folder, name="Hillview & Oakwood <filter>", at=NOW)
    return trusted_certificate(folder)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_file_is_the_same_again_and_holds_no_key(certificate: x509.Certificate, profile: Profile) -> None:
    """A management that fetches it twice sees no change."""
    first = handout(certificate, profile)
    assert first == handout(certificate, profile)
    assert b"PRIVATE" not in first.data
    assert first.todo


@pytest.mark.parametrize(
    ("profile", "form"), [("intune", "DER"), ("android", "DER"), ("google", "PEM"), ("linux", "PEM")]
)
def test_plain_files_are_in_the_form_that_is_wanted(
    certificate: x509.Certificate, tmp_path: Path, profile: Profile, form: str
) -> None:
    (tmp_path / "file").write_bytes(handout(certificate, profile).data)
    words = ["openssl", "x509", "-inform", form, "-in", tmp_path / "file", "-outform", "DER"]
    assert subprocess.run(words, capture_output=True, check=True).stdout == certificate.public_bytes(Encoding.DER)


@pytest.mark.parametrize("profile", ["ios", "macos"])
def test_an_apple_profile_carries_one_root(certificate: x509.Certificate, profile: Profile) -> None:
    told = plistlib.loads(handout(certificate, profile).data)
    (root,) = told["PayloadContent"]
    assert (told["PayloadType"], root["PayloadType"]) == ("Configuration", "com.apple.security.root")
    assert x509.load_der_x509_certificate(root["PayloadContent"]) == certificate
    assert told["PayloadUUID"] != root["PayloadUUID"]
    assert told["PayloadDisplayName"] == "Hillview & Oakwood <filter>"


def test_the_windows_script_carries_the_certificate_and_nothing_a_name_could_break(
    certificate: x509.Certificate,
) -> None:
    """The CA's name stands nowhere in it."""
    text = handout(certificate, "windows").data.decode("ascii")
    (encoded,) = re.findall(r"FromBase64String\('([A-Za-z0-9+/=]+)'\)", text)
    assert x509.load_der_x509_certificate(base64.b64decode(encoded)) == certificate
    assert "Hillview" not in text


def test_firefox_is_told_by_policy(certificate: x509.Certificate) -> None:
    told = json.loads(handout(certificate, "firefox").data)
    assert told["policies"]["Certificates"] == {"ImportEnterpriseRoots": True, "Install": ["schoolgate-ca.pem"]}


def test_a_technician_exports_for_ipads(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    create_ca(tmp_path / "ca", name="Hillview filter", at=NOW)
    parser = argparse.ArgumentParser()
    ca.add(parser.add_subparsers())
    file = tmp_path / "hillview.mobileconfig"
    args = parser.parse_args(["ca", "export", "--profile", "ios", str(file), "--json"])
    assert args.handle(args, Settings(data=tmp_path)) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["profile"] == "ios"
    assert "device management" in err
    (root,) = plistlib.loads(file.read_bytes())["PayloadContent"]
    assert x509.load_der_x509_certificate(root["PayloadContent"]) == trusted_certificate(tmp_path / "ca")
