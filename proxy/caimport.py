"""A CA made elsewhere: its files in, a key with a checked chain out, or a `CaError` with everything that is wrong.

Files are told apart by what they hold: PEM (key, certificates, in any order and any number of files), DER certificates,
PKCS#12. The rule here: nothing is brought in that a browser would then refuse. So besides what can be said in words, a
certificate for a website is signed on trial and verified as a client verifies it. No message contains key material.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from mitmproxy.certs import dummy_cert
from OpenSSL import crypto

from proxy.ca import CaError, CaKey

LARGEST = 1 << 20
"""Bytes of a file at most."""
RSA_BITS = 2048
"""Shortest RSA key browsers accept."""
CURVES = ("secp256r1", "secp384r1")
"""Elliptic curves every browser accepts."""
PROBE = "trial.schoolgate.test"
"""The website a certificate is signed for on trial."""
_AGAIN = "Ask whoever made it for a CA that may sign web servers; docs/operations.md, 'A CA of your own'."
_CUT = b"-----BEGIN "
_OLD = (hashes.SHA1, hashes.MD5)


@dataclass(frozen=True, slots=True)
class ForeignCa:
    """A CA that was found good. Holds the key: never print it."""

    key: CaKey
    """Private key."""
    chain: tuple[x509.Certificate, ...]
    """Signing certificate, then each one's issuer, up to the self-signed one devices trust."""
    locked: bool
    """Whether the key lay behind a passphrase."""


def read_foreign(files: Sequence[Path], *, at: datetime, passphrase: bytes | None) -> ForeignCa:
    """The CA in `files`, checked at the time `at`; `passphrase` opens the key or the PKCS#12 file. Raises `CaError`."""
    keys: list[tuple[CaKey, bool, Path]] = []
    certificates: list[x509.Certificate] = []
    for file in files:
        found, more = _contents(file, passphrase)
        keys += [(key, locked, file) for key, locked in found]
        certificates += [certificate for certificate in more if certificate not in certificates]
    if len(keys) != 1:
        what = f"{len(keys) or 'no'} private key{'s' if len(keys) > 1 else ''} found"
        raise CaError(what, files[0], "Name the file of the CA's key, its certificate, and those above it.")
    key, locked, file = keys[0]
    own = [certificate for certificate in certificates if certificate.public_key() == key.public_key()]
    if not own:
        raise CaError("no certificate belongs to this key", file, "Name the CA's own certificate too.")
    signing = max(own, key=lambda certificate: certificate.not_valid_after_utc)
    chain = _chain(signing, certificates, file)
    if problems := [*_problems(key, chain, at)] or [*_trial(key, chain, at)]:
        raise CaError("; ".join(problems), file, _AGAIN)
    return ForeignCa(key, tuple(chain), locked)


