"""`schoolgate log search --text`: rows as they are found, and how far the search is.

In come arguments and the filter; rows go to stdout, the progress to stderr when that is a terminal. Ctrl-C ends it with
what was found so far.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from logstore.filter import LogFilter
from logstore.rows import Row
from logstore.textjob import Progress, TextJob
from proxy.logsearch import look, print_rows, sentence
from proxy.settings import Settings

BACK = timedelta(days=7)
"""How far back is looked when nobody says."""


def search_text(args: argparse.Namespace, settings: Settings, wanted: LogFilter, zone: tzinfo, now: datetime) -> int:
    """Print rows whose URL has the text; 0 when there are any, 1 when there are none, 130 when it was interrupted."""
    if wanted.since is None:
        wanted = dataclasses.replace(wanted, since=now - BACK)
    job = TextJob(settings.store, wanted)
    look(args, settings, wanted, None, now)
    told: list[Progress] = []
    with _called_off_by_ctrl_c(job):
        print(f"log: {sentence(wanted, now, zone)}; Ctrl-C ends it", file=sys.stderr)
        status = print_rows(args, _rows(job, None if args.all else args.limit, told), zone, now)
    last = told[-1] if told else Progress(0, 0, 0, 0)
    words = "interrupted" if job.cancelled else "everything read" if last.days_done == last.days else "page full"
    print(
        f"log: {words}: {last.found} rows found, about {last.rows_read:,} read, {last.days_done} of {last.days} days",
        file=sys.stderr,
    )
    return 130 if job.cancelled else status


def _rows(job: TextJob, limit: int | None, told: list[Progress]) -> Iterator[Row]:
    """The job's rows, each slice shown when it is read."""
    given = 0
    for found in job.run():
        told[:] = [found.progress]
        for row in found.rows:
            if limit is not None and given >= limit:
                return
            yield row
            given += 1
        sys.stdout.flush()
        if sys.stderr.isatty():
            at = found.progress
            said = (
                f"log: day {min(at.days_done + 1, at.days)} of {at.days}, {at.rows_read:,} rows read, {at.found} found"
            )
            sys.stderr.write(f"\r{said}\033[K" + ("\r\033[K" if at.days_done == at.days else ""))
            sys.stderr.flush()


@contextlib.contextmanager
def _called_off_by_ctrl_c(job: TextJob) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: job.cancel())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
