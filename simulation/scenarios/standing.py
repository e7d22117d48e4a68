"""What a scenario begins with that is under way already: executions with their journals, in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from orchestration.domain.calling.circuit import Verdict
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.graph import Graph
from simulation.world.gates import GateStand, RecentCall
from simulation.world.standing import OpenExecution, Standing

from .recorded_language import StandingOf

_SECRET = re.compile(rb"secrets(?:\.([A-Za-z_]\w*)|\[\\?[\"']([^\"'\\]+)\\?[\"']\])")
NOT_A_SECRET = "not-a-secret"


def standing_of(given: StandingOf, folder: Path) -> Standing:
    """Return what is under way by the file. Raises ValueError for one that is not there or not of this kind."""
    path = folder / given.file
    if not path.is_file():
        raise ValueError(f"there is no file {given.file} beside the scenario")
    try:
        return standing_from(orjson.loads(path.read_bytes()))
    except (KeyError, TypeError, orjson.JSONDecodeError, OrchestrationError) as error:
        raise ValueError(f"{given.file} does not hold executions that are under way: {error}") from error


def standing_from(document: Mapping[str, Any]) -> Standing:
    """Return what is under way by a document that `standing_document` made."""
    graphs = {key: Graph.compile(parse_definition(each)) for key, each in document["definitions"].items()}
    executions = tuple(
        OpenExecution(
            id=each["id"],
            workflow=each["workflow"],
            graph=graphs[each["definition"]],
            created=each["created"],
            input=each["input"],
            entries=tuple(tuple(entry) for entry in each["entries"]),
            depth=each["depth"],
            parent=each["parent"],
            parent_attempt=each["parent_attempt"],
        )
        for each in document["executions"]
    )
    gates = {name: _gate(each) for name, each in document.get("gates", {}).items()}
    return Standing(document["at"], executions, document.get("circuits", {}), gates)


def _gate(given: Mapping[str, Any]) -> GateStand:
    return GateStand(
        verdict=Verdict(**given["verdict"]),
        held_until=given["held_until"],
        due_at=given["due_at"],
        calls=tuple(RecentCall(*each) for each in given["calls"]),
    )


def secrets_in(definitions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return a stand-in for every secret that definitions name: inputs need values, and nobody is called."""
    text = orjson.dumps(list(definitions))
    return {(one or other).decode(): NOT_A_SECRET for one, other in _SECRET.findall(text)}
