"""Kinds of executions from recorded ones: what they were given and answered, what fails in them, how fast they go.

Shares of branches are not fitted one by one: what leads to them (inputs, answers, failures) is drawn together, as
single executions had it, and the definition's own conditions decide. Of inputs and answers only what may decide is kept
(deciding.py). Executions that went the same way are one stratum; each stratum has cases by its share, at least one, so
rare ways stay and shares come out as recorded. Within a stratum the cases are spread evenly over the executions' paces.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson

from orchestration.domain import events as e
from orchestration.domain.graph import Graph
from orchestration.domain.ids import path_of_attempt
from simulation.world.places import place_of

from .attempts import LONGEST_ANSWER, Recorded, node_at
from .deciding import Deciding
from .pace import Paces
from .repeats import Owed, Owing

MOST_CASES = 240
"""Cases that stand for a recording."""

MOST_BYTES = 64 * 1024
"""Bytes of all cases and answers as JSON; above that there are fewer cases."""

FEWEST_CASES = 8
LONG_LIST = 100
"""Answers of one execution that are kept; the later rounds of longer loops are answered as the last one kept."""


@dataclass(slots=True)
class _Kind:
    """One recorded execution as a kind: `way` is what tells it from others that went another way."""

    input: dict[str, Any]
    pace: float
    created: int
    fails: dict[str, Owed] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    children: dict[str, _Kind] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)

    @property
    def way(self) -> tuple[Any, ...]:
        return (
            tuple(sorted((step, owed.code, owed.first or 0) for step, owed in self.fails.items())),
            tuple(sorted(self.skipped)),
            tuple(sorted((step, count.bit_length()) for step, count in self.counts.items() if count > 1)),
            tuple((step, child.way) for step, child in sorted(self.children.items())),
        )


@dataclass(frozen=True, slots=True)
class CasesFit:
    """Cases for a scenario's workload (`document`: its `cases` and `answers`; empty: all executions are alike).

    `executions` is how many they stand for, `ways` how many different ways those went.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    executions: int = 0
    ways: int = 0
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, int]:
        """Return the fit as a report carries it."""
        return {"executions": self.executions, "ways": self.ways, "cases": len(self.document.get("cases", ()))}


def fit_cases(
    executions: Sequence[Recorded],
    graphs: Mapping[tuple[str, int], Graph],
    *,
    until: int,
    decides: Deciding,
    owing: Owing,
    paces: Paces,
) -> CasesFit:
    """Return the cases that the executions which ended before `until` (microseconds) come to."""
    reading = _Reading(graphs, decides, owing, paces)
    kinds = {each.id: reading.kind(each) for each in executions}
    for each in executions:
        parent = kinds.get(each.parent)
        if parent is not None and each.parent_attempt:
            parent.children[path_of_attempt(each.parent_attempt)] = kinds[each.id]
    roots = [kinds[each.id] for each in executions if not each.depth and each.ended is not None and each.ended <= until]
    strata: dict[tuple[Any, ...], list[_Kind]] = {}
    for kind in roots:
        strata.setdefault(kind.way, []).append(kind)
    if not roots or (len(strata) == 1 and not _differ(roots)):
        return CasesFit(executions=len(roots), ways=len(strata))
    said = [*reading.warnings]
    if len(strata) > MOST_CASES:
        said.append(f"executions went {len(strata)} different ways; the {MOST_CASES} commonest are modelled")
    document, most = _document(strata, MOST_CASES), MOST_CASES
    while len(orjson.dumps(document)) > MOST_BYTES and most > FEWEST_CASES:
        most //= 2
        document = _document(strata, most)
    if most < min(MOST_CASES, len(strata)):
        said.append(f"inputs and answers are long: the {most} commonest of {len(strata)} ways are modelled")
    return CasesFit(document, len(roots), len(strata), tuple(said))


