"""Recorded workflows in scenarios: `{id: NAME, recording: FILE.json}` among the workflows is written out.

The file is one in WfFormat 1.5, looked for where all files of a scenario are. What comes of it are a definition, with a
call of `machines` for each task, and the times of these calls. How many machines there are and how many tasks each
takes at once stands among the services, `machines: {instances: 2, capacity: 48}`; where it does not, they are those of
the recording. `latency`, `dispatch`, `transfer` and `stretch` say what the platform adds (see `simulation.recordings`);
`parallel_limit` is the definition's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestration.domain.definition.shape import shape_problems
from orchestration.domain.definition.values import Duration
from orchestration.domain.documents import join_path
from orchestration.domain.errors import DocumentInvalid, Problem
from orchestration.domain.limits import LIMITS, MICROSECONDS
from simulation.recordings.platform import (
    MACHINES,
    SUBMIT_HOST,
    Overheads,
    definition_of,
    slots_of,
    submission_times,
    work_times,
)
from simulation.recordings.reading import RecordedWorkflow, read_workflow

from .language import Name, ScenarioInvalid

RECORDING = "recording"
LEAST_CONNECTIONS = {"balance": "least-connections"}


class RecordingOf(BaseModel):
    """A recorded workflow among a scenario's workflows. `transfer` is for a gigabyte, `stretch` a share of the work."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: Name
    recording: Annotated[str, Field(pattern=r"^[^/\\]+\.json$")]
    latency: Duration = 0
    dispatch: Duration = 0
    transfer: Duration = 0
    stretch: Annotated[float, Field(ge=0, le=1000)] = 0.0
    parallel_limit: Annotated[int, Field(ge=1, le=LIMITS.parallel_limit)] = LIMITS.parallel_limit

    def overheads(self) -> Overheads:
        """Return what the platform adds."""
        return Overheads(
            self.latency / MICROSECONDS, self.dispatch / MICROSECONDS, self.transfer / MICROSECONDS, self.stretch
        )


def with_recordings(document: Any, folder: Path, path: str = "") -> Any:
    """Return a scenario in which every recorded workflow is written out, those of variants too.

    What is no scenario comes back as it is, for others to judge. Raises ScenarioInvalid, with its path, for a recording
    that is not there or cannot be read.
    """
    if not isinstance(document, dict):
        return document
    found = dict(document)
    workflows = found.get("workflows")
    if isinstance(workflows, list) and any(isinstance(each, dict) and RECORDING in each for each in workflows):
        written: list[Any] = []
        for place, each in enumerate(workflows):
            here = f"{join_path(path, 'workflows')}[{place}]"
            recorded = isinstance(each, dict) and RECORDING in each
            written.append(_written_out(found, each, folder, here, whole=not path) if recorded else each)
        found["workflows"] = written
    variants = found.get("variants")
    if isinstance(variants, dict):
        within = join_path(path, "variants")
        found["variants"] = {
            name: with_recordings(each, folder, join_path(within, name)) for name, each in variants.items()
        }
    return found


def _written_out(found: dict[str, Any], given: dict[str, Any], folder: Path, path: str, *, whole: bool) -> Any:
    """Return the definition of a recorded workflow; what its calls take is put among `found`'s services."""
    asked = _asked(given, path)
    recorded, overheads = _read(folder / asked.recording, f"{path}.{RECORDING}"), asked.overheads()
    services = found.get("services", {})
    if isinstance(services, dict):
        machines = {"instances": len(recorded.cores), "capacity": slots_of(recorded), "policy": LEAST_CONNECTIONS}
        submit = _with(
            services.get(SUBMIT_HOST), submission_times(recorded, overheads, workflow=asked.id), {"policy": None}, whole
        )
        work = _with(services.get(MACHINES), work_times(recorded, overheads, workflow=asked.id), machines, whole)
        found["services"] = {**services, SUBMIT_HOST: submit, MACHINES: work}
    return definition_of(recorded, overheads, workflow=asked.id, parallel_limit=asked.parallel_limit)


def _with(service: Any, times: dict[str, float], usual: dict[str, Any], whole: bool) -> Any:
    """Return a service with these methods. In a variant, a change, nothing is said of what it does not change."""
    if not isinstance(service, dict):
        service = {}
    methods = {name: {"kind": "fixed", "time": time} for name, time in times.items()}
    nothing = {"times": {"kind": "fixed", "time": 0}, **usual} if whole else {}
    return {**nothing, **service, "methods": {**service.get("methods", {}), **methods}}


def _asked(given: dict[str, Any], path: str) -> RecordingOf:
    try:
        return RecordingOf.model_validate(given)
    except ValidationError as error:
        told = [Problem(join_path(path, each.path), each.code, each.message) for each in shape_problems(error)]
    raise ScenarioInvalid(f"{told[0].path}: {told[0].message}", told)


def _read(file: Path, path: str) -> RecordedWorkflow:
    try:
        return read_workflow(file)
    except OSError:
        said = f"there is no file {file.name} beside the scenario, nor in the folder that --data names"
        code = "reference.unknown"
    except DocumentInvalid as error:
        said, code = f"{file.name} is no recorded workflow: {error.message}", error.code
    raise ScenarioInvalid(f"{path}: {said}", [Problem(path, code, said)])
