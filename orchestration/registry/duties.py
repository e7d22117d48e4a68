"""What the registry's background duties know of themselves, in rows that every process sees.

A duty that finds too much wrong at once distrusts itself: it changes nothing, and says so here, in the API, on the
pages and in the log, until that is over.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from .models import RegistryDuty

log = structlog.get_logger(__name__)

EXPIRY = "expiry"
PROBES = "probes"
DETAIL_LENGTH = 200


def of_team(name: str, team_id: int) -> str:
    """Return the name of a duty's row for one team."""
    return f"{name}:{team_id}"


def distrust(name: str, detail: str, *, now: datetime, team_id: int | None = None) -> None:
    """Write down that the duty does not trust what it sees, and why; since when stays what it was.

    `team_id` is the team that alone it is about, where `name` is `of_team`.
    """
    defaults = {"since": now, "looked_at": now, "team_id": team_id}
    row, _ = RegistryDuty.objects.get_or_create(name=name, defaults=defaults)
    if row.distrusted_since is None:
        log.error("the registry distrusts itself", duty=name, detail=detail)
    RegistryDuty.objects.filter(name=name, distrusted_since__isnull=True).update(distrusted_since=now)
    RegistryDuty.objects.filter(name=name).exclude(detail=detail).update(detail=detail[:DETAIL_LENGTH])


def trust(name: str) -> bool:
    """Write down that the duty trusts what it sees; return whether that is news."""
    ended = RegistryDuty.objects.filter(name=name, distrusted_since__isnull=False)
    if not ended.update(distrusted_since=None, detail=""):
        return False
    log.warning("the registry trusts itself again", duty=name)
    return True


def distrusts(name: str) -> bool:
    """Say whether the duty does not trust what it sees just now."""
    return RegistryDuty.objects.filter(name=name, distrusted_since__isnull=False).exists()
