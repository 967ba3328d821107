"""A signature is of this file, by this key, or it is nothing; whatever else is in the file raises no other error."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from categories.fetch import FetchProblem, Known, Remote, fetch
from categories.signatures import SignatureProblem, check_signature, read_key
from tests.categories.signing import public_key, sign
from tests.rig.tools import need

MINE, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
LIST = b"games.example\nmore.example\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "games.txt"
    path.write_bytes(LIST)
    return path


@pytest.mark.parametrize("hashed", [True, False])
def test_what_the_key_signed_is_good(file: Path, hashed: bool) -> None:
    """Both kinds minisign has made; the comment it signed comes back."""
    text = sign(MINE, LIST, comment="of today", hashed=hashed).decode()
    for key in (public_key(MINE), f"untrusted comment: a key\n{public_key(MINE)}\n"):
        assert check_signature(file, text, read_key(key)) == "of today"


@pytest.mark.parametrize(
    ("signature", "says"),
    [
        (sign(OTHER, LIST), "made by key"),
        (sign(MINE, LIST + b"x"), "not of this file"),
        (sign(MINE, LIST).replace(b"games of today", b"games of later"), "not of this file"),
        (sign(MINE, LIST).split(b"trusted comment", 1)[0], "four lines"),
        (b"", "four lines"),
        (b"a\nb!\ntrusted comment: x\nd\n", "no base64"),
        (b"a\nQUJD\ntrusted comment: x\nd\n", "another kind"),
    ],
)
def test_what_it_did_not_sign_is_not(file: Path, signature: bytes, says: str) -> None:
    with pytest.raises(SignatureProblem, match=says):
        check_signature(file, signature.decode(), read_key(public_key(MINE)))


@pytest.mark.parametrize("text", ["", "RW", "no key!", "QUJD", "x" * 56])
def test_what_is_no_key_is_told(text: str) -> None:
    with pytest.raises(SignatureProblem):
        read_key(text)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_bit_is_a_changed_signature(file: Path, place: int, change: int) -> None:
    """Anywhere but in the comment nobody trusts; and no other error comes of it."""
    good = sign(MINE, LIST)
    begins = good.index(b"\n") + 1
    at = begins + place % (len(good) - begins - 1)
    bad = good[:at] + bytes([good[at] ^ change]) + good[at + 1 :]
    text = bad.decode("utf-8", "replace")
    try:
        check_signature(file, text, read_key(public_key(MINE)))
    except SignatureProblem:
        return
    assert text.split() == good.decode().split()


def test_a_local_file_is_signed_beside_it(file: Path, tmp_path: Path) -> None:
    """What was checked is what is kept; a folder has no signature."""
    remote = Remote(str(file), tree=False, key=public_key(MINE))
    with pytest.raises(FetchProblem, match="cannot be had"):
        fetch(remote, tmp_path / "store")
    (tmp_path / "games.txt.minisig").write_bytes(sign(MINE, LIST))
    fetched = fetch(remote, tmp_path / "store")
    assert fetched.folder is not None
    assert (fetched.folder / "list").read_bytes() == LIST
    assert fetch(remote, tmp_path / "store", Known(sha256=fetched.known.sha256)).folder is None
    with pytest.raises(FetchProblem, match="has no signature"):
        fetch(Remote(str(tmp_path), tree=True, key=public_key(MINE)), tmp_path.parent / "other-store")


def test_minisign_itself_agrees(file: Path, tmp_path: Path) -> None:
    """A key and a signature the real program makes."""
    key, minisign = tmp_path / "key", need("minisign", "minisign")
    subprocess.run([minisign, "-G", "-W", "-p", f"{key}.pub", "-s", key], check=True, capture_output=True)
    subprocess.run([minisign, "-S", "-s", key, "-m", file], check=True, capture_output=True)
    text = Path(f"{file}.minisig").read_text()
    assert check_signature(file, text, read_key(Path(f"{key}.pub").read_text())).startswith("timestamp:")
