"""What the service's log says of jobs whose database refuses them: the kind of error, and nobody's name (design §5.9).

Shows: `proxy.partitionjob`, `logstore.rollupjob`, `logstore.shipper`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from logstore.ids import RecordIds
from logstore.place import Database
from logstore.rollupjob import RollupJob
from logstore.shipper import Shipper
from logstore.spool import SpoolLimits, SpoolWriter
from logstore.store import open_store
from proxy.faults import Discreet
from proxy.partitionjob import PartitionJob
from proxy.settings import load_settings
from tests.logstore.rows import batch, ended, request
from tests.rig.postgres import Postgres

PUPIL = "pupil-0417"
QUOTES = f"""
CREATE TABLE known (name text UNIQUE);
INSERT INTO known VALUES ('{PUPIL}');
CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO known VALUES ('{PUPIL}'); RETURN NULL; END $$;
CREATE FUNCTION fails_to_make() RETURNS event_trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO known VALUES ('{PUPIL}'); END $$;
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT schemaname, tablename FROM pg_tables
               WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'known' LOOP
        EXECUTE format('CREATE TRIGGER fails BEFORE INSERT OR UPDATE OR DELETE ON %I.%I EXECUTE FUNCTION fails()',
                       one.schemaname, one.tablename);
    END LOOP;
END $$;
CREATE EVENT TRIGGER fails ON ddl_command_start EXECUTE FUNCTION fails_to_make();
"""
"""From now on every write fails as a unique violation does, whose words quote the key."""


def partitions(database: Database, folder: Path) -> str:
    """A round of the job that makes partitions ahead."""
    file = folder / "schoolgate.yaml"
    file.write_text(yaml.safe_dump({"data": str(folder), "record": {"store": database.address}}), encoding="utf-8")
    later = datetime.now(UTC) + timedelta(days=60)
    assert PartitionJob(load_settings(file), threading.Event()).round(later) is False
    return ""


def rollups(database: Database, folder: Path) -> str:
    """A round of the job that sums."""
    error = RollupJob(database, folder / "rollups.json", threading.Event()).round().error
    assert error
    return error


def shipping(database: Database, folder: Path) -> str:
    """A look of the shipper."""
    spool = folder / "spool"
    writer = SpoolWriter(spool, "w0", limits=SpoolLimits(ballast_bytes=0))
    try:
        writer.write(request(RecordIds(0).next(), user=PUPIL), ended())
        writer.flush()
        shipper = Shipper(spool, lambda: open_store(database))
        shipper.drain()
        error = shipper.status().error
        assert error
        return error
    finally:
        writer.shut()


@pytest.mark.parametrize("job", [partitions, rollups, shipping])
def test_a_job_the_database_refuses_names_nobody(
    postgres: Postgres,
    database: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    job: Callable[[Database, Path], str],
) -> None:
    """Its log text has the kind and the number of the error, on which a technician can act; so has its status."""
    with open_store(database) as store:
        store.append(batch(40))
    with postgres.connect(str(database.url.database)) as connection:
        connection.execute(QUOTES)
    with caplog.at_level(logging.WARNING):
        status = job(database, tmp_path)
    texts = [Discreet("%(message)s").format(record) for record in caplog.records]
    assert any("UniqueViolation (23505, table known, constraint known_name_key)" in text for text in texts), texts
    assert PUPIL not in "\n".join([status, *texts])
