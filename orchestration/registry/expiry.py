"""Instances that fell silent: first inactive, then taken out, and neither while the registry distrusts what it hears.

The decision is the domain's (domain/expiry.py). This looks every `expiry_seconds`, and takes out what is to be taken
out at the first look of every `registry.cleanup_interval` (a live setting), one process at a time: the row of the duty
says when it was looked at last, and whoever moves that looks. It also says since when there is somebody who listens:
that begins anew when a process that hears heartbeats, or a supervisor, starts, when nobody has looked for
`AWAY_SECONDS`, and when a doubt is over; for two windows after that nobody's time is up. A doubt about one team alone
stands in a row of that team, and holds up nobody else.

A change is written only where the instance has not been heard since it was judged. A crash loses nothing: the next look
judges anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from orchestration import clock
from orchestration.configuration.queries import whole
from orchestration.domain.expiry import Verdict, Watched, judge_owners
from orchestration.domain.lifecycle import INACTIVE, INSTANCE
from orchestration.domain.limits import MICROSECONDS
from orchestration.domain.live_settings import CLEANUP_INTERVAL

from . import duties, events
from .models import Instance, RegistryDuty
from .policies import policy_of

log = structlog.get_logger(__name__)

AWAY_SECONDS = 60.0
PORTION = 500
SILENT = "silent"


def is_due(*, now: datetime) -> bool:
    """Say whether it is time to look again."""
    looked = RegistryDuty.objects.filter(name=duties.EXPIRY).values_list("looked_at", flat=True).first()
    return looked is None or now - looked >= timedelta(seconds=settings.PODIUM.expiry_seconds)


def note_restart(*, now: datetime) -> None:
    """Write down that somebody has begun to listen anew: what was not heard before proves nothing."""
    defaults = {"since": now, "looked_at": now - timedelta(seconds=settings.PODIUM.expiry_seconds)}
    _, created = RegistryDuty.objects.get_or_create(name=duties.EXPIRY, defaults=defaults)
    if not created:
        RegistryDuty.objects.filter(name=duties.EXPIRY, since__lt=now).update(since=now)


def run_due(*, now: datetime) -> dict[str, int]:
    """Look, if it is time and nobody else does; return how many became inactive and how many were taken out."""
    turn = _take_turn(now)
    if turn is None:
        return {}
    since, before = turn
    return look(now=now, since=since, clean=_round(now) != _round(before))


def _round(instant: datetime) -> int:
    """Return which round of cleaning up an instant lies in: a look that is the first of its round cleans up."""
    return clock.to_us(instant) // whole(CLEANUP_INTERVAL)


def look(*, now: datetime, since: datetime, clean: bool = True) -> dict[str, int]:
    """Judge everybody who sends heartbeats, by who has listened since `since`, and write down whose time is over.

    Only with `clean` anybody is taken out.
    """
    by_team = watched()
    begun = _begun(by_team, since)
    judged = judge_owners(by_team, now=clock.to_us(now), since=begun, least=settings.PODIUM.expiry_doubt_least)
    if judged.doubt:
        detail = f"{judged.late} of {judged.of} instances are silent at once; none of them loses its place for it"
        duties.distrust(duties.EXPIRY, detail, now=now)
        return {"silent": 0, "gone": 0}
    if duties.trust(duties.EXPIRY):
        # Those that are not back yet have the time that they would have after a restart.
        note_restart(now=now)
        return {"silent": 0, "gone": 0}
    trusted = [each for team_id, each in judged.verdicts.items() if _is_trusted(team_id, each, now)]
    silent = tuple(each for verdict in trusted for each in verdict.silent)
    gone = tuple(each for verdict in trusted for each in verdict.gone) if clean else ()
    return _carry_out(Verdict(silent, gone), now)


def _begun(teams: Iterable[int], since: datetime) -> dict[int, int]:
    """Return since when each team has been listened to: as all are, or since a doubt about it alone was over."""
    rows = RegistryDuty.objects.filter(team__isnull=False, name__startswith=f"{duties.EXPIRY}:", since__gt=since)
    own = dict(rows.values_list("team_id", "since"))
    return {team_id: clock.to_us(own.get(team_id, since)) for team_id in teams}


def _is_trusted(team_id: int, verdict: Verdict, now: datetime) -> bool:
    """Say whether what is seen of a team is trusted, and write down what changed about that."""
    name = duties.of_team(duties.EXPIRY, team_id)
    if verdict.doubt:
        detail = f"{verdict.late} of the team's {verdict.of} instances are silent at once; none loses its place for it"
        duties.distrust(name, detail, now=now, team_id=team_id)
        return False
    if duties.trust(name):
        RegistryDuty.objects.filter(name=name).update(since=now)
        return False
    return True


def watched() -> dict[int, list[Watched]]:
    """Return all instances that send heartbeats, of their own accord or because their service's policy asks for it.

    They come by their teams' ids.
    """
    asked = Q(ttl__isnull=False) | Q(service__policy__heartbeat__ttl__isnull=False)
    rows = Instance.objects.filter(asked).values_list(
        "pk", "status", "last_seen_at", "ttl", "inactive_at", "service__policy", "service__team_id"
    )
    found: dict[int, list[Watched]] = defaultdict(list)
    for key, status, seen, ttl, inactive, policy, team_id in rows.iterator(chunk_size=2_000):
        rules = policy_of(policy).heartbeat
        window = rules.ttl if ttl is None else round(ttl * MICROSECONDS)
        if window is not None:
            since = None if inactive is None else clock.to_us(inactive)
            each = Watched(str(key), status, clock.to_us(seen), window, rules.deregister_after, since)
            found[team_id].append(each)
    return found


def _take_turn(now: datetime) -> tuple[datetime, datetime] | None:
    """Return since when somebody has listened and when it was looked last, if it is this process's turn, else None."""
    row = RegistryDuty.objects.filter(name=duties.EXPIRY).first()
    if row is None:
        note_restart(now=now)
        row = RegistryDuty.objects.get(name=duties.EXPIRY)
    if now - row.looked_at < timedelta(seconds=settings.PODIUM.expiry_seconds):
        return None
    if not RegistryDuty.objects.filter(name=duties.EXPIRY, looked_at=row.looked_at).update(looked_at=now):
        return None
    if now - row.looked_at > timedelta(seconds=AWAY_SECONDS):
        log.info("nobody has looked for silent instances for a while", since=row.looked_at.isoformat())
        note_restart(now=now)
        return now, row.looked_at
    return row.since, row.looked_at


