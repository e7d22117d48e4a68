"""Loading the demo into the default team. Loading it again changes nothing that is as it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model

from orchestration.domain.definition import parse_definition
from orchestration.engine.operations import save_definition, start_execution
from orchestration.management.demo.executions import inputs
from orchestration.registry.operations import deregister, register
from orchestration.registry.queries import list_services
from orchestration.teams.operations import add_member, default_team

BY = "demo"
# Everybody may know it: this login opens on loopback only.
USERNAME = PASSWORD = "demo"
ROLE = "operator"
HERE = Path(__file__).parent
FILES = ("order-processing.yaml", "data-processing.yaml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the demo consists of now; `started` counts the executions that were not there before."""

    services: tuple[str, ...]
    workflows: tuple[str, ...]
    started: int


def load_demo(*, farm_url: str, executions: bool = True) -> Loaded:
    """Load the demo over the services that answer below `farm_url`.

    Raises RegistrationInvalid for an address that services may not lie at.
    """
    team_id = default_team().id
    make_login(team_id=team_id)
    definitions = {file: parse_definition((HERE / file).read_bytes()) for file in FILES}
    documents = {definition.id: definition.document for definition in definitions.values()}
    services = sorted({name for document in documents.values() for name in _services_of(document["steps"])})
    register_services(team_id=team_id, names=services, farm_url=farm_url)
    for document in documents.values():
        save_definition(team_id=team_id, document=document, by=BY)
    started = start_examples(team_id=team_id, documents=documents) if executions else 0
    return Loaded(tuple(services), tuple(documents), started)


def make_login(*, team_id: int) -> None:
    """Make the person demo/demo an operator of the team. One who is there keeps the password that he has."""
    user, created = get_user_model().objects.get_or_create(username=USERNAME)
    if created:
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    add_member(team_id=team_id, user_id=user.pk, role=ROLE)


def register_services(*, team_id: int, names: Sequence[str], farm_url: str) -> None:
    """Register one instance of each service below `farm_url`, and take out those of a farm that was elsewhere."""
    base = farm_url.rstrip("/")
    kept = {
        register(
            team_id=team_id,
            name=name,
            address=f"{base}/{name}",
            version="1.0",
            tags=["demo"],
            metadata={"demo": True},
            by=BY,
        ).id
        for name in names
    }
    for service in list_services(team_id=team_id):
        for instance in service.instances:
            if instance.metadata.get("demo") is True and instance.id not in kept:
                deregister(team_id=team_id, instance_id=instance.id, by=BY)


def start_examples(*, team_id: int, documents: Mapping[str, Mapping[str, Any]]) -> int:
    """Start the demo's executions, each of them once for ever; return how many are new."""
    examples = {name: document["input_schema"]["examples"][0] for name, document in documents.items()}
    started = 0
    for example, given in inputs(examples):
        execution = start_execution(
            team_id=team_id,
            workflow=example.workflow,
            input=given,
            by=BY,
            idempotency_key=f"demo-{example.name}",
            correlation_id="demo",
        )
        started += not execution.replayed
    return started


def _services_of(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for step in steps:
        if step["type"] == "service":
            yield step["service_name"]
        if "compensate" in step:
            yield step["compensate"]["service_name"]
        yield from _services_of(step.get("steps", ()))
