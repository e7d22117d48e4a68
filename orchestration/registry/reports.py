"""What real calls say of instances: one whose calls fail is asked at once how it is, and not when its turn comes.

A report changes no health: probes judge, and calls only say where to look. An instance that was asked just now, or is
about to be, is not asked again for it, so that a storm of failing calls costs one probe.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from orchestration import clock

from . import locking
from .models import Instance

ASKED_JUST_NOW = timedelta(seconds=1)
AT_ONCE = 500


def probe_at_once(instance_ids: Iterable[str]) -> int:
    """Have these instances asked by the next pass of the probes; return how many that moves forward.

    One statement for each five hundred; those without a health path are not asked, and unknown ones are passed over.
    """
    now = clock.now()
    ids = [uuid.UUID(each) for each in dict.fromkeys(instance_ids)]
    moved = 0
    for at in range(0, len(ids), AT_ONCE):
        rows = Instance.objects.filter(pk__in=ids[at : at + AT_ONCE], probe_at__gt=now)
        with transaction.atomic():
            locking.take(ids[at : at + AT_ONCE])
            moved += rows.exclude(probed_at__gt=now - ASKED_JUST_NOW).update(probe_at=now)
    return moved
