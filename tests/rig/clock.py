"""A gateway's clock that a test moves: libfaketime under the process, its offset in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass
class Clock:
    """The gateway's clock: so far away from ours, going at the same pace."""

    file: Path
    library: Path

    def set(self, at: datetime) -> None:
        """From now on it is `at` for the gateway."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{math.ceil((at - datetime.now(UTC)).total_seconds()):+d}\n")
        fresh.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What puts a process under this clock. Timeouts go on as they are: the monotonic clock is not moved."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
