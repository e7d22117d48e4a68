"""The filter of the executions list, as it stands in the address: every view of the list is a link."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.words.states import EXECUTION_STATES
from orchestration.engine.queries import ExecutionSummary

WITHIN = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
TEXT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a list shows; `cursor` where in it the page begins. Unknown values are left out."""

    status: tuple[str, ...] = ()
    workflow: str = ""
    within: str = ""
    cursor: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> ExecutionFilter:
        """Read the filter of an address."""
        given = set(query.getlist("status"))
        within = query.get("within", "")
        return cls(
            status=tuple(status for status in EXECUTION_STATES if status in given),
            workflow=query.get("workflow", "")[:TEXT_LENGTH],
            within=within if within in WITHIN else "",
            cursor=query.get("cursor", "")[:TEXT_LENGTH],
        )

    @classmethod
    def from_text(cls, text: str) -> ExecutionFilter:
        """Read the filter from the query part of an address, as a page's socket hands it back."""
        return cls.from_query(QueryDict(text[:2_000]))

    @property
    def active(self) -> bool:
        """Say whether anything is filtered out."""
        return bool(self.status or self.workflow or self.within)

    @property
    def query(self) -> str:
        """Return the query part of the address, without a question mark."""
        pairs = [("status", status) for status in self.status]
        pairs += [("workflow", self.workflow), ("within", self.within), ("cursor", self.cursor)]
        return urlencode([(name, value) for name, value in pairs if value])

    def with_status(self, status: Iterable[str]) -> ExecutionFilter:
        """Return the same filter for other states, from the beginning."""
        return replace(self, status=tuple(status), cursor="")

    def at(self, cursor: str) -> ExecutionFilter:
        """Return the same filter, beginning at `cursor`."""
        return replace(self, cursor=cursor)

    def since(self, now: datetime) -> datetime | None:
        """Return the instant from which on executions are shown."""
        return now - WITHIN[self.within] if self.within else None

    def arguments(self, now: datetime) -> dict[str, Any]:
        """Return the arguments of `queries.list_executions`."""
        return {
            "status": self.status,
            "workflow": self.workflow or None,
            "since": self.since(now),
            "cursor": self.cursor or None,
        }

    def accepts(self, summary: ExecutionSummary) -> bool:
        """Say whether an execution that just changed belongs into the list."""
        if self.status and summary.status not in self.status:
            return False
        return not self.workflow or summary.workflow == self.workflow
