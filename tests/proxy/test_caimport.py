"""Bringing in a CA made elsewhere: with `openssl`, as a school's own would be, sound and broken in every way."""

from __future__ import annotations

import argparse
import json
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from mitmproxy.certs import CertStore

from proxy.ca import CaError, load_ca, passphrase_from, prepare_confdir, read_passphrase
from proxy.caimport import read_foreign
from proxy.commands import ca
from proxy.settings import CaSettings, Settings

ROOT = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash"
BELOW = f"{ROOT}\nauthorityKeyIdentifier=keyid"


def openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Made:
    """A root and a CA below it, made with `openssl`; files are named after them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def key(self, name: str, *kind: str) -> Path:
        file = self / f"{name}.key"
        openssl("genpkey", *(kind or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")), "-out", file)
        return file

    def sign(
        self, name: str, extensions: str, *, kind: tuple[str, ...] = (), by: str | None = None, days: int = 900, **more
    ) -> Path:
        """The certificate `name.pem`, signed by itself or by `by`."""
        key, request, file = self.key(name, *kind), self / f"{name}.csr", self / f"{name}.pem"
        told = self / f"{name}.ext"
        told.write_text(extensions)
        openssl("req", "-new", "-key", key, "-subj", f"/O=Hillview Learning Trust/CN=Hillview {name}", "-out", request)
        signer = ["-signkey", key] if by is None else ["-CA", self / f"{by}.pem", "-CAkey", self / f"{by}.key"]
        digest = more.get("digest", "sha256")
        openssl(
            "x509", "-req", "-in", request, *signer, f"-{digest}", "-days", str(days), "-extfile", told, "-out", file
        )
        return file


@pytest.fixture
def made(tmp_path: Path) -> Made:
    (tmp_path / "made").mkdir()
    return Made(tmp_path / "made")


@pytest.fixture
def now() -> datetime:
    """A little later: what `openssl` made a moment ago is valid."""
    return datetime.now(UTC) + timedelta(minutes=10)


def refused(files: list[Path], at: datetime, passphrase: bytes | None = None) -> str:
    with pytest.raises(CaError) as refusal:
        read_foreign(files, at=at, passphrase=passphrase)
    assert "PRIVATE KEY" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize(
    "kind",
    [
        (),
        ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    ],
    ids=["P-256", "P-384", "RSA"],
)
def test_key_and_certificate_in_any_order_and_number_of_files(made: Made, now: datetime, kind: tuple[str, ...]) -> None:
    """PEM side by side, in one file, and the certificate as DER."""
    made.sign("root", ROOT, kind=kind)
    (made / "both.pem").write_bytes((made / "root.pem").read_bytes() + (made / "root.key").read_bytes())
    openssl("x509", "-in", made / "root.pem", "-outform", "DER", "-out", made / "root.cer")
    expected = x509.load_pem_x509_certificate((made / "root.pem").read_bytes())
    for files in (["root.key", "root.pem"], ["root.pem", "root.key"], ["both.pem"], ["root.cer", "root.key"]):
        found = read_foreign([made / file for file in files], at=now, passphrase=None)
        assert (found.chain, found.locked) == ((expected,), False)
        assert found.key.public_key() == expected.public_key()


def test_a_chain_is_put_in_order_and_devices_trust_its_root(made: Made, now: datetime) -> None:
    """From one PKCS#12 file as Windows exports it, locked."""
    made.sign("root", ROOT)
    made.sign("filter", BELOW, by="root")
    words = ("-inkey", made / "filter.key", "-in", made / "filter.pem", "-certfile", made / "root.pem")
    openssl("pkcs12", "-export", *words, "-passout", "pass:right", "-out", made / "filter.pfx")
    found = read_foreign([made / "filter.pfx"], at=now, passphrase=b"right")
    assert [item.subject.rfc4514_string().split(",")[0] for item in found.chain] == [
        "CN=Hillview filter",
        "CN=Hillview root",
    ]
    assert found.locked
    assert "no PKCS#12 that opens with this passphrase" in refused([made / "filter.pfx"], now, b"wrong")
    assert "no PKCS#12 that opens without a passphrase" in refused([made / "filter.pfx"], now)


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        ("basicConstraints=CA:FALSE\nkeyUsage=keyCertSign", "is no CA"),
        ("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature", "keyCertSign is missing"),
        (f"{ROOT}\nextendedKeyUsage=emailProtection", "serverAuth is missing"),
        (f"{ROOT}\nnameConstraints=critical,permitted;DNS:hillview.example", "name constraints"),
        (f"{ROOT}\n1.2.3.4.5=critical,ASN1:UTF8:new", "signed with it is refused: unhandled critical extension"),
    ],
)
def test_a_certificate_that_may_not_do_the_work_is_refused(
    made: Made, now: datetime, extensions: str, says: str
) -> None:
    made.sign("root", extensions)
    assert says in refused([made / "root.key", made / "root.pem"], now)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "RSA key of 1024 bits, 2048 are wanted"),
        (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "curve secp256k1"),
        (("-algorithm", "ED25519"), "neither EC nor RSA"),
    ],
)
def test_a_weak_or_strange_key_is_refused(made: Made, now: datetime, kind: tuple[str, ...], says: str) -> None:
    made.sign("root", ROOT, kind=kind)
    assert says in refused([made / "root.key", made / "root.pem"], now)


