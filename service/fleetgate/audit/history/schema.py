"""The tables, and how older ones become them.

Times are microseconds since 1970, identities 16 bytes of SHA-256. Columns beside ``content`` repeat what is asked or
sorted by; what is shown comes from ``content``, an encoded message.
"""

from __future__ import annotations

from fleetgate.audit.history.database import Connection, Database, HistoryFailed

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A session is the time of one writer: a process from when it took the lock.
        """CREATE TABLE audit_sessions (
            number BIGINT PRIMARY KEY,
            started_at BIGINT NOT NULL,
            looked_at BIGINT NOT NULL
        )""",
        # What is violated. `session` is the one that last saw it.
        """CREATE TABLE audit_violations (
            id {bytes} PRIMARY KEY,
            session BIGINT NOT NULL,
            first_seen BIGINT NOT NULL,
            cluster {text} NOT NULL,
            scope {text} NOT NULL,
            constraint_kind {text} NOT NULL,
            constraint_name {text} NOT NULL,
            object_group {text} NOT NULL,
            object_version {text} NOT NULL,
            object_kind {text} NOT NULL,
            namespace {text} NOT NULL,
            name {text} NOT NULL,
            message {bytes} NOT NULL,
            action {text} NOT NULL,
            content {bytes} NOT NULL
        )""",
        """CREATE INDEX audit_violations_of_constraints
            ON audit_violations (constraint_kind, constraint_name, scope, cluster)""",
        """CREATE TABLE audit_changes (
            number BIGINT PRIMARY KEY,
            at BIGINT NOT NULL,
            cluster {text} NOT NULL,
            constraint_kind {text} NOT NULL,
            constraint_name {text} NOT NULL,
            object_group {text} NOT NULL,
            kind {text} NOT NULL,
            resource {text} NOT NULL,
            namespace {text} NOT NULL,
            content {bytes} NOT NULL
        )""",
        "CREATE INDEX audit_changes_at ON audit_changes (at)",
        """CREATE TABLE audit_runs (
            number BIGINT PRIMARY KEY,
            started_at BIGINT NOT NULL,
            content {bytes} NOT NULL
        )""",
        "CREATE INDEX audit_runs_started_at ON audit_runs (started_at)",
    ),
)
"""Each brings the tables from the version before to the next; version n is that of the first n."""


def migrate(connection: Connection, database: Database) -> None:
    """Bring the tables up to date; the caller holds the writer's lock. Raises HistoryFailed for those of a later
    fleetgate."""
    with connection.transaction():
        connection.execute("CREATE TABLE IF NOT EXISTS audit_history (version BIGINT NOT NULL)")
        found = connection.rows("SELECT version FROM audit_history")
        version = found[0][0] if found else 0
        if version > len(MIGRATIONS):
            raise HistoryFailed(
                f"history: its version {version} is later than {len(MIGRATIONS)}, the last that this fleetgate knows"
            )
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement.format(**database.words))
        connection.execute("DELETE FROM audit_history")
        connection.execute("INSERT INTO audit_history (version) VALUES (?)", (len(MIGRATIONS),))
