"""The certificate authority: made once, checked always, never replaced behind the school's back."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store
from mitmproxy.certs import CertStore

from proxy.ca import CaError, create_ca, export_certificate, load_ca, passphrase_from, prepare_confdir

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NAME = "Example Learning Trust"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ca"


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "ca-cert.pem").read_bytes())


class TestMaking:
    @pytest.mark.parametrize("kind", ["ec", "rsa"])
    def test_what_comes_out_is_a_complete_private_ca(self, folder: Path, kind: str) -> None:
        """The key is 0600 in a 0700 folder, the certificate is public, both checked before they are handed out."""
        status = create_ca(folder, name=NAME, at=NOW, kind=kind)  # type: ignore[arg-type]
        assert (status.kind, status.days_left(NOW)) == (kind, round(5 * 365.25))
        assert status.key.stat().st_mode & 0o777 == 0o600
        assert status.cert.stat().st_mode & 0o777 == 0o644
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sorted(path.name for path in folder.iterdir()) == ["ca-cert.pem", "ca.pem"]
        assert b"PRIVATE" not in status.cert.read_bytes()

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177])
    def test_the_modes_do_not_depend_on_the_umask(self, folder: Path, umask: int) -> None:
        folder.mkdir(mode=0o700)
        before = os.umask(umask)
        try:
            status = create_ca(folder, name=NAME, at=NOW)
        finally:
            os.umask(before)
        assert (status.key.stat().st_mode & 0o777, status.cert.stat().st_mode & 0o777) == (0o600, 0o644)

    def test_it_may_sign_servers_and_no_further_ca(self, folder: Path) -> None:
        """RFC 5280: CA true, path length 0, critical; certSign and crlSign; a subject key identifier."""
        create_ca(folder, name=NAME, at=NOW)
        extensions = certificate(folder).extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
        assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
        assert not (usage.value.digital_signature or usage.value.key_encipherment)
        assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier)

    def test_a_second_one_is_refused_and_the_first_stays(self, folder: Path) -> None:
        first = create_ca(folder, name=NAME, at=NOW)
        before = first.key.read_bytes()
        with pytest.raises(CaError, match="there is a CA already"):
            create_ca(folder, name=NAME, at=NOW)
        assert first.key.read_bytes() == before
        assert certificate(folder).fingerprint(hashes.SHA256()).hex(":").upper() == first.fingerprint

    def test_two_first_starts_at_once_make_one(self, folder: Path) -> None:
        made: list[str] = []
        refused: list[CaError] = []

        def start() -> None:
            try:
                made.append(create_ca(folder, name=NAME, at=NOW).fingerprint)
            except CaError as error:
                refused.append(error)

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(made), len(refused)) == (1, 7)
        assert load_ca(folder, at=NOW).fingerprint == made[0]

    @pytest.mark.parametrize("name", ["", "   ", "x" * 65, "two\nlines", "nul\0"])
    def test_a_name_that_cannot_stand_in_a_certificate_is_refused(self, folder: Path, name: str) -> None:
        with pytest.raises(CaError, match="cannot stand in a certificate"):
            create_ca(folder, name=name, at=NOW)

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "ca").write_text("a file")
        with pytest.raises(CaError, match=str(tmp_path / "ca")):
            create_ca(tmp_path / "ca", name=NAME, at=NOW)


def loosen_key(folder: Path) -> None:
    (folder / "ca.pem").chmod(0o640)


def loosen_folder(folder: Path) -> None:
    folder.chmod(0o770)


def remove_key(folder: Path) -> None:
    (folder / "ca.pem").unlink()


def remove_certificate(folder: Path) -> None:
    (folder / "ca-cert.pem").unlink()


def key_of_another(folder: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(other + (folder / "ca-cert.pem").read_bytes())


def certificate_of_another(folder: Path) -> None:
    create_ca(folder.parent / "other", name=NAME, at=NOW)
    (folder / "ca-cert.pem").write_bytes((folder.parent / "other" / "ca-cert.pem").read_bytes())


def empty(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(b"")


def noise(folder: Path) -> None:
    (folder / "ca.pem").write_bytes(os.urandom(4000))


def folder_in_its_place(folder: Path) -> None:
    (folder / "ca.pem").unlink()
    (folder / "ca.pem").mkdir()


def pipe_in_its_place(folder: Path) -> None:
    (folder / "ca.pem").unlink()
    os.mkfifo(folder / "ca.pem", 0o600)


def not_an_authority(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.org")])
    leaf = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 7, NOW, NOW + timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(private + leaf)
    (folder / "ca-cert.pem").write_bytes(leaf)


class TestLoading:
    @pytest.mark.parametrize(
        ("harm", "says"),
        [
            (loosen_key, "others may use it (mode 0640)"),
            (loosen_folder, "others may use it (mode 0770)"),
            (remove_key, "there is no CA here"),
            (remove_certificate, "schoolgate ca export"),
            (key_of_another, "the key does not belong to the certificate"),
            (certificate_of_another, "is not the certificate in ca.pem"),
            (empty, "its key cannot be read"),
            (noise, "its key cannot be read"),
            (folder_in_its_place, "is not a file"),
            (pipe_in_its_place, "is not a file"),
            (not_an_authority, "may not sign others"),
        ],
    )
    def test_a_harmed_ca_is_refused_and_nothing_is_made_in_its_place(self, folder: Path, harm, says: str) -> None:
        """What, where, what to do; and the folder is exactly as it was found."""
        create_ca(folder, name=NAME, at=NOW)
        harm(folder)
        found = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
        with pytest.raises(CaError) as refusal:
            load_ca(folder, at=NOW)
        assert says in str(refusal.value)
        assert str(folder) in str(refusal.value)
        assert refusal.value.do
        assert "PRIVATE KEY" not in str(refusal.value)
        assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == found

    @pytest.mark.parametrize(
        ("at", "says"),
        [
            (NOW + timedelta(days=366), "expired on 21 November 2027"),
            (NOW - timedelta(days=3), "is not valid before 19 November 2026"),
        ],
    )
    def test_outside_its_time_it_is_refused(self, folder: Path, at: datetime, says: str) -> None:
        create_ca(folder, name=NAME, at=NOW, years=1)
        with pytest.raises(CaError, match=says):
            load_ca(folder, at=at)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_a_key_that_belongs_to_somebody_else_is_refused(self, folder: Path) -> None:
        create_ca(folder, name=NAME, at=NOW)
        os.chown(folder / "ca.pem", 65534, 65534)
        with pytest.raises(CaError, match="belongs to user 65534"):
            load_ca(folder, at=NOW)

    @pytest.mark.parametrize(
        ("given", "says"), [(None, "needs a passphrase"), (b"wrong", "does not open with this passphrase")]
    )
    def test_a_passphrase_missing_or_wrong_is_refused(self, folder: Path, given: bytes | None, says: str) -> None:
        create_ca(folder, name=NAME, at=NOW, passphrase=b"right")
        assert b"ENCRYPTED" in (folder / "ca.pem").read_bytes()
        with pytest.raises(CaError, match=says):
            load_ca(folder, at=NOW, passphrase=given)
        assert load_ca(folder, at=NOW, passphrase=b"right").kind == "ec"

    def test_a_passphrase_for_an_open_key_does_no_harm(self, folder: Path) -> None:
        create_ca(folder, name=NAME, at=NOW)
        assert load_ca(folder, at=NOW, passphrase=b"not needed").kind == "ec"

    def test_the_passphrase_is_a_systemd_credential(self, tmp_path: Path) -> None:
        (tmp_path / "ca-passphrase").write_bytes(b"secret words\n")
        assert passphrase_from({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == b"secret words"
        assert passphrase_from({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) is None
        assert passphrase_from({}) is None


class TestServingMitmproxy:
    @pytest.mark.parametrize(("kind", "passphrase"), [("ec", None), ("rsa", None), ("ec", b"secret words")])
    def test_mitmproxy_signs_leaves_that_a_strict_client_believes(
        self, tmp_path: Path, folder: Path, kind: str, passphrase: bytes | None
    ) -> None:
        """Its certificate store loads ours, and a leaf from it verifies against the public certificate alone."""
        at = datetime.now(UTC)
        create_ca(folder, name=NAME, at=at, kind=kind, passphrase=passphrase)  # type: ignore[arg-type]
        confdir = prepare_confdir(folder, tmp_path / "run" / "mitmproxy")
        store = CertStore.from_store(confdir, "mitmproxy", 2048, passphrase)
        entry = store.get_cert("www.example.org", [x509.DNSName("www.example.org")])
        leaf = entry.cert.to_cryptography()
        verifier = (
            PolicyBuilder()
            .store(Store([certificate(folder)]))
            .time(at)
            .build_server_verifier(x509.DNSName("www.example.org"))
        )
        assert verifier.verify(leaf, [])[-1] == certificate(folder)

    def test_openssl_and_python_take_it_as_a_trusted_root(self, folder: Path) -> None:
        status = create_ca(folder, name=NAME, at=datetime.now(UTC))
        ssl.create_default_context(cafile=status.cert)
        told = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", status.cert, status.cert], capture_output=True, text=True
        )
        assert told.returncode == 0, told.stderr

    def test_the_folder_for_mitmproxy_is_private_and_can_be_laid_out_again(self, tmp_path: Path, folder: Path) -> None:
        create_ca(folder, name=NAME, at=NOW)
        for _ in range(2):
            confdir = prepare_confdir(folder, tmp_path / "confdir")
            assert confdir.stat().st_mode & 0o777 == 0o500
            assert sorted(path.name for path in confdir.iterdir()) == ["mitmproxy-ca.pem", "mitmproxy-dhparam.pem"]
            assert all(path.stat().st_mode & 0o077 == 0 for path in confdir.iterdir())

    def test_mitmproxy_never_gets_to_make_a_ca_of_its_own(self, tmp_path: Path, folder: Path) -> None:
        """Its store makes a new CA where the file is missing; ours stays there even when `ca.pem` is deleted."""
        status = create_ca(folder, name=NAME, at=NOW)
        confdir = prepare_confdir(folder, tmp_path / "confdir")
        status.key.unlink()
        store = CertStore.from_store(confdir, "mitmproxy", 2048)
        assert store.default_ca.fingerprint().hex(":").upper() == status.fingerprint
        assert not status.key.exists()

    def test_a_folder_that_is_a_link_is_refused(self, tmp_path: Path, folder: Path) -> None:
        create_ca(folder, name=NAME, at=NOW)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "confdir").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(CaError, match="is not a folder of this account"):
            prepare_confdir(folder, tmp_path / "confdir")


class TestExporting:
    def test_both_forms_are_the_certificate_and_never_the_key(self, folder: Path) -> None:
        create_ca(folder, name=NAME, at=NOW)
        pem, der = export_certificate(folder, "pem"), export_certificate(folder, "der")
        assert x509.load_pem_x509_certificate(pem) == x509.load_der_x509_certificate(der) == certificate(folder)
        assert b"PRIVATE" not in pem

    def test_an_expired_or_half_lost_ca_can_still_be_exported(self, folder: Path) -> None:
        """The public file is all that is needed to take a certificate out of use on devices."""
        create_ca(folder, name=NAME, at=NOW, years=1)
        expected = certificate(folder)
        (folder / "ca.pem").unlink()
        assert x509.load_pem_x509_certificate(export_certificate(folder, "pem")) == expected


class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], data: Path, *words: str) -> tuple[int, str, str]:
        import argparse

        from proxy.commands import ca
        from proxy.settings import Settings

        parser = argparse.ArgumentParser()
        ca.add(parser.add_subparsers())
        args = parser.parse_args(["ca", *words])
        code = args.handle(args, Settings(data=data))
        out, err = capsys.readouterr()
        return code, out, err

    def test_a_technician_makes_looks_at_and_hands_out_the_ca(self, capsys, tmp_path: Path) -> None:
        assert self.run(capsys, tmp_path, "status", "--json")[0] == 1
        code, out, _ = self.run(capsys, tmp_path, "create", "--name", NAME, "--json")
        made = json.loads(out)
        assert (code, made["ok"], made["kind"]) == (0, True, "ec")
        code, out, _ = self.run(capsys, tmp_path, "status")
        assert code == 0
        assert made["fingerprint"] in out
        code, out, err = self.run(capsys, tmp_path, "create")
        assert (code, out) == (1, "")
        assert "there is a CA already" in err
        code, out, _ = self.run(capsys, tmp_path, "export", str(tmp_path / "trust.cer"), "--format", "der", "--json")
        assert (code, json.loads(out)["format"]) == (0, "der")
        exported = x509.load_der_x509_certificate((tmp_path / "trust.cer").read_bytes())
        assert exported.fingerprint(hashes.SHA256()).hex(":").upper() == made["fingerprint"]

    def test_what_is_written_to_standard_output_is_the_file_itself(self, capfdbinary, tmp_path: Path) -> None:
        create_ca(tmp_path / "ca", name=NAME, at=NOW)
        import argparse

        from proxy.commands import ca
        from proxy.settings import Settings

        parser = argparse.ArgumentParser()
        ca.add(parser.add_subparsers())
        args = parser.parse_args(["ca", "export"])
        assert args.handle(args, Settings(data=tmp_path)) == 0
        assert capfdbinary.readouterr().out == (tmp_path / "ca" / "ca-cert.pem").read_bytes()

    @pytest.mark.parametrize(("days", "code"), [(31, 0), (29, 1)])
    def test_status_says_no_before_the_certificate_runs_out(self, capsys, tmp_path: Path, days: int, code: int) -> None:
        made = datetime.now(UTC) + timedelta(days=days, hours=1) - timedelta(days=365)
        create_ca(tmp_path / "ca", name=NAME, at=made, years=1)
        got, out, err = self.run(capsys, tmp_path, "status", "--json")
        assert (got, json.loads(out)["days_left"], json.loads(out)["ok"]) == (code, days, code == 0)
        assert (f"{days} days left" in err) == (code == 1)
