"""The page that hands out the certificate, and its files. The way there: `tests/addons/test_handoutdesk.py`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from addons.handout import Certificate, Device, file, page
from addons.pageevidence import Surroundings

UNTIL = datetime(2031, 11, 21, 9, 0, tzinfo=UTC)
PHONE = Device("Phone", "Open it & trust it.", "filter.crt", "application/x-x509-ca-cert", b"\x30\x82")
AROUND = Surroundings(school="Hillview <Academy>", contact="office@hillview.example")


@pytest.mark.parametrize(
    ("certificates", "links"),
    [
        ({"": Certificate("AA:BB", UNTIL, {"phone": PHONE})}, ["/phone"]),
        (
            {
                "": Certificate("AA:BB", UNTIL, {"phone": PHONE}),
                "next": Certificate("CC:DD", UNTIL, {"phone": PHONE}),
            },
            ["/phone", "/next/phone"],
        ),
    ],
    ids=["one in force", "the next one waits"],
)
def test_the_page_names_every_fingerprint_and_links_every_file(
    certificates: dict[str, Certificate], links: list[str]
) -> None:
    """People compare the one with paper; a device opens the other."""
    shown = page(certificates, AROUND)
    text = shown.body.decode()
    assert shown.status == 200
    assert re.findall(r'<a href="([^"]+)"', text) == links
    assert all(certificate.fingerprint in text for certificate in certificates.values())
    assert "21 November 2031" in text
    assert "Hillview &lt;Academy&gt;" in text
    assert "Open it &amp; trust it." in text
    assert ("The next certificate" in text) is ("next" in certificates)


def test_a_file_is_saved_under_its_name_and_known_by_its_type() -> None:
    """A device decides by both what it does with it."""
    told = file(PHONE)
    headers = dict(told.headers)
    assert told.body == PHONE.data
    assert headers["Content-Type"] == PHONE.media
    assert headers["Content-Disposition"] == 'attachment; filename="filter.crt"'
