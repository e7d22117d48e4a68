"""Every scenario, over the pure domain in SimPy's time: the simulator's own shell, with scripted services."""

from __future__ import annotations

from functools import partial

import pytest

from orchestration.domain.definition import check_input, parse_definition
from orchestration.domain.errors import DocumentInvalid, InputInvalid, Refused, StepError
from orchestration.domain.facts import Accepted, Answered, BusEvent, Failed, Postponed
from orchestration.domain.graph import Graph
from orchestration.management.conformance.answers import result_of
from orchestration.management.conformance.expectations import EXACT
from orchestration.management.conformance.record import Call, InFlight, Record
from orchestration.management.conformance.runner import judge
from orchestration.management.conformance.scenario import Publish, load_scenario
from orchestration.management.conformance.script import NoMethod, NoService, Services
from orchestration.management.conformance.virtual import FIRST_ID, record_of
from simulation.world.shell import Shell
from tests.conformance.files import FILES


class Scripted:
    """Calls that answer as a scenario says."""

    def __init__(self, shell, scenario):
        self.shell = shell
        self.services = Services(scenario.services)
        self.awaited = set()
        self.calls = []
        self.in_flight = InFlight()

    def call(self, execution, command):
        self.awaited.add((execution.id, command.attempt))
        notification = command.purpose == "notification"
        try:
            answer = self.services.answer(command.service, command.method, command.input, notification=notification)
        except (NoService, NoMethod) as error:
            code = "service_not_found" if isinstance(error, NoService) else "method_not_found"
            failed = Failed(command.attempt, StepError(code, f"there is no {error}"))
            self.shell.after(0, self.answer, (execution, failed, True))
            return
        if answer.postponed is not None:
            self.cancel(execution, command.attempt)
            why = answer.postponed
            told = Postponed(command.attempt, why.reason, why.message, why.after)
            self.shell.after(0, lambda _: self.shell.tell(execution, told))
            return
        self.calls.append(Call(f"{command.service}.{command.method}", command.input))
        self.in_flight.begin((execution.id, command.attempt))
        taken_on = answer.accepted is not None and command.completion == "callback"
        if answer.accepted is not None:
            word = Accepted(command.attempt) if taken_on else Answered(command.attempt)
            self.shell.after(answer.accepted, self.answer, (execution, word, not taken_on))
        if not answer.hang and (taken_on or answer.accepted is None):
            self.shell.after(answer.after, self.answer, (execution, result_of(command.attempt, answer), True))

    def cancel(self, execution, attempt):
        self.awaited.discard((execution.id, attempt))
        self.in_flight.end((execution.id, attempt))

    def answer(self, happening):
        execution, fact, last = happening.value
        if (execution.id, fact.attempt) in self.awaited:
            if last:
                self.cancel(execution, fact.attempt)
            self.shell.tell(execution, fact)


def play(scenario):
    """Return what came of a scenario in the simulator's shell."""
    try:
        definitions = [parse_definition(each) for each in (scenario.definition, *scenario.children)]
        check_input(definitions[0], scenario.input)
    except InputInvalid as error:
        return Record(invalid_input=tuple(problem.path for problem in error.problems))
    except DocumentInvalid as error:
        return Record(invalid=tuple(problem.path for problem in error.problems))
    graphs = {definition.id: Graph.compile(definition) for definition in definitions}
    shell = Shell(graphs, keep=True, secrets=scenario.secrets)
    calls = shell.calls = Scripted(shell, scenario)
    refused = set()
    for position, timed in enumerate(scenario.actions):
        shell.after(timed.at, partial(act, shell, position, timed.action, refused))
    shell.start(definitions[0].id, FIRST_ID, scenario.input)
    shell.env.run()
    first, *children = shell.executions.values()
    children.sort(key=lambda each: (each.started is None, each.started or each.created))
    assert all(each.run.ended for each in shell.executions.values()), "it never ends"
    return Record(
        first=record_of(first.run, first.workflow, first.journal),
        children=[record_of(child.run, child.workflow, child.journal) for child in children],
        calls=calls.calls,
        max_in_flight=calls.in_flight.most,
        refused=refused,
    )


def act(shell, position, action, refused, _):
    if isinstance(action, Publish):
        shell.publish(BusEvent(action.topic, action.payload, id=f"event-{position}", published_at=shell.now))
        return
    try:
        shell.tell(shell.executions[FIRST_ID], action)
    except Refused:
        refused.add(position)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_keeps_the_scenario_in_simulated_time(file):
    scenario = load_scenario(file)
    result = judge(scenario, play(scenario), EXACT)
    assert result.passed, result.reason
