"""What was accepted stays in force, whatever happens to the files afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.stored import current_mark
from policy.rules import PolicyErrors
from proxy import assembly, inforce
from proxy.settings import IdentitySettings, ListSettings, PlaceSettings, ProxySettings, Settings, load_settings
from proxy.trust import TrustError

GOOD = """
schoolgate: 1
trust: Test Trust
timezone: Europe/London
policies:
  - tier: default
    rules: [{{rule: {0}, action: block}}]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A data folder with a policy."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "policy.yaml").write_text(GOOD.format("first"))
    return Settings(data=data)


def rules(settings: Settings) -> list[str]:
    """The rules of the engine in force that a file wrote."""
    return [row.name for row in inforce.open_engine(settings).policy.rules if row.name in ("first", "second")]


def test_a_policy_that_is_broken_later_stays_in_force(settings: Settings) -> None:
    """A worker that starts again reads what was accepted, not what is being edited."""
    inforce.accept(settings)
    (settings.data / "policy.yaml").write_text("half an edi")
    assert rules(settings) == ["first"]
    with pytest.raises(PolicyErrors):
        inforce.accept(settings)
    assert rules(settings) == ["first"]


def test_what_was_checked_is_what_is_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is saved again between the check and the keeping: the unchecked text must not get in force."""
    file = settings.data / "policy.yaml"
    real = assembly.open_index

    def meanwhile(told: Settings) -> Any:
        index = real(told)
        file.write_text("half an edi")
        return index

    monkeypatch.setattr(assembly, "open_index", meanwhile)
    inforce.accept(settings)
    assert rules(settings) == ["first"]


def test_a_new_policy_replaces_it_whole(settings: Settings) -> None:
    """By rename; nothing half written lies beside it; nobody else may read it."""
    inforce.accept(settings)
    (settings.data / "policy.yaml").write_text(GOOD.format("second"))
    inforce.accept(settings)
    assert rules(settings) == ["second"]
    assert not list((settings.data / "run").glob("*.new"))


def test_a_swap_of_lists_reads_the_policy_only_when_it_means_something_else(settings: Settings) -> None:
    """The same text is the same policy; another text, or lists with another category, and it is read again."""
    inforce.accept(settings)
    first = inforce.open_parts(settings).policy
    own = settings.data / "own.txt"
    own.write_text("games.example\n")
    settings = settings.model_copy(update={"lists": (ListSettings(name="own", path=own, category="games"),)})
    inforce.accept(settings)
    assert inforce.open_parts(settings).policy is first
    settings = settings.model_copy(update={"lists": (ListSettings(name="own", path=own, category="our-own"),)})
    inforce.accept(settings)
    assert inforce.open_parts(settings).policy is not first
    (settings.data / "policy.yaml").write_text(GOOD.format("second"))
    inforce.accept(settings)
    assert rules(settings) == ["second"]


def test_what_was_verified_is_what_is_in_force(settings: Settings) -> None:
    """The mark goes to the workers, so it must be that of the lists the engine was built from."""
    inforce.accept(settings)
    engine, mark = inforce.open_verified(settings)
    assert mark == current_mark(assembly.lists_folder(settings))
    assert engine.revision == inforce.open_engine(settings).revision == inforce.open_engine(settings, mark).revision


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_trust_file_that_cannot_be_used_is_refused_before_anything_listens(
    settings: Settings, tmp_path: Path, content: bytes | None
) -> None:
    """Not by each worker in turn."""
    file = tmp_path / "school-ca.pem"
    if content is not None:
        file.write_bytes(content)
    told = settings.model_copy(update={"proxy": ProxySettings(upstream_trust=(file,))})
    with pytest.raises(TrustError, match=r"proxy.upstream_trust: .*school-ca.pem"):
        inforce.accept(told)


def test_settings_come_back_as_they_were_accepted(tmp_path: Path) -> None:
    """Every section, every type; from a file anybody may break without harm."""
    settings = Settings(
        data=tmp_path / "data",
        policy=tmp_path / "policy.yaml",
        contact='ICT "support", extension 204: ask 🙂',
        proxy=ProxySettings(hosts={"*": "127.0.0.1:9"}, upstream_trust=(tmp_path / "ca.pem",), connect_timeout=2.5),
        identity=IdentitySettings(places=(PlaceSettings(network="10.4.0.0/16", site="oakwood", band="ks2"),)),
    )
    file = inforce.keep_settings(settings)
    assert load_settings(file) == settings


@given(contact=st.text(max_size=200), realm=st.text(max_size=50))
def test_any_words_survive(tmp_path_factory: pytest.TempPathFactory, contact: str, realm: str) -> None:
    """Whatever a school writes on its pages."""
    data = tmp_path_factory.mktemp("data")
    settings = Settings(data=data, contact=contact, identity=IdentitySettings(realm=realm))
    assert load_settings(inforce.keep_settings(settings)) == settings
