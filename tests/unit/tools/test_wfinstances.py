"""Recorded workflows as definitions: all of those that were recorded, and files that nobody should have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import DocumentInvalid, LimitExceeded
from orchestration.domain.limits import LIMITS, Limits
from orchestration.management.wfinstances.definition import LONGEST_CALL, definition_of, telling_ids, workflow_id
from orchestration.management.wfinstances.recording import Recording, RecordingInvalid, Task, read_recording
from orchestration.management.wfinstances.virtual import virtual_makespan
from tests.unit.tools.recordings import FILES, NAMES, needs_recordings


def longest_chain(file: Path, *, millionths: int) -> int:
    """Return the critical path of a file in whole microseconds, straight from its text: relaxed until nothing moves."""
    workflow = json.loads(file.read_text())["workflow"]
    runtime = {task["id"]: task["runtimeInSeconds"] for task in workflow["execution"]["tasks"]}
    lasts = {name: round(seconds * (millionths / 1_000_000) * 1_000_000) for name, seconds in runtime.items()}
    parents = {task["id"]: task["parents"] for task in workflow["specification"]["tasks"]}
    ends = dict(lasts)
    moved = True
    while moved:
        moved = False
        for name, before in parents.items():
            end = lasts[name] + max((ends[parent] for parent in before), default=0)
            if end != ends[name]:
                ends[name], moved = end, True
    return max(ends.values())


@needs_recordings
@pytest.mark.parametrize("file", FILES, ids=NAMES)
@pytest.mark.parametrize("scale", [0.001, 1.0])
def test_its_virtual_makespan_without_limits_is_the_critical_path(file: Path, scale: float):
    recording = read_recording(file.read_bytes())
    document = definition_of(recording, workflow=workflow_id(file.stem), scale=scale)
    expected = longest_chain(file, millionths=int(scale * 1_000_000))
    assert recording.critical_path(scale) == expected
    assert virtual_makespan(document) == expected


@needs_recordings
@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_every_recording_fits_into_a_definition_with_all_its_arrows(file: Path):
    recording = read_recording(file.read_bytes())
    document = definition_of(recording, workflow=workflow_id(file.stem), scale=0.001)
    assert len(orjson.dumps(document)) < LIMITS.definition_bytes
    definition = parse_definition(orjson.dumps(document))
    names = telling_ids([task.id for task in recording.tasks])
    assert {step.id: tuple(step.dependencies) for step in definition.steps} == {
        names[task.id]: tuple(names[parent] for parent in task.parents) for task in recording.tasks
    }


@needs_recordings
def test_all_recordings_are_there():
    assert len(FILES) == 41


def _file(tasks: dict[str, list[str]], seconds: dict[str, Any] | None = None, **more: Any) -> bytes:
    specified = [{"id": name, "parents": parents, "children": []} for name, parents in tasks.items()]
    times = seconds or dict.fromkeys(tasks, 1.5)
    executed = [{"id": name, "runtimeInSeconds": value} for name, value in times.items()]
    workflow = {"specification": {"tasks": specified}, "execution": {"tasks": executed}}
    return json.dumps({"name": "n", "schemaVersion": "1.5", "workflow": workflow, **more}).encode()


def test_it_puts_parents_before_their_children():
    recording = read_recording(_file({"c": ["b"], "b": ["a"], "a": []}))
    assert [task.id for task in recording.tasks] == ["a", "b", "c"]
    assert recording.critical_path(2.0) == 9_000_000
    assert recording.total(1.0) == 4_500_000


def test_it_takes_an_arrow_from_either_end():
    text = _file({"a": [], "b": []}).replace(b'"children": []', b'"children": ["b"]', 1)
    assert read_recording(text).tasks[1].parents == ("a",)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (b"[]", "schemaVersion"),
        (_file({"a": []}, schemaVersion="1.4"), "schemaVersion"),
        (b'{"schemaVersion": "1.5"}', "workflow.specification.tasks"),
        (_file({"a": []}, workflow={}), "workflow.specification.tasks"),
        (_file({"a": ["z"]}), "workflow.specification.tasks[a].parents"),
        (_file({"a": ["b"], "b": ["a"]}), "workflow.specification.tasks"),
        (_file({"a": ["a"]}), "workflow.specification.tasks"),
        (_file({"a": []}, {"b": 1}), "workflow.execution.tasks[a]"),
        (_file({"a": []}, {"a": -1}), "workflow.execution.tasks[a].runtimeInSeconds"),
        (_file({"a": []}, {"a": "1"}), "workflow.execution.tasks[a].runtimeInSeconds"),
        (_file({"a": [], "": []}), "workflow.specification.tasks[1].id"),
    ],
)
def test_it_refuses_what_is_no_recording_and_says_where(text: bytes, path: str):
    with pytest.raises(RecordingInvalid) as refused:
        read_recording(text)
    assert path in [problem.path for problem in refused.value.problems]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff\xfe"])
def test_it_refuses_what_is_no_json(text: bytes):
    with pytest.raises(DocumentInvalid):
        read_recording(text)


def _recording(names: list[str], seconds: float = 1.0) -> Recording:
    return Recording("n", "", tuple(Task(name, (), seconds) for name in names))


def test_it_names_steps_as_the_language_allows_and_each_once():
    names = ["a:b(c)", "a:b(d)", "a b c", "a.b.c", "1st", "x" * 100 + "1", "x" * 100 + "2", "y" + "x" * 62 + "1"]
    ids = telling_ids(names)
    assert ids["1st"] == "t1st"
    assert (ids["a b c"], ids["a.b.c"]) == ("a_b_c", "a_b_c-2")
    assert len(set(ids.values())) == len(names)
    parse_definition(definition_of(_recording(names), workflow="wf", scale=1.0))


def test_it_shortens_ids_only_where_the_definition_would_be_too_large():
    names = ["n" * 60 + str(number) for number in range(30)]
    first = definition_of(_recording(names), workflow="wf", scale=1.0)
    assert first["steps"][0]["id"] == names[0]
    small = Limits(definition_bytes=len(orjson.dumps(first)) - 1)
    assert definition_of(_recording(names), workflow="wf", scale=1.0, limits=small)["steps"][0]["id"] == "t1"


@pytest.mark.parametrize(("limits", "word"), [(Limits(steps=2), "tasks"), (Limits(definition_bytes=100), "bytes")])
def test_it_refuses_a_recording_that_is_too_large(limits: Limits, word: str):
    with pytest.raises(LimitExceeded, match=word):
        definition_of(_recording(["a", "b", "c"]), workflow="wf", scale=1.0, limits=limits)


def test_what_would_hold_a_call_for_too_long_waits_in_the_database_instead():
    longest = LONGEST_CALL / 1_000_000
    short, long = definition_of(_recording(["a"], longest), workflow="wf", scale=1.0), longest + 0.000001
    assert short["steps"][0]["type"] == "service"
    document = definition_of(_recording(["a"], long), workflow="wf", scale=1.0)
    assert document["steps"][0]["type"] == "delay"
    assert virtual_makespan(document) == LONGEST_CALL + 1


@pytest.mark.parametrize(
    ("stem", "expected"),
    [("1000genome-2ch", "wf-1000genome-2ch"), ("A b.c", "wf-a-b-c"), ("__", "wf-recording")],
)
def test_it_makes_a_workflow_id_of_a_file_name(stem: str, expected: str):
    assert workflow_id(stem) == expected


def test_long_file_names_stay_apart():
    one, other = workflow_id("x" * 80 + "1"), workflow_id("x" * 80 + "2")
    assert one != other
    assert len(one) <= 63
