"""Changes that are worth comparing, ready to be ticked: more instances, more load, another way of choosing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orchestration.domain.errors import DocumentInvalid
from simulation.experiments.places import at_load

MOST_SERVICES = 6
"""Services that changes are offered of."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A change by the name of its variant, in words, and as a merge patch of the scenario."""

    name: str
    words: str
    patch: dict[str, Any]
    group: str = ""


def presets_of(document: dict[str, Any]) -> list[Preset]:
    """Return the changes that are offered for a scenario; of one that is not whole, those that can be told."""
    return list(_presets(document))


def _presets(document: dict[str, Any]) -> Iterator[Preset]:
    for name, words, factor in (
        ("load-half-more", "Half as much load again", 1.5),
        ("load-double", "Twice the load", 2),
    ):
        try:
            patch = {"workloads": at_load(document, factor)["workloads"]}
        except (LookupError, TypeError, DocumentInvalid):
            break
        yield Preset(name, words, patch, "The load")
    services = document.get("services")
    for service, told in list(services.items())[:MOST_SERVICES] if isinstance(services, dict) else ():
        if isinstance(told, dict):
            yield from _of_service(str(service), told)


def _of_service(service: str, told: dict[str, Any]) -> Iterator[Preset]:
    short = re.sub(r"[^a-z0-9-]+", "-", service.lower()).strip("-")[:40]
    instances = told.get("instances", 1)
    if isinstance(instances, int):
        more = {"services": {service: {"instances": instances + 1}}}
        yield Preset(f"one-more-{short}", f"One more instance ({instances + 1})", more, service)
    if isinstance(instances, int) and instances > 1:
        fewer = {"services": {service: {"instances": instances - 1}}}
        yield Preset(f"one-less-{short}", f"One instance less ({instances - 1})", fewer, service)
        least = {"services": {service: {"policy": {"balance": "least-connections"}}}}
        yield Preset(f"least-connections-{short}", "Choose the instance with the fewest calls", least, service)
