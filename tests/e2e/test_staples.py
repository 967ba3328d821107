"""A site whose certificate was revoked by its CA, and says so itself, as servers that staple do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from OpenSSL import SSL

from tests.rig.certificates import Authority
from tests.rig.clients import curl
from tests.rig.gateway import Gateway
from tests.rig.staples import StaplingSite, answer

pytestmark = pytest.mark.e2e
HOST = "shop.example"
VERSIONS = pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["TLS 1.2", "TLS 1.3"])


@pytest.fixture
def stapling(
    make_gateway: Callable[..., Gateway], authority: Authority
) -> Iterator[Callable[[str, int], tuple[Gateway, StaplingSite]]]:
    """A gateway whose every site staples this word to its certificate."""
    sites: list[StaplingSite] = []

    def make(word: str, version: int) -> tuple[Gateway, StaplingSite]:
        leaf = x509.load_pem_x509_certificate(authority.chain(HOST).read_bytes())
        odd = {"nothing": b"", "noise": b"not an answer"}
        said = odd[word] if word in odd else answer(authority, leaf, word)
        sites.append(StaplingSite(authority, HOST, said, version))
        return make_gateway(origin=sites[-1].address).start(), sites[-1]

    yield make
    for site in sites:
        site.stop()


@VERSIONS
def test_a_revoked_certificate_proves_nothing(
    stapling: Callable[[str, int], tuple[Gateway, StaplingSite]], version: int
) -> None:
    gateway, site = stapling("revoked", version)
    told = curl(gateway, f"https://{HOST}/page", seconds=25)
    assert (told.code, told.status) == (0, 502), told.error
    assert "origin content" not in told.text
    assert site.asked == 0, "no request may be sent to a site whose certificate was revoked"
    (row,) = gateway.wait_for_rows(1, host=HOST)
    assert (row["ending"], row["status"], row["reason"], row["error"]) == ("error", 502, "certificate", "revoked")


@pytest.mark.parametrize("word", ["good", "noise", "nothing"])
@VERSIONS
def test_every_other_word_lets_the_site_through(
    stapling: Callable[[str, int], tuple[Gateway, StaplingSite]], version: int, word: str
) -> None:
    gateway, _ = stapling(word, version)
    told = curl(gateway, f"https://{HOST}/page", seconds=25)
    assert (told.status, told.text) == (200, "origin content"), told.error
