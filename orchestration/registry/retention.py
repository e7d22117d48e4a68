"""What the registry forgets: events beyond the last `registry_events_kept`, and of each instance the older changes of
its health beyond `health_changes_kept`. Called by the engine's housekeeping once a minute.
"""

from __future__ import annotations

from django.conf import settings
from django.db.models import Count

from . import events
from .models import HealthChange

INSTANCES_AT_ONCE = 1_000


def drop_events() -> int:
    """Delete the events that are not kept any more and return how many."""
    return events.drop_old(keep=settings.PODIUM.registry_events_kept)


def drop_health_changes() -> int:
    """Delete, of instances that have more than are kept, the oldest changes of their health; return how many."""
    kept = settings.PODIUM.health_changes_kept
    counted = HealthChange.objects.values("instance_id").annotate(count=Count("pk")).filter(count__gt=kept)
    gone = 0
    for instance in list(counted.values_list("instance_id", flat=True)[:INSTANCES_AT_ONCE]):
        rows = HealthChange.objects.filter(instance_id=instance)
        oldest = rows.order_by("-at", "-pk").values_list("pk", flat=True)[kept:]
        gone += rows.filter(pk__in=list(oldest)).delete()[0]
    return gone
