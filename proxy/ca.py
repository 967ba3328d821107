"""The certificate authority: a folder in, a checked `CaStatus` out, or a `CaError` that says what to do.

`ca.pem` holds the private key and the signing certificate (as mitmproxy's certificate store reads them), `ca-cert.pem`
the certificate alone, which is what devices are told to trust. The rule here: a CA is made only when somebody asks for
one. Whatever is wrong with an existing one is reported, never repaired by making another, because every device of the
school trusts the old one. No message of this module contains key material.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from mitmproxy.certs import DEFAULT_DHPARAM
from mitmproxy.options import CONF_BASENAME

from proxy.privatefile import NotPrivate, held_folder, read_private, write_private

type CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
type CaKind = Literal["ec", "rsa"]

KEY_FILE = "ca.pem"
"""Private key, its certificate, and those above it up to the one devices trust; readable by its owner only."""
CERT_FILE = "ca-cert.pem"
"""The certificate devices trust; public."""
CREDENTIAL = "ca-passphrase"
"""Name of the systemd credential that holds the passphrase of `ca.pem`, when it has one."""
NAME_LIMIT = 64
"""Longest common name (RFC 5280 appendix A.1, ub-common-name)."""
_BACKDATED = timedelta(days=2)
"""Devices whose clock is behind must not see a certificate from the future."""


class CaError(Exception):
    """The CA cannot be used or made. The text says what is wrong, where, and what to do."""

    def __init__(self, what: str, where: Path, do: str) -> None:
        super().__init__(f"{where}: {what}. {do}")
        self.what = what
        self.where = where
        self.do = do


@dataclass(frozen=True, slots=True)
class CaStatus:
    """A CA that is complete, private and in force. Holds paths and facts, never the key."""

    cert: Path
    """The public certificate: the file to trust."""
    key: Path
    """Key and certificate."""
    subject: str
    """Subject of the signing certificate as RFC 4514 text."""
    kind: CaKind
    """Key algorithm."""
    fingerprint: str
    """SHA-256 of the certificate devices trust (DER), upper-case pairs joined by colons, as browsers show it."""
    not_before: datetime
    """Start of validity, UTC."""
    not_after: datetime
    """End of validity, UTC."""

    def days_left(self, at: datetime) -> int:
        """Whole days of validity left at `at`; negative once it has expired."""
        return (self.not_after - at).days


def create_ca(
    folder: Path, *, name: str, at: datetime, years: int = 5, kind: CaKind = "ec", passphrase: bytes | None = None
) -> CaStatus:
    """Make a CA called `name` in `folder` and return it checked. Raises `CaError` when one is there already.

    EC keys are on P-256, RSA keys have 3072 bits. The certificate may sign server certificates only and no further CA
    (RFC 5280, 4.2.1.9: path length 0).
    """
    common = name.strip()
    if not common or len(common) > NAME_LIMIT or not common.isprintable():
        raise CaError(f"the name {name!r} cannot stand in a certificate", folder, f"Use 1 to {NAME_LIMIT} letters.")
    key: CaKey = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 3072)
    return keep_ca(folder, key, [_self_signed(key, common, at, years)], at=at, passphrase=passphrase)


def keep_ca(
    folder: Path, key: CaKey, chain: Sequence[x509.Certificate], *, at: datetime, passphrase: bytes | None
) -> CaStatus:
    """Write a CA into `folder` and return it checked: `chain` is the signing certificate, then those above it.

    The key is locked with `passphrase` when there is one. Raises `CaError` when there is a CA already.
    """
    public = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in chain]
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
    )
    try:
        with held_folder(folder):
            if (folder / KEY_FILE).exists() or (folder / KEY_FILE).is_symlink():
                raise CaError("there is a CA already", folder / KEY_FILE, "See `schoolgate ca status`.")
            write_private(folder / CERT_FILE, public[-1], mode=0o644)
            write_private(folder / KEY_FILE, private + b"".join(public))
    except OSError as error:
        raise CaError(f"cannot be written: {error.strerror}", folder, "Give this account the data folder.") from error
    return load_ca(folder, at=at, passphrase=passphrase)


def load_ca(folder: Path, *, at: datetime, passphrase: bytes | None = None) -> CaStatus:
    """Check everything about the CA in `folder` at the time `at`. Raises `CaError`; never makes or repairs anything."""
    file = folder / KEY_FILE
    raw = _read_key_file(file)
    key = _private_key(file, raw, passphrase)
    chain = _certificates(file, raw)
    cert = chain[0]
    _check_pair(file, key, cert)
    _check_authority(file, cert)
    ends = min(link.not_valid_after_utc for link in chain)
    begins = max(link.not_valid_before_utc for link in chain)
    if at >= ends:
        raise CaError(f"expired on {ends:%d %B %Y}", file, _RENEW)
    if at < begins:
        raise CaError(f"is not valid before {begins:%d %B %Y}", file, "Check this machine's clock.")
    public = folder / CERT_FILE
    trusted = _public_certificate(public)
    if trusted not in (chain[0], chain[-1]):
        raise CaError(f"is not the certificate in {KEY_FILE}", public, _EXPORT.format(public))
    return CaStatus(
        cert=public,
        key=file,
        subject=cert.subject.rfc4514_string(),
        kind="ec" if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa",
        fingerprint=fingerprint_of(trusted),
        not_before=begins,
        not_after=ends,
    )


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate as devices show it: upper-case pairs joined by colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def trusted_certificate(folder: Path) -> x509.Certificate:
    """What devices trust: the last certificate of `ca.pem` (or of `ca-cert.pem` where the key is not readable)."""
    try:
        return _certificates(folder / KEY_FILE, _read_key_file(folder / KEY_FILE))[-1]
    except CaError:
        return _public_certificate(folder / CERT_FILE)


def export_certificate(folder: Path, form: Literal["pem", "der"]) -> bytes:
    """The certificate devices trust, never the key."""
    cert = trusted_certificate(folder)
    return cert.public_bytes(serialization.Encoding.PEM if form == "pem" else serialization.Encoding.DER)


def prepare_confdir(folder: Path, confdir: Path) -> Path:
    """Lay out in `confdir` the files mitmproxy's `TlsConfig` opens, and return it.

    mitmproxy makes a CA of its own wherever `mitmproxy-ca.pem` is missing, and would make it *through* a dangling link.
    So the key is a hard link (a copy across file systems), which stays when `ca.pem` goes, in a folder that ends up
    read-only. Call it after `load_ca`, before any worker starts.
    """
    try:
        confdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if confdir.is_symlink() or confdir.stat().st_uid != os.geteuid():
            raise CaError("is not a folder of this account", confdir, "Remove it and start again.")
        confdir.chmod(0o700)
        ours = confdir / f"{CONF_BASENAME}-ca.pem"
        _link_or_copy(folder / KEY_FILE, ours)
        write_private(confdir / f"{CONF_BASENAME}-dhparam.pem", DEFAULT_DHPARAM)
        confdir.chmod(0o500)
    except OSError as error:
        raise CaError(f"cannot be laid out: {error.strerror}", confdir, "Give this account the data folder.") from error
    return confdir


def passphrase_from(environ: Mapping[str, str], named: Path | None = None) -> bytes | None:
    """The passphrase of the CA key: from the systemd credential `ca-passphrase`, else from the file `named`, else None.

    Credentials are files in `$CREDENTIALS_DIRECTORY` (systemd.exec(5)); a passphrase never stands in a command line,
    an environment variable or the settings. Raises `CaError` for a file that is missing, empty or not private.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    file = Path(directory) / CREDENTIAL if directory else None
    if file is not None and file.exists():
        return file.read_bytes().rstrip(b"\r\n") or None
    return None if named is None else read_passphrase(named)


