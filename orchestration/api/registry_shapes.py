"""What the API answers with where services are asked for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .shapes import Instant, Shape

InstanceId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class Service(Shape):
    """An instance of a service: where it is, and how it is."""

    id: InstanceId
    name: Annotated[str, Field(validation_alias="service", description="The service.")]
    protocol: str
    address: str
    port: int
    path: str
    url: str
    version: str
    tags: list[str]
    metadata: dict[str, Any]
    dependencies: list[str]
    locality: str
    ttl: Annotated[float | None, Field(description="Seconds that it may send no heartbeat; null: it sends none.")]
    health_path: str
    status: str
    health: str
    health_detail: str
    health_changed_at: Instant | None
    probed_at: Instant | None
    registered_at: Instant
    registered_by: str
    last_seen_at: Instant


class HealthMark(Shape):
    """From `at` on the health was this."""

    at: Instant
    health: str
    detail: str


class ServiceDetail(Service):
    """An instance with the latest changes of its health, the oldest first."""

    health_history: list[HealthMark]


class Doubt(Shape):
    """A duty of the registry that does not trust what it sees, and changes nothing while that is so."""

    duty: Annotated[str, Field(description="`expiry` or `probes`.")]
    since: Instant
    detail: str
    of_team: Annotated[bool, Field(description="Only your team is doubted; others are judged as ever.")]


class ServiceList(Shape):
    """A page of the team's service instances, by the names of their services."""

    items: list[Service]
    next_cursor: str | None
    index: Annotated[int, Field(description="Follow changes from here: `/services/watch?after=`.")]
    doubts: Annotated[list[Doubt], Field(description="Where the registry distrusts itself just now.")]


class Circuit(Shape):
    """The circuit of a service, as all workers hold it."""

    state: Annotated[str, Field(description="`closed`; `open`: calls wait; `half-open`: one call tries.")]
    until: Annotated[Instant | None, Field(description="While it is open: when one call tries.")]
    held_until: Annotated[Instant | None, Field(description="Until when the service asked to be left alone.")]


class NamedService(Shape):
    """A service: its policy and its instances."""

    name: str
    created_at: Instant
    usable: Annotated[int, Field(description="How many of its instances may be called now.")]
    policy: dict[str, Any]
    policy_version: int
    circuit: Circuit
    instances: list[Service]


class Heartbeat(Shape):
    """That a heartbeat was heard."""

    id: InstanceId
    status: str
    ttl: Annotated[
        float | None, Field(description="Seconds within which the next one is due; null: none is asked for.")
    ]


class ServiceEvent(Shape):
    """Something that changed in the registry."""

    index: int
    type: str
    at: Instant
    service: str
    instance_id: InstanceId | None
    data: dict[str, Any]


class ServiceEvents(Shape):
    """The team's events in their order."""

    items: list[ServiceEvent]
    index: Annotated[int, Field(description="Ask on with `?after=` this.")]
