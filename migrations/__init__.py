"""The schema's history: one Alembic tree for the catalog, one for the day files."""