def _contents(file: Path, passphrase: bytes | None) -> tuple[list[tuple[CaKey, bool]], list[x509.Certificate]]:
    """Keys (and whether each was locked) and certificates of a file."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise CaError(f"cannot be read: {error.strerror}", file, "Name a file of the CA.") from error
    if len(raw) > LARGEST:
        raise CaError(f"is larger than {LARGEST >> 10} KiB", file, "Name a file of the CA.")
    if _CUT in raw:
        return _pem(file, raw, passphrase)
    with suppress(ValueError):
        return [], [x509.load_der_x509_certificate(raw)]
    return _pkcs12(file, raw, passphrase)


def _pem(file: Path, raw: bytes, passphrase: bytes | None) -> tuple[list[tuple[CaKey, bool]], list[x509.Certificate]]:
    keys: list[tuple[CaKey, bool]] = []
    certificates: list[x509.Certificate] = []
    for part in raw.split(_CUT)[1:]:
        block = _CUT + part
        label = part.split(b"-----", 1)[0]
        try:
            if label.endswith(b"CERTIFICATE"):
                certificates += x509.load_pem_x509_certificates(block)
            elif label.endswith(b"PRIVATE KEY"):
                locked = b"ENCRYPTED" in block
                if locked and passphrase is None:
                    raise CaError("its key needs a passphrase", file, "Give it with --passphrase-file.")
                key = serialization.load_pem_private_key(block, passphrase if locked else None)
                keys.append((_known(key, file), locked))
        except (ValueError, TypeError):
            what = "its key does not open with this passphrase" if b"ENCRYPTED" in block else "cannot be read"
            raise CaError(what, file, "See whether it came whole, and correct the passphrase.") from None
    return keys, certificates


def _pkcs12(
    file: Path, raw: bytes, passphrase: bytes | None
) -> tuple[list[tuple[CaKey, bool]], list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(raw, passphrase)
    except ValueError:
        if passphrase is None:
            what, do = "is not PEM, and no PKCS#12 that opens without a passphrase", "Give --passphrase-file."
        else:
            what, do = "is not PEM, and no PKCS#12 that opens with this passphrase", "Correct file or passphrase."
        raise CaError(what, file, do) from None
    keys = [] if key is None else [(_known(key, file), passphrase is not None)]
    return keys, [*([certificate] if certificate else []), *others]


def _known(key: object, file: Path) -> CaKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CaError("its key is neither EC nor RSA", file, _AGAIN)
    return key


def _chain(signing: x509.Certificate, among: Sequence[x509.Certificate], file: Path) -> list[x509.Certificate]:
    """From the signing certificate to a self-signed one. Raises `CaError` when a link is missing or has no place."""
    chain = [signing]
    while not _issued(chain[-1], chain[-1]):
        above = next((item for item in among if item not in chain and _issued(chain[-1], item)), None)
        if above is None:
            what = f"the certificate of its issuer is missing ({chain[-1].issuer.rfc4514_string()})"
            raise CaError(what, file, "Name the file with the certificates above it, up to the root, too.")
        chain.append(above)
    if strange := [item.subject.rfc4514_string() for item in among if item not in chain]:
        raise CaError(f"certificates that are not above it: {', '.join(strange)}", file, "Leave them out.")
    return chain


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed it. An old signature is believed by its names here, and judged in `_problems`."""
    if isinstance(certificate.signature_hash_algorithm, _OLD):
        return certificate.issuer == issuer.subject
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _problems(key: CaKey, chain: Sequence[x509.Certificate], at: datetime) -> list[str]:
    """What can be said in words, all of it."""
    problems = []
    for depth, certificate in enumerate(chain):
        name = certificate.subject.rfc4514_string() or "the certificate without a name"
        problems += [f"{name} {what}" for what in _faults(certificate, depth, at)]
        if depth < len(chain) - 1 and isinstance(certificate.signature_hash_algorithm, _OLD):
            problems.append(f"{name} is signed with {certificate.signature_hash_algorithm.name}, which devices refuse")
    return problems


def _faults(certificate: x509.Certificate, below: int, at: datetime) -> list[str]:
    """What keeps a certificate from signing for websites with `below` CAs between."""
    faults = [*_weak(certificate.public_key())]
    if at >= certificate.not_valid_after_utc:
        faults.append(f"expired on {certificate.not_valid_after_utc:%d %B %Y}")
    if at < certificate.not_valid_before_utc:
        faults.append(f"is not valid before {certificate.not_valid_before_utc:%d %B %Y}")
    try:
        extensions = certificate.extensions
    except ValueError:
        return [*faults, "has extensions that cannot be read"]
    by_kind = {type(extension.value): extension.value for extension in extensions}
    constraints = by_kind.get(x509.BasicConstraints)
    if not isinstance(constraints, x509.BasicConstraints) or not constraints.ca:
        faults.append("is no CA (CA:TRUE is missing)")
    elif constraints.path_length is not None and constraints.path_length < below:
        faults.append(f"allows {constraints.path_length} CAs below it, and there are {below}")
    usage = by_kind.get(x509.KeyUsage)
    if not isinstance(usage, x509.KeyUsage) or not usage.key_cert_sign:
        faults.append("may not sign certificates (keyCertSign is missing)")
    extended = by_kind.get(x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if isinstance(extended, x509.ExtendedKeyUsage) and not allowed & set(extended):
        faults.append("may not sign for web servers (serverAuth is missing)")
    if x509.NameConstraints in by_kind:
        faults.append("may sign for certain names only (name constraints)")
    return faults


def _weak(public: object) -> list[str]:
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < RSA_BITS:
        return [f"has an RSA key of {public.key_size} bits, {RSA_BITS} are wanted"]
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name not in CURVES:
        return [f"has a key on the curve {public.curve.name}, which browsers do not take"]
    return []


def _trial(key: CaKey, chain: Sequence[x509.Certificate], at: datetime) -> list[str]:
    """Sign for a website as the gateway will, and verify it with the root alone, as a device does."""
    leaf = dummy_cert(key, chain[0], PROBE, [x509.DNSName(PROBE)])  # type: ignore[arg-type]
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(chain[-1]))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    store.set_time(at)
    between = [crypto.X509.from_cryptography(certificate) for certificate in chain[:-1]]
    try:
        crypto.X509StoreContext(
            store, crypto.X509.from_cryptography(leaf.to_cryptography()), between
        ).verify_certificate()
    except crypto.X509StoreContextError as error:
        return [f"a website's certificate signed with it is refused: {error}"]
    return []