def _carry_out(verdict: Verdict, now: datetime) -> dict[str, int]:
    done = {"silent": 0, "gone": 0}
    for at in range(0, len(verdict.silent), PORTION):
        done["silent"] += _set_inactive(verdict.silent[at : at + PORTION], now)
    for at in range(0, len(verdict.gone), PORTION):
        done["gone"] += _take_out(verdict.gone[at : at + PORTION], now)
    return done


def _set_inactive(silent: Sequence[Watched], now: datetime) -> int:
    judged = {each.id: each for each in silent}
    changes = []
    with transaction.atomic():
        for row in _locked(judged):
            each = judged[str(row.pk)]
            if row.status == INACTIVE or clock.to_us(row.last_seen_at) != each.seen:
                continue
            row.status, row.inactive_at = INSTANCE.next_state(each.id, row.status, "fell silent"), now
            changes.append(events.change_of(row, events.UPDATED, changed=["status"], reason=SILENT))
            log.warning("instance fell silent", service=row.service.name, instance=each.id)
        ids = [each.instance_id for each in changes if each.instance_id is not None]
        Instance.objects.filter(pk__in=ids).update(status=INACTIVE, inactive_at=now)
        if changes:
            events.append(changes, now=now)
    return len(changes)


def _take_out(gone: Sequence[Watched], now: datetime) -> int:
    judged = {each.id: each for each in gone}
    changes = []
    with transaction.atomic():
        for row in _locked(judged):
            if row.status == INACTIVE and clock.to_us(row.last_seen_at) == judged[str(row.pk)].seen:
                changes.append(events.change_of(row, events.DEREGISTERED, reason=SILENT))
                log.warning("silent instance deregistered", service=row.service.name, instance=str(row.pk))
        Instance.objects.filter(pk__in=[each.instance_id for each in changes if each.instance_id is not None]).delete()
        if changes:
            events.append(changes, now=now)
    return len(changes)


def _locked(judged: dict[str, Watched]) -> Sequence[Instance]:
    rows = Instance.objects.select_related("service").filter(pk__in=list(judged)).order_by("pk")
    return list(rows.select_for_update(of=("self",)))
