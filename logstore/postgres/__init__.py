"""The record in PostgreSQL: what differs from SQLite, and nothing else.

Filters, statements, dimensions and the audit trail are those of `logstore`; here are connections, the writer's COPY,
day partitions and roles.
"""