def test_outside_its_time_it_is_refused(made: Made, now: datetime) -> None:
    made.sign("root", ROOT, days=30)
    files = [made / "root.key", made / "root.pem"]
    assert "expired on" in refused(files, now + timedelta(days=31))
    assert "is not valid before" in refused(files, now - timedelta(days=2))


def test_files_that_do_not_make_one_ca_are_refused(made: Made, now: datetime) -> None:
    """Another's certificate, a missing link, a link too many, no key, two keys, nothing at all."""
    for name in ("root", "other"):
        made.sign(name, ROOT)
    made.sign("filter", BELOW, by="root")
    key, own = made / "filter.key", made / "filter.pem"
    (made / "empty").write_bytes(b"")
    assert "no certificate belongs to this key" in refused([key, made / "other.pem"], now)
    assert "its issuer is missing (CN=Hillview root" in refused([key, own], now)
    assert "not above it: CN=Hillview other" in refused([key, own, made / "root.pem", made / "other.pem"], now)
    assert "no private key found" in refused([own, made / "root.pem"], now)
    assert "2 private keys found" in refused([key, made / "other.key", own], now)
    assert "is not PEM" in refused([made / "empty"], now)
    assert "No such file" in refused([made / "missing"], now)


def test_a_chain_that_devices_refuse_is_refused(made: Made, now: datetime) -> None:
    """A root that allows no CA below it, and a link signed with SHA-1."""
    made.sign("root", ROOT.replace("CA:TRUE", "CA:TRUE,pathlen:0"))
    made.sign("filter", BELOW, by="root", digest="sha1")
    told = refused([made / "filter.key", made / "filter.pem", made / "root.pem"], now)
    assert "allows 0 CAs below it, and there are 1" in told
    assert "signed with sha1, which devices refuse" in told


