"""The address of a ClickHouse, as it stands in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from logstore.place import ClickHouse, StoreError


def test_an_address_is_what_the_driver_takes(tmp_path: Path) -> None:
    where = ClickHouse("clickhouse://schoolgate@ch.trust.internal:8443/schoolgate?secure=true", tmp_path)
    assert str(where.url) == "clickhousedb://schoolgate@ch.trust.internal:8443/schoolgate?secure=true"
    assert not where.in_process


@pytest.mark.parametrize(
    ("address", "encrypted"),
    [
        ("clickhouse://u@h/d", False),
        ("clickhouse://u@h:8123/d", False),
        ("clickhouse://u@h:8443/d", True),
        ("clickhouse://u@h/d?secure=true", True),
        ("clickhouse://u@h/d?interface=https", True),
        ("clickhouse://u@h:8443/d?interface=http", False),
    ],
)
def test_it_is_known_whether_rows_go_in_the_clear(tmp_path: Path, address: str, encrypted: bool) -> None:
    assert ClickHouse(address, tmp_path).encrypted is encrypted


def test_the_password_stands_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\nanother line\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"others may read the password.*chmod 0600"):
        ClickHouse("clickhouse://u@h/d", tmp_path, file).password()
    file.chmod(0o600)
    assert ClickHouse("clickhouse://u@h/d", tmp_path, file).password() == "s3cret"
    assert ClickHouse("clickhouse://u@h/d", tmp_path).password() is None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("clickhouse://u:s3cret@h/d", "holds a password"),
        ("clickhouse://u@h/d?password=s3cret", "holds a password"),
        ("clickhouse://u@h", "names no database"),
        ("mysql://u@h/d", "which holds no record"),
        ("not an address", "is no address"),
    ],
)
def test_a_wrong_address_is_told_without_its_password(tmp_path: Path, address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as said:
        ClickHouse(address, tmp_path)
    assert "s3cret" not in str(said.value)
