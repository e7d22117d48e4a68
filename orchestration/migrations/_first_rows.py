"""What the first migration does besides making tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

# Compared byte by byte: they are ids and paths, and a language's order would make every look into an index dearer.
BYTEWISE = {
    "podium_execution": ["id", "parent_id", "root_id"],
    "podium_journalentry": ["execution_id"],
    "podium_steprunrow": ["execution_id", "path"],
    "podium_inboxitem": ["execution_id"],
    "podium_listening": ["execution_id", "topic"],
}


def make_default_team(apps: Any, schema_editor: Any) -> None:
    """Insert the team that everything belongs to until there are more."""
    apps.get_model("orchestration", "Team").objects.get_or_create(
        slug="default", defaults={"name": "Default", "created_at": datetime(2025, 1, 1, tzinfo=UTC)}
    )


def compare_bytewise(apps: Any, schema_editor: Any) -> None:
    """Give ids and paths the collation C where the database has one."""
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        for table, columns in BYTEWISE.items():
            for column in columns:
                cursor.execute(
                    "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                    " WHERE attrelid = %s::regclass AND attname = %s",
                    [table, column],
                )
                (kind,) = cursor.fetchone()
                cursor.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} COLLATE "C"')
