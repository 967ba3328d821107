"""A real PostgreSQL gone for a while: `python -m benchmarks.outage --minutes 10`.

Two workers record as fast as they may, a shipper ships, the server is stopped for that long, a worker is killed
meanwhile; then the server comes back and everything drains. Every row is compared with what the workers were told is
recorded: lost 0, doubled 0, or it exits with 1. It is the test of that name (`tests/logstore/postgres/test_lost.py`),
which in a test run is away for seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from benchmarks.targets import machine

TEST = "tests/logstore/postgres/test_lost.py::test_the_server_is_gone_for_a_while"


def main() -> int:
    """Run it, and show what it counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.2, help="how long the server is away; the requirement: 10")
    minutes = parser.parse_args().minutes
    print(f"PostgreSQL is away for {minutes:g} minutes; {machine()}", flush=True)
    away = os.environ | {"SCHOOLGATE_AWAY_SECONDS": str(minutes * 60)}
    run = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", TEST]
    told = subprocess.run(run, env=away, capture_output=True, text=True, check=False)
    counted = [line.lstrip(".") for line in told.stdout.splitlines() if "acknowledged, " in line]
    if not counted and told.returncode == 0 and " skipped" in told.stdout:
        print("NOT MEASURED: there is no PostgreSQL server here")
        return 0
    print("\n".join(counted) or "nothing was counted")
    if told.returncode or not counted or ", lost 0, doubled 0, " not in counted[-1]:
        print(told.stdout[-3000:], file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
