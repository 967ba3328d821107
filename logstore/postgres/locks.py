"""The advisory locks of the record in PostgreSQL: every number that is taken, and in which order they are.

Nothing comes in; numbers go out. The rule: whoever needs two takes them in the order they stand here, so that nobody
waits in a circle. The migration of `log` has `DAYS` written out, because migrations never change.
"""

from __future__ import annotations

RETENTION = 7_265_004
"""Whoever removes old rows."""
HOLDS = 7_265_005
"""Whoever changes a hold and its line in the audit trail."""
CATALOG = 7_265_001
"""Whoever changes the catalog: the counterpart of `BEGIN IMMEDIATE`."""
ROWS = 7_265_002
"""The rows: shared by batches on their way in, held alone by retention while it announces what goes."""
DAYS = 7_265_003
"""Whoever makes a day's partition (`make_log_day`)."""

ROLLING = 7_265_006
"""Whoever sums an hour or a day of roll-ups, and whoever removes some. Taken alone."""
ROUND = 7_265_007
"""Whoever makes roll-ups: a gateway that does not get it leaves that to the one that has. Taken before `ROLLING`."""

DRILL = 7_265_008
"""Whoever practises a restore, and whoever removes what a killed drill left. Held by a connection of its own."""

CHAIN = 7_265_100
"""With a gateway's number behind it: whoever adds to that gateway's chains. Taken after `ROWS`."""
CHECK = 7_265_101
"""With a day behind it (20261121): whoever checks that day; another one goes on to the next."""
