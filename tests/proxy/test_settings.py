"""The settings file: every mistake at once, each with its line and what would have been right.

Shows: `proxy.settingsproblems`, `proxy.record_settings`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.place import ClickHouse, Database
from proxy.settings import ENVIRONMENT, Settings, SettingsError, find_settings, load_settings, parse_settings

EVERYTHING_WRONG = """\
data: data
proxi: {port: 1}
proxy:
  port: 99999
  conect_ports: [443]
  workers: many
identity:
  sign_in: optinal
  places:
    - network: 10.4.0.0/99
      site: oakwood
    - {network: 10.5.0.0/16}
    - {network: 10.6.0.0/16, site: oakwood, band: ks9}
lists:
  - {name: ours, path: lists/ours.txt, format: domain}
spool:
  when_full: ignore
record:
  timezone: Europe/Lodon
  months: 0
metrics: {port: 1}
metrics: {port: 2}
"""


def problems(text: str) -> list[str]:
    """What is said about a settings file."""
    with pytest.raises(SettingsError) as refused:
        parse_settings(text, "schoolgate.yaml")
    assert str(refused.value) == "\n".join(str(problem) for problem in refused.value.problems)
    return [str(problem) for problem in refused.value.problems]


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    """In the order of the file; who repairs it does so once."""
    said = problems(EVERYTHING_WRONG)
    wanted = [
        "schoolgate.yaml:2: proxi: unknown setting (did you mean 'proxy'?)",
        "schoolgate.yaml:4: proxy.port: Input should be less than or equal to 65535 (got 99999)",
        "schoolgate.yaml:5: proxy.conect_ports: unknown setting (did you mean 'connect_ports'?)",
        "schoolgate.yaml:6: proxy.workers: ",
        "schoolgate.yaml:8: identity.sign_in: Input should be 'off', 'optional' or 'required' (did",
        "schoolgate.yaml:10: identity.places.0.network: '10.4.0.0/99' does not appear",
        "schoolgate.yaml:12: identity.places.1.site: is missing",
        "schoolgate.yaml:13: identity.places.2.band: there is no such age band; it would be one of eyfs, ks1, ",
        "schoolgate.yaml:15: lists.0.format: ",
        "schoolgate.yaml:17: spool.when_full: Input should be 'block-pupils', 'block-all' or 'count'",
        "schoolgate.yaml:19: record.timezone: there is no time zone of that name; did you mean 'Europe/London'?",
        "schoolgate.yaml:20: record.months: Input should be greater than or equal to 1 (got 0)",
        "schoolgate.yaml:22: metrics: is written twice (put everything under the one in line 21)",
    ]
    assert len(said) == len(wanted), said
    for line, beginning in zip(said, wanted, strict=True):
        assert line.startswith(beginning)
    assert said[8].endswith("(did you mean 'domains'?)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "schoolgate.yaml:1: file: is not YAML"),
        ("proxy:\n  - 1\n", "schoolgate.yaml:1: proxy: "),
        ("- 1\n", "schoolgate.yaml:1: file: must be a mapping of settings"),
        ("just words", "schoolgate.yaml:1: file: must be a mapping of settings"),
        ("1: 2", "schoolgate.yaml:1: 1: "),
        ("proxy:\n  port: 8080\n  port: 8081\n", "schoolgate.yaml:3: proxy.port: is written twice"),
        ("proxy:\n  private_destinations: ['no network']\n", "schoolgate.yaml:1: proxy: 'no network' is no "),
        ("proxy:\n  hosts: {a.example: nowhere}\n", "schoolgate.yaml:1: proxy: 'nowhere' is not an IP address"),
        ("contact: " + "x" * 201, "schoolgate.yaml:1: contact: "),
        ("ca:\n  page: www.example.org\n", "schoolgate.yaml:2: ca.page: 'www.example.org' may be a website's; take"),
        ("ca:\n  page: 10.0.0.1\n", "schoolgate.yaml:2: ca.page: '10.0.0.1' may be a website's; take a name below"),
        ("ca:\n  page: 'a b.internal'\n", "schoolgate.yaml:2: ca.page: "),
        ("proxy: {head_limit: 1}", "schoolgate.yaml:1: proxy.head_limit: "),
        ("a: !!python/object:os.system x", "schoolgate.yaml:1: file: is not YAML"),
    ],
)  # fmt: skip
def test_one_mistake(text: str, said: str) -> None:
    """Place and words."""
    assert problems(text)[0].startswith(said)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "~", "proxy: {}\n"])
def test_an_empty_file_is_the_defaults(text: str) -> None:
    """Loopback only, until somebody says otherwise."""
    settings = parse_settings(text, "schoolgate.yaml")
    assert settings == Settings()
    assert {settings.proxy.host, settings.metrics.host} == {"127.0.0.1"}


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_list_of_problems(text: str) -> None:
    """Never a crash."""
    try:
        assert isinstance(parse_settings(text, "f"), Settings)
    except SettingsError as error:
        assert error.problems


def test_paths_are_read_from_where_the_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the current folder is."""
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "schoolgate.yaml"
    file.write_text(
        "data: ../var\npolicy: policy.yaml\nlists: [{name: ours, path: ours.txt}]\nproxy: {upstream_trust: [ca.pem]}\n"
    )
    monkeypatch.chdir("/")
    settings = load_settings(file)
    assert settings.data == tmp_path / "var"
    assert settings.policy_file == tmp_path / "etc" / "policy.yaml"
    assert settings.lists[0].path == tmp_path / "etc" / "ours.txt"
    assert settings.proxy.upstream_trust == (tmp_path / "etc" / "ca.pem",)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", "folder"])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | str | None) -> None:
    """Missing, not UTF-8, a folder."""
    file = tmp_path / "schoolgate.yaml"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"cannot be read"):
        load_settings(file)


