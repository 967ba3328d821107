"""The page that hands out the certificate devices must trust, and its files. Pure.

What it gives is public. It names the fingerprint, because what comes over plain HTTP must be compared with what the
school office has on paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from addons.pageevidence import Surroundings
from addons.pages import STYLE, TEMPLATES_BY_NAME, Page, page_policy


@dataclass(frozen=True, slots=True)
class Device:
    """One kind of device, and the file it wants."""

    title: str
    """As people call it."""
    steps: str
    """What to do with the file, in a sentence or two."""
    file: str
    """Name it is saved under."""
    media: str
    """Media type by which the device knows what it is."""
    data: bytes
    """What stands in it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, for every kind of device."""

    fingerprint: str
    """SHA-256, as devices show it."""
    until: datetime
    """When it ends; aware."""
    devices: Mapping[str, Device]
    """The files, by the last part of their address."""


@dataclass(frozen=True, slots=True)
class Handout:
    """What is handed out where."""

    host: str = ""
    """The reserved name, canonical; empty hands nothing out."""
    certificates: Callable[[], Mapping[str, Certificate]] = dict
    """By the part of the address that tells them apart: `` the one in force, `next` the one that will be."""


def page(certificates: Mapping[str, Certificate], around: Surroundings) -> Page:
    """The page with every file. Pure."""
    text = TEMPLATES_BY_NAME.get_template("handout.html").render(
        certificates=[
            (which, certificate.fingerprint, f"{certificate.until:%-d %B %Y}", list(certificate.devices.items()))
            for which, certificate in certificates.items()
        ],
        school=around.school,
        contact=around.contact,
        style=Markup(STYLE),  # noqa: S704 - ours
    )
    headers = (
        *_ALWAYS,
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", "en-GB"),
        ("Content-Security-Policy", page_policy(framed=False, offered=False)),
        ("X-Frame-Options", "DENY"),
    )
    return Page(200, headers, text.encode())


_ALWAYS = (("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"))


def file(device: Device) -> Page:
    """One file, to be saved. Pure."""
    headers = (
        *_ALWAYS,
        ("Content-Type", device.media),
        ("Content-Disposition", f'attachment; filename="{device.file}"'),
    )
    return Page(200, headers, device.data)
