"""Which instances a list is asked for: the filters of `queries.list_instances`, for both databases."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import BooleanField, F, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from .models import Instance

HAS_TAG = "EXISTS (SELECT 1 FROM json_each(podium_instance.tags) AS tag WHERE tag.value = %s)"


def matching(
    rows: QuerySet[Instance],
    *,
    name: str | None = None,
    version: str | None = None,
    tags: Iterable[str] = (),
    status: Iterable[str] = (),
    health: Iterable[str] = (),
    metadata: Iterable[tuple[str, str]] = (),
) -> QuerySet[Instance]:
    """Return those of `rows` that fit all that is given."""
    if name is not None:
        rows = rows.filter(service__name=name)
    if version is not None:
        rows = rows.filter(version=version)
    if statuses := tuple(status):
        rows = rows.filter(status__in=statuses)
    if states := tuple(health):
        rows = rows.filter(health__in=states)
    for tag in tags:
        rows = _with_tag(rows, tag)
    for at, (key, value) in enumerate(metadata):
        rows = rows.annotate(**{f"told_{at}": Cast(KeyTextTransform(key, F("metadata")), TextField())})
        rows = rows.filter(**{f"told_{at}": value})
    return rows


def _with_tag(rows: QuerySet[Instance], tag: str) -> QuerySet[Instance]:
    # Django's `contains` knows no SQLite.
    if connection.vendor == "sqlite":
        return rows.filter(RawSQL(HAS_TAG, (tag,), output_field=BooleanField()))
    return rows.filter(tags__contains=[tag])
