"""`schoolgate statutory` as it is typed: make keys and bundles, verify them, and say how the gateway stands."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from proxy.cli import main
from tests.categories.statutory_rig import Issuer


@dataclass
class Told:
    """What a command answered."""

    status: int
    out: str
    err: str


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Told]:
    """Type a command in an empty folder with settings of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, text: bytes = b"") -> Told:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        settings = ["--settings", "schoolgate.yaml"] if Path("schoolgate.yaml").exists() else []
        status = main([*settings, "statutory", *words])
        captured = capsys.readouterr()
        return Told(status, captured.out, captured.err)

    return run


ISSUE = ("--key", "issuer.pem", "--out", "iwf.bundle", "--list", "Dummy list", "--category", "child-abuse")


def settings_for(public_key: str, **more: object) -> None:
    """Settings that name the bundle."""
    sources = [{"name": "iwf", "path": "iwf.bundle", "public_key": public_key}]
    Path("schoolgate.yaml").write_text(yaml.safe_dump({"statutory": {"sources": sources, **more}}))


def test_from_key_to_bundle_to_verified(typed: Callable[..., Told]) -> None:
    public = typed("keygen", "--out", "issuer.pem").out.strip()
    assert Path("issuer.pem.pub").read_text().strip() == public
    Path("dummy.txt").write_text("# dummy\nbad.test\nwww.bad.example/page\n")
    made = typed("make-test", "dummy.txt", *ISSUE, "--json")
    assert (made.status, json.loads(made.out)["purpose"], json.loads(made.out)["entries"]) == (0, "test", 2)
    assert typed("verify", "iwf.bundle", "--public-key", public).status == 0
    assert typed("verify", "iwf.bundle", "--public-key", Issuer().key).status == 1
    assert typed("verify", "iwf.bundle", "--public-key", "nonsense").status == 2
    assert typed("verify", "iwf.bundle").status == 1, "no key is known here"


def test_a_test_list_holds_only_what_is_nobodys(typed: Callable[..., Told]) -> None:
    typed("keygen", "--out", "issuer.pem")
    Path("dummy.txt").write_text("bad.test\nsomebody-real.com\n")
    refused = typed("make-test", "dummy.txt", *ISSUE)
    assert refused.status == 1
    assert "line 2" in refused.err
    assert "somebody" not in refused.err
    assert not Path("iwf.bundle").exists()
    assert typed("make-test", "dummy.txt", *ISSUE, "--i-am-the-issuer", "--json").status == 0


def test_signing_leaves_no_plain_text_on_disk(typed: Callable[..., Told], tmp_path: Path) -> None:
    typed("keygen", "--out", "issuer.pem")
    signed = typed("sign", *ISSUE, "--sequence", "7", "--hours", "24", "--json", text=b"plain-secret.test\n# c\n")
    assert signed.status == 0, signed.err
    told = json.loads(signed.out)
    assert (told["purpose"], told["sequence"], told["entries"]) == ("issue", 7, 1)
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"plain-secret" in file.read_bytes()]
    assert "plain-secret" not in signed.out + signed.err


@pytest.mark.parametrize("text", [b"plain secret\n", b"\xff\xfe\n", b"co.uk\n", b"", b"# nothing\n"])
def test_a_list_that_cannot_be_issued_whole_is_not_issued(typed: Callable[..., Told], text: bytes) -> None:
    typed("keygen", "--out", "issuer.pem")
    refused = typed("sign", *ISSUE, "--json", text=text)
    assert refused.status == 1
    assert json.loads(refused.out)["ok"] is False
    assert "plain" not in refused.out + refused.err
    assert not Path("iwf.bundle").exists()


def test_what_is_missing_or_loose_is_said(typed: Callable[..., Told]) -> None:
    assert "No such file" in typed("sign", *ISSUE, text=b"bad.test\n").err
    typed("keygen", "--out", "issuer.pem")
    assert "never overwritten" in typed("keygen", "--out", "issuer.pem").err
    assert typed("sign", *ISSUE, "--successor", "nonsense", text=b"bad.test\n").status == 2
    Path("issuer.pem").chmod(0o644)
    assert "chmod" in typed("sign", *ISSUE, text=b"bad.test\n").err


def test_status_is_no_until_both_lists_are_in_force(typed: Callable[..., Told]) -> None:
    nothing = typed("status", "--json")
    assert nothing.status == 1
    assert json.loads(nothing.out)["compliant"] is False
    public = typed("keygen", "--out", "issuer.pem").out.strip()
    typed("sign", *ISSUE, "--json", text=b"bad.test\n")
    settings_for(public)
    one = typed("status", "--json")
    told = json.loads(one.out)
    assert (one.status, told["compliant"]) == (1, False)
    assert told["problems"] == ["no CTIRU list (terrorism) is in force"]
    assert told["sources"][0]["in_force"]["category"] == "child-abuse"
    assert "NOT COMPLIANT" in typed("status").out


def test_verify_asks_for_the_test_entry_as_everybody(typed: Callable[..., Told]) -> None:
    public = typed("keygen", "--out", "issuer.pem").out.strip()
    typed("sign", *ISSUE, text=b"bad.test\n")
    settings_for(public)
    verified = typed("verify")
    assert "all answered with a block" in verified.err
    assert " 0 questions" not in verified.err


def test_everything_closed_is_said(typed: Callable[..., Told]) -> None:
    settings_for(Issuer().key, when_missing="stop")
    told = typed("status")
    assert told.status == 1
    assert "everything is closed" in told.err
    assert json.loads(typed("status", "--json").out)["closed"] is True