def test_which_file_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named on the command line, then in the environment, then where files usually are, then none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert find_settings(None) is None or not find_settings(None).is_relative_to(tmp_path)  # type: ignore[union-attr]
    (tmp_path / "schoolgate.yaml").write_text("")
    assert find_settings(None) == Path("schoolgate.yaml")
    monkeypatch.setenv(ENVIRONMENT, "told.yaml")
    assert find_settings(None) == Path("told.yaml")
    assert find_settings(Path("named.yaml")) == Path("named.yaml")


def test_settings_never_change_in_place() -> None:
    """A reload makes new ones."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().data = Path("/elsewhere")  # type: ignore[misc]


def test_the_school_s_policy_file_wins_over_the_preset(tmp_path: Path) -> None:
    """Named, else in the data folder, else none."""
    assert Settings(data=tmp_path).policy_file is None
    (tmp_path / "policy.yaml").write_text("")
    assert Settings(data=tmp_path).policy_file == tmp_path / "policy.yaml"
    assert Settings(data=tmp_path, policy=tmp_path / "own.yaml").policy_file == tmp_path / "own.yaml"


def test_the_record_is_a_folder_unless_told_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "schoolgate.yaml"
    file.write_text("data: here\n", encoding="utf-8")
    assert load_settings(file).store == tmp_path / "here" / "store"
    file.write_text("record: {store: elsewhere/record}\n", encoding="utf-8")
    assert load_settings(file).store == tmp_path / "elsewhere" / "record"


def test_the_record_may_be_a_database(tmp_path: Path) -> None:
    file = tmp_path / "schoolgate.yaml"
    address = "postgresql://schoolgate@db.school.internal/schoolgate?sslmode=verify-full"
    file.write_text(f"record: {{store: '{address}', password_file: secret}}\n", encoding="utf-8")
    assert load_settings(file).store == Database(address, tmp_path / "secret")


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("postgress://u@h/d", "did you mean postgres://"),
        ("mysql://u@h/d", "it would be like postgresql://schoolgate@"),
        ("clickhouse://u@h/d", "holds rows only: name it in record.rows"),
        ("postgresql://u@h", "names no database"),
        ("postgresql://u:s3cret@h/d", "put it into a file and name that in record.password_file"),
        ("postgresql://u@h/d?password=s3cret", "put it into a file"),
        ("' '", "names nothing; it would be a folder"),
    ],
)
def test_a_store_that_cannot_be_is_refused_with_advice(store: str, words: str) -> None:
    """And a password that was written there is not repeated."""
    (said,) = problems(f"record:\n  store: {store}\n")
    assert said.startswith("schoolgate.yaml:2: record.store: ")
    assert words in said
    assert "s3cret" not in said


def test_a_password_file_is_of_a_database() -> None:
    (said,) = problems("record:\n  password_file: secret\n")
    assert "password_file is for a database" in said


def test_rows_may_be_in_clickhouse_and_names_in_postgresql(tmp_path: Path) -> None:
    file = tmp_path / "schoolgate.yaml"
    store, rows = "postgresql://schoolgate@db.trust.internal/schoolgate", "clickhouse://schoolgate@ch:8443/schoolgate"
    told = f"record: {{store: '{store}', rows: '{rows}', rows_password_file: secret}}\n"
    file.write_text(told, encoding="utf-8")
    settings = load_settings(file)
    assert settings.store == ClickHouse(rows, Database(store), tmp_path / "secret")
    assert settings.catalog == Database(store)
    assert isinstance(settings.store, ClickHouse)
    assert settings.store.encrypted
    assert not settings.store.in_process


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("rows: clickhouse://u@h/d", "rows needs names and books in PostgreSQL"),
        ("store: here\n  rows: clickhouse://u@h/d", "rows needs names and books in PostgreSQL"),
        ("store: postgresql://u@h/d\n  rows: postgresql://u@h/d", "rows is no ClickHouse address"),
        ("store: postgresql://u@h/d\n  rows: clickhouse://u@h", "rows names no database"),
        ("store: postgresql://u@h/d\n  rows: clickhouse://u:s3cret@h/d", "name that in record.rows_password_file"),
        ("rows_password_file: secret", "rows_password_file is for rows in ClickHouse"),
    ],
)
def test_rows_that_cannot_be_are_refused_with_advice(record: str, words: str) -> None:
    """And a password that was written there is not repeated."""
    (said,) = problems(f"record:\n  {record}\n")
    assert words in said
    assert "s3cret" not in said


def test_reading_a_file_drops_none_of_its_settings(tmp_path: Path) -> None:
    """Only paths are changed on the way from the text to the settings in force: the example a school starts from."""
    example = Path(__file__).parents[2] / "deploy" / "schoolgate.yaml"
    text = example.read_text(encoding="utf-8") + "\nca: {page: ca.oakwood.internal}\n"
    file = tmp_path / "schoolgate.yaml"
    file.write_text(text, encoding="utf-8")

    def plain(value: object) -> object:
        """A value without its paths."""
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if not isinstance(one, Path)}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value if not isinstance(one, Path)]
        return value

    loaded, written = load_settings(file), parse_settings(text, "schoolgate.yaml")
    assert loaded.ca.page == "ca.oakwood.internal"
    assert plain(loaded.model_dump()) == plain(written.model_dump())