class _Reading:
    def __init__(self, graphs: Mapping[tuple[str, int], Graph], decides: Deciding, owing: Owing, paces: Paces) -> None:
        self.graphs = graphs
        self.decides = decides
        self.paces = paces
        self.owed: dict[str, dict[str, Owed]] = {}
        for (execution, step), owed in owing.owed.items():
            self.owed.setdefault(execution, {})[step] = owed
        self.too_long: set[str] = set()

    @property
    def warnings(self) -> list[str]:
        return [
            f"{step}: answers that may decide are longer than {LONGEST_ANSWER} bytes; in the model it always answers "
            "the same"
            for step in sorted(self.too_long)
        ]

    def kind(self, execution: Recorded) -> _Kind:
        kind = _Kind(
            input=self._kept(self.decides.part_of(execution.input), f"{execution.workflow}: input"),
            pace=self.paces.of.get(execution.id, 1.0),
            created=execution.created,
            fails=self.owed.get(execution.id, {}),
        )
        graph = self.graphs.get((execution.workflow, execution.revision))
        for entry in execution.entries if graph is not None else ():
            if entry.type == e.STEP_SKIPPED and entry.data.get("reason") == "condition":
                kind.skipped.add(place_of(entry.step))
            elif entry.type == e.STEP_COMPLETED and graph is not None:
                self._completed(kind, execution.workflow, entry.step, entry.data.get("output"), graph)
        return kind

    def _completed(self, kind: _Kind, workflow: str, path: str, output: Any, graph: Graph) -> None:
        place = place_of(path)
        kind.counts[place] = kind.counts.get(place, 0) + 1
        node = node_at(graph, path)
        if node is None or node.type != "service" or not isinstance(output, dict):
            return
        answer = self._kept(self.decides.part_of(output), f"{workflow}.{place}")
        if answer and len(kind.answers) < LONG_LIST:
            kind.answers[path] = answer
        if answer and place != path:
            # What comes after the rounds that were recorded is as the last of them: that one ended the loop.
            kind.answers[place] = answer

    def _kept(self, values: dict[str, Any], what: str) -> dict[str, Any]:
        if values and len(orjson.dumps(values)) > LONGEST_ANSWER:
            self.too_long.add(what)
            return {}
        return values


def _differ(kinds: Sequence[_Kind]) -> bool:
    """Say whether executions that went the same way differ in anything that may decide, or from the usual one."""
    first = kinds[0]
    return any(
        each.fails or each.pace != 1.0 or each.children or each.input != first.input or each.answers != first.answers
        for each in kinds
    )


def _document(strata: Mapping[tuple[Any, ...], list[_Kind]], most: int) -> dict[str, Any]:
    commonest = sorted(strata.values(), key=lambda kinds: (-len(kinds), kinds[0].created))[:most]
    total, answers, cases = sum(map(len, commonest)), _Answers(), []
    left = most - len(commonest)
    for kinds in commonest:
        count = min(len(kinds), 1 + int(left * len(kinds) / total))
        for chosen, part in _representatives(sorted(kinds, key=lambda kind: (kind.pace, kind.created)), count):
            pace = sum(kind.pace for kind in part) / len(part)
            cases.append({"count": len(part), **_case(chosen, answers, pace)})
    cases = _joined(cases)
    return {"cases": cases, **({"answers": answers.all} if answers.all else {})}


def _representatives(kinds: Sequence[_Kind], count: int) -> Iterable[tuple[_Kind, Sequence[_Kind]]]:
    bounds = [len(kinds) * place // count for place in range(count + 1)]
    for first, last in pairwise(bounds):
        yield kinds[(first + last) // 2], kinds[first:last]


class _Answers:
    """Answers that cases name by their place: what many were answered stands in a scenario once."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self._places: dict[bytes, int] = {}

    def place(self, answer: dict[str, Any]) -> int:
        key = orjson.dumps(answer, option=orjson.OPT_SORT_KEYS)
        place = self._places.setdefault(key, len(self.all))
        if place == len(self.all):
            self.all.append(answer)
        return place


def _case(kind: _Kind, answers: _Answers, pace: float) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if kind.input:
        document["input"] = kind.input
    if kind.answers:
        document["answers"] = {path: answers.place(answer) for path, answer in kind.answers.items()}
    if kind.fails:
        document["fails"] = {step: _failing(owed) for step, owed in sorted(kind.fails.items())}
    if pace != 1.0:
        document["pace"] = round(pace, 4)
    if kind.children:
        document["children"] = {
            path: _case(child, answers, child.pace) for path, child in sorted(kind.children.items())
        }
    return document


def _failing(owed: Owed) -> dict[str, Any]:
    status = owed.status if owed.code != f"http_{owed.status}" else None
    given = {"code": owed.code, "status": status, "retryable": owed.retryable, "first": owed.first}
    return {key: value for key, value in given.items() if value is not None}


def _joined(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cases with those that differ in nothing as one."""
    found: dict[bytes, dict[str, Any]] = {}
    for each in cases:
        key = orjson.dumps({**each, "count": 0}, option=orjson.OPT_SORT_KEYS)
        if key in found:
            found[key]["count"] += each["count"]
        else:
            found[key] = dict(each)
    return list(found.values())
