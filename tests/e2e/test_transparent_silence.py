"""A device that knows of no proxy, and waits for a site that says nothing, gets our page.

Shows: `addons.silence`, `addons.transparent`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rig.certificates import Authority
from tests.rig.namespaces import SITE, SchoolNetwork
from tests.rig.transparent import LESSONS, School, gateway_in, load, websites

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[School]:
    """A school whose gateway waits no longer than a test can."""
    network = SchoolNetwork().make()
    gateway = gateway_in(
        network, tmp_path_factory.mktemp("transparent"), authority, {"proxy": {"idle_timeout": 5, "workers": 1}}
    )
    try:
        load(network)
        for site in websites(network, authority, SITE):
            yield School(network, gateway.start(), site, site)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        network.remove()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_silent_site_gets_our_page(school: School, scheme: str) -> None:
    """In the words of the school it is in; and the row says whose silence it was."""
    answer = school.fetch(f"{scheme}://{LESSONS}", "/hang")
    assert (answer.status, "Oakwood Primary" in answer.text) == (504, True)
    (row,) = school.gateway.wait_for_rows(1, path="/hang", scheme=scheme)
    assert (row["ending"], row["error"], row["host"]) == ("error", "no answer", LESSONS)