def read_passphrase(file: Path) -> bytes:
    """The first and only line of a file that nobody but its owner can read. Raises `CaError`."""
    try:
        line = read_private(file).rstrip(b"\r\n")
    except NotPrivate as error:
        raise CaError(error.what, error.path, error.do) from error
    except OSError as error:
        raise CaError(f"cannot be read: {error.strerror}", file, "It holds the passphrase of the CA's key.") from error
    if not line or b"\n" in line:
        raise CaError("holds no passphrase", file, "One line with the passphrase is wanted.")
    return line


_RENEW = "Bring in a new one (devices must trust it): docs/operations.md, 'Rotate the CA'."
_EXPORT = "Write it again with `schoolgate ca export {0}`."
_MAKE = "Make one with `schoolgate ca create`, or restore the data folder from its backup."


def _self_signed(key: CaKey, name: str, at: datetime, years: int) -> x509.Certificate:
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]
    )
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _BACKDATED)
        .not_valid_after(at + timedelta(days=round(years * 365.25)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, decipher_only=False, **usage),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read_key_file(file: Path) -> bytes:
    try:
        return read_private(file)
    except FileNotFoundError as error:
        raise CaError("there is no CA here", file, _MAKE) from error
    except NotPrivate as error:
        raise CaError(error.what, error.path, error.do) from error
    except OSError as error:
        raise CaError(
            f"cannot be read: {error.strerror}", file, "Give it to the account that runs the proxy."
        ) from error


def _private_key(file: Path, raw: bytes, passphrase: bytes | None) -> CaKey:
    try:
        try:
            key = serialization.load_pem_private_key(raw, passphrase)
        except TypeError:
            if passphrase is None:
                do = f"Give it as systemd credential {CREDENTIAL}, or in ca.passphrase_file."
                raise CaError("its key needs a passphrase", file, do) from None
            key = serialization.load_pem_private_key(raw, None)
    except ValueError:
        # The library's text may quote parts of the file; ours never does.
        what = (
            "its key cannot be read: no PEM key" if passphrase is None else "its key does not open with this passphrase"
        )
        raise CaError(what, file, "Restore ca.pem from its backup, or correct the passphrase.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CaError("its key is neither EC nor RSA", file, "Bring in a CA with an EC P-256 or RSA key.")
    return key


def _certificates(file: Path, raw: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise CaError("holds no readable certificate", file, "Restore it from its backup.") from None


def _public_certificate(file: Path) -> x509.Certificate:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CaError(f"cannot be read: {error.strerror}", file, _EXPORT.format(file)) from error
    return _certificates(file, raw)[0]


def _check_pair(file: Path, key: CaKey, cert: x509.Certificate) -> None:
    if key.public_key() != cert.public_key():
        raise CaError("the key does not belong to the certificate", file, "Restore both from the same backup.")


def _check_authority(file: Path, cert: x509.Certificate) -> None:
    wrong = CaError("the certificate may not sign others", file, "Bring in a CA certificate (CA:TRUE, keyCertSign).")
    try:
        if not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise wrong
        if not cert.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise wrong
    except x509.ExtensionNotFound:
        raise wrong from None


def _link_or_copy(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        fresh.hardlink_to(source.resolve())
    except OSError:
        write_private(target, source.read_bytes(), mode=0o400)
        return
    fresh.replace(target)
    fresh.unlink(missing_ok=True)  # rename(2) does nothing when both are already the same file