class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], settings: Settings, *words: str | Path) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        ca.add(parser.add_subparsers())
        args = parser.parse_args(["ca", *map(str, words)])
        code = args.handle(args, settings)
        out, err = capsys.readouterr()
        return code, out, err

    @pytest.fixture
    def locked(self, made: Made) -> list[Path]:
        """A CA below a root, its key locked with `right`."""
        made.sign("root", ROOT)
        made.sign("filter", BELOW, by="root")
        openssl("pkey", "-in", made / "filter.key", "-aes256", "-passout", "pass:right", "-out", made / "locked.key")
        (made / "right").write_text("right\n")
        (made / "right").chmod(0o600)
        return [made / "locked.key", made / "filter.pem", made / "root.pem"]

    def test_a_locked_key_stays_locked_or_somebody_says_so(self, capsys, tmp_path: Path, made: Made, locked) -> None:
        """Never open on disk by accident; the passphrase comes from a file only its owner reads."""
        open_disk = Settings(data=tmp_path / "data")
        given = ("--passphrase-file", made / "right")
        assert "needs a passphrase" in self.run(capsys, open_disk, "import", *locked)[2]
        assert "without a passphrase" in self.run(capsys, open_disk, "import", *locked, *given)[2]
        (made / "right").chmod(0o644)
        assert "others may use it" in self.run(capsys, open_disk, "import", *locked, *given)[2]
        (made / "right").chmod(0o600)
        assert not (tmp_path / "data").exists()
        told = Settings(data=tmp_path / "data", ca=CaSettings(passphrase_file=made / "right"))
        code, out, _ = self.run(capsys, told, "import", *locked, "--json")
        assert (code, json.loads(out)["ok"]) == (0, True)
        kept = tmp_path / "data" / "ca" / "ca.pem"
        assert b"ENCRYPTED" in kept.read_bytes()
        assert kept.stat().st_mode & 0o777 == 0o600
        assert self.run(capsys, told, "status")[0] == 0
        assert "there is a CA already" in self.run(capsys, told, "import", *locked)[2]
        code, _, _ = self.run(capsys, Settings(data=tmp_path / "open"), "import", *locked, *given, "--unlock")
        assert (code, b"ENCRYPTED" in (tmp_path / "open" / "ca" / "ca.pem").read_bytes()) == (0, False)

    def test_a_client_that_trusts_the_root_alone_believes_a_website_behind_it(
        self, capsys, tmp_path: Path, made: Made, locked
    ) -> None:
        """A real handshake with what the host signs: leaf and chain sent, the root trusted, Python's strict client."""
        told = Settings(data=tmp_path, ca=CaSettings(passphrase_file=made / "right"))
        assert self.run(capsys, told, "import", *locked)[0] == 0
        assert (tmp_path / "ca" / "ca-cert.pem").read_bytes() == (made / "root.pem").read_bytes()
        confdir = prepare_confdir(tmp_path / "ca", tmp_path / "confdir")
        entry = CertStore.from_store(confdir, "mitmproxy", 2048, b"right").get_cert(
            "www.example.org", [x509.DNSName("www.example.org")]
        )
        chain = entry.cert.to_pem() + b"".join(item.to_pem() for item in entry.chain_certs)
        (tmp_path / "leaf.pem").write_bytes((made / "filter.key").read_bytes() + chain)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(tmp_path / "leaf.pem")
        client = ssl.create_default_context(cafile=made / "root.pem")
        assert client.verify_flags & ssl.VERIFY_X509_STRICT
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname="www.example.org")
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        waiting = [ours, theirs]
        for _ in range(6):
            for end in list(waiting):
                try:
                    end.do_handshake()
                    waiting.remove(end)
                except ssl.SSLWantReadError:
                    continue
        assert not waiting
        assert ours.getpeercert()


def test_the_credential_goes_before_the_file_of_the_settings(tmp_path: Path) -> None:
    for name in ("ca-passphrase", "named"):
        (tmp_path / name).write_text(f"from {name}\n")
        (tmp_path / name).chmod(0o600)
    told = tmp_path / "named"
    assert passphrase_from({"CREDENTIALS_DIRECTORY": str(tmp_path)}, told) == b"from ca-passphrase"
    assert passphrase_from({}, told) == b"from named"
    told.write_text("two\nlines\n")
    with pytest.raises(CaError, match="One line"):
        read_passphrase(told)
    with pytest.raises(CaError, match="No such file"):
        passphrase_from({}, tmp_path / "missing")


def test_a_ca_whose_root_runs_out_first_runs_out_with_it(tmp_path: Path, made: Made, now: datetime) -> None:
    """What devices refuse is over, however long the signing certificate goes on."""
    made.sign("root", ROOT, days=10)
    made.sign("filter", BELOW, by="root", days=900)
    parser = argparse.ArgumentParser()
    ca.add(parser.add_subparsers())
    args = parser.parse_args(["ca", "import", *(str(made / name) for name in ("filter.key", "filter.pem", "root.pem"))])
    assert args.handle(args, Settings(data=tmp_path)) == 0
    assert load_ca(tmp_path / "ca", at=now).days_left(now) in (9, 10)
