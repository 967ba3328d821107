"""No page of the console shuts anybody out, as axe finds it: every page of every role but ICT services (`test_axe`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from console.roles import Role
from tests.browser.axe import patient, visit_as
from tests.browser.desk import Desk, open_desk
from tests.console.conftest import prepared  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def desk(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: F811
    """A console with a school's day in it."""
    with open_desk(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("desk") / "data"))) as desk:
        yield desk


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser that reaches this machine only."""
    with patient(tmp_path_factory.mktemp("home")) as browser:
        yield browser


@pytest.mark.parametrize("role", [role for role in Role if role not in {Role.READER, Role.ICT}], ids=str)
def test_every_page_of_every_role(desk: Desk, browser: Chrome, role: Role) -> None:
    assert visit_as(desk, browser, role) == {}
