"""The backend that Django loads for `ENGINE`: its own, but for how a connection is opened."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import psycopg
from django.db.backends.postgresql import base

from orchestration.lines import PatientConnection


class _Driver(ModuleType):
    """psycopg, whose connections wait as long as this process has patience."""

    connect = PatientConnection.connect

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection as Django knows it. Those of a pool have the class that the pool names."""

    Database = _Driver(psycopg.__name__)
