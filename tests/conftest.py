"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real third-party lists; skips, saying so, when it is not beside the clone."""
    folder = Path(os.environ.get("SCHOOLGATE_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "ut1").is_dir():
        pytest.skip(f"real lists are not at {folder}; set SCHOOLGATE_REAL_DATA to test against them")
    return folder
