"""The firewall rules that are shipped can be loaded, say what the page says, and leave other tables alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY
from tests.rig.namespaces import SchoolNetwork

RULES = REPOSITORY / "deploy" / "nftables" / "schoolgate.nft"
PAGE = REPOSITORY / "docs" / "transparent.md"


@pytest.fixture
def network() -> Iterator[SchoolNetwork]:
    network = SchoolNetwork().make()
    yield network
    network.remove()


def tables(network: SchoolNetwork) -> set[str]:
    told = json.loads(network.run(network.gateway, network.nft, "--json", "list", "tables").stdout)
    return {one["table"]["name"] for one in told["nftables"] if "table" in one}


def test_the_rules_load_twice_and_stay_one_table(network: SchoolNetwork) -> None:
    """As they are, and with several interfaces; loaded again they replace themselves and nothing else."""
    network.run(network.gateway, network.nft, "add", "table", "inet", "school")
    one = RULES.read_text()
    several = one.replace('define pupils = "vlan20"', 'define pupils = { "vlan20", "vlan30" }')
    for rules in (one, several):
        for words in (["--check"], []):
            network.run(network.gateway, network.nft, *words, "--file", "-", text=rules)
        assert tables(network) == {"school", "schoolgate"}
    listed = network.run(network.gateway, network.nft, "list", "table", "inet", "schoolgate").stdout
    assert listed.count("redirect to :8090") == 1
    assert "vlan30" in listed


def test_rules_and_page_name_one_port() -> None:
    assert "define transparent = 8090" in RULES.read_text()
    assert 'transparent: [":8090"]' in PAGE.read_text()
