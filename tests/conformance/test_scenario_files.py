"""A file that is no scenario is a failed result with the reason, and one that never ends says what it waits for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.management.conformance import virtual
from orchestration.management.conformance.runner import Result, run_virtual

GOOD = """
scenario: good
definition: {id: good, steps: [{id: a, type: service, service_name: s, method: a}]}
services: {s.a: [{after: 20ms}]}
expect: {status: completed, elapsed: 20ms}
"""


def check(folder: Path, text: str, name: str = "file.yaml") -> Result:
    (folder / name).write_text(text)
    (result,) = run_virtual([folder / name])
    return result


def changed(**changes: Any) -> str:
    document: dict[str, Any] = {
        "definition": {"id": "good", "steps": [{"id": "a", "type": "service", "service_name": "s", "method": "a"}]},
        "services": {"s.a": [{"after": "20ms"}]},
        "expect": {"status": "completed"},
    }
    document.update(changes)
    return json.dumps({key: value for key, value in document.items() if value is not None})


def test_it_plays_a_file(tmp_path):
    assert check(tmp_path, GOOD) == Result("good", True)


def test_it_names_a_scenario_without_a_name_by_its_file(tmp_path):
    assert check(tmp_path, changed(), "some-name.json") == Result("some-name", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the document is empty"),
        ("[1, 2]", "must be an object"),
        ("a: [", ""),
        (GOOD + "about: one\nabout: two\n", "about"),
        (
            changed(services={"s.a": [{"postponed": {"reason": "rain"}}]}),
            "services.s.a[0].postponed.reason: must be one of circuit_open, ",
        ),
        (changed(services={"s.a": [{"postponed": {}}]}), "services.s.a[0].postponed.reason"),
        (changed(expects={}), "expects: unknown key; did you mean 'expect'?"),
        (changed(expect={"stat": "completed"}), "expect.stat: unknown key"),
        (changed(expect={"steps": {"a": {"state": "completed"}}}), "expect.steps.a.state: unknown key"),
        (changed(expect={"children": [{"status": "completed"}]}), "expect.children[0].workflow: is missing"),
        (changed(expect={"children": [{"workflow": "x", "calls": []}]}), "expect.children[0].calls: unknown key"),
        (changed(expect=None), "expect: must be an object"),
        (changed(definition=None), "definition: is missing"),
        (changed(definition_text="id: x"), "definition_text: does not go with definition"),
        (changed(services={"s.a": []}), "services.s.a: must be a list of at least one answer"),
        (changed(services={"s.a": [{"afters": "1s"}]}), "services.s.a[0].afters: unknown key"),
        (changed(services={"s.a": [{"after": "soon"}]}), "services.s.a[0].after: "),
        (changed(services={"s.a": [{"error": {}}]}), "services.s.a[0].error.code: is missing"),
        (changed(services={"a": [{}]}), "services.a: must be named service.method"),
        (changed(actions=[{"do": "pause"}]), "actions[0].at: is missing"),
        (changed(actions=[{"at": "1s", "do": "dance"}]), "actions[0].do: 'dance' is none of"),
        (changed(actions=[{"at": "1s", "do": "rerun"}]), "actions[0].step: is missing"),
        (changed(actions=[{"at": "1s", "do": "pause", "step": "a"}]), "actions[0].step: unknown key"),
        (changed(actions=[{"at": "2s", "do": "pause"}, {"at": "1s", "do": "pause"}]), "actions[1].at: "),
        (changed(expect={"refused": [0]}), "expect.refused: there is no action 0"),
        (changed(children=[{"id": "x"}]), "children[0] is no definition"),
    ],
)
def test_it_fails_with_the_reason(tmp_path, text, reason):
    result = check(tmp_path, text)
    assert result.passed is False
    assert reason in result.reason


def test_it_fails_for_a_file_that_is_not_there(tmp_path):
    (result,) = run_virtual([tmp_path / "missing.yaml"])
    assert result.passed is False


def test_it_fails_where_there_is_nothing_to_run(tmp_path):
    (result,) = run_virtual([tmp_path])
    assert result.passed is False
    assert "no scenario files" in result.reason


def test_it_takes_folders_and_files_in_order(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.replace("scenario: good", f"scenario: {name}"))
    names = [result.scenario for result in run_virtual([tmp_path, tmp_path / "b.yaml"])]
    assert names == ["a", "b", "b"]


def test_it_gives_up_where_there_is_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(virtual, "MOST_EXECUTIONS", 20)
    again = {"type": "subflow", "workflow": "endless", "wait": False}
    endless = {"id": "endless", "steps": [{"id": f"again-{number}", **again} for number in range(3)]}
    result = check(tmp_path, changed(definition=endless))
    assert result.passed is False
    assert "more than 20 executions" in result.reason


def test_it_says_what_is_waited_for_where_there_is_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(virtual, "MOST_TURNS", 0)
    result = check(tmp_path, changed(services={"s.a": [{"after": "20ms"}]}))
    assert result.passed is False
    assert "it has not ended after 0 turns; good is running, waiting for answer a s.a, attempt 1" in result.reason


def test_it_fails_when_no_answer_is_for_the_call(tmp_path):
    result = check(tmp_path, changed(services={"s.a": [{"when": {"n": 1}, "after": "1ms"}]}))
    assert result.passed is False
    assert "services.s.a has no answer" in result.reason


def test_it_says_on_one_printable_line_why(tmp_path):
    text = changed(expect={"output": "one\ntwo \ud800"})
    result = check(tmp_path, text)
    assert result.passed is False
    assert len(result.line().splitlines()) == 1
    assert result.line().encode()
