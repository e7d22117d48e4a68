"""What executions listen to, by topic: events of the bus, and services without an instance.

A topic of a service begins with a character that no event's topic of anybody's begins with, but on purpose.
"""

from __future__ import annotations

from orchestration.domain.run import Run

SERVICE = "\x01service/"


def topics_of(run: Run) -> frozenset[str]:
    """Return all topics that the execution listens to just now."""
    services = run.awaited_services if run.service_waits else ()
    return run.event_topics.union(service_topic(name) for name in services)


def service_topic(name: str) -> str:
    """Return the topic of a service."""
    return SERVICE + name


def service_of(topic: str) -> str:
    """Return the service that a topic is of."""
    return topic.removeprefix(SERVICE)
