"""Models of services from recorded attempts: times per method and outcome, places, failures, and what they rest on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from simulation.streams import Floats, Streams

from .attempts import COMPLETED, Attempt, Reading
from .capacity import Places, infer_places
from .dependence import Correlation, correlation, size_classes
from .pace import Paces, without_pace
from .repeats import Owing
from .survival import Flags
from .times import DRIFTS, FEW, SURE, TimesFit, fit_times

UNKNOWN_CAPACITY = 1000
"""Calls that an instance serves at once where nothing recorded says how many: as good as any number."""

UNEVEN = 0.05
"""Methods' failure shares that lie further apart than this are told apart."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry says of a service: instances that may be called, its policy, what an instance bears."""

    instances: int
    policy: Mapping[str, Any] | None = None
    capacity: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceFit:
    """A service's model: `document` is what a scenario says of it, the rest is what it rests on.

    `methods` are the fits of times by method, `steps` those of steps that differ from others that call the same method
    (`workflow.step`), `failing` that of attempts that failed.
    """

    name: str
    document: Mapping[str, Any]
    methods: Mapping[str, TimesFit]
    steps: Mapping[str, TimesFit]
    failing: TimesFit | None
    places: Places
    size: Mapping[str, Correlation | None]
    outcomes: Mapping[str, Mapping[str, int]]
    postponed: Mapping[str, int]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the fit as a report carries it. `outcomes` counts attempts by step and what came of them."""
        return {
            "methods": {name: each.as_json() for name, each in self.methods.items()},
            "steps": {name: each.as_json() for name, each in self.steps.items()},
            "failing": None if self.failing is None else self.failing.as_json(),
            "outcomes": {step: dict(each) for step, each in self.outcomes.items()},
            "postponed": dict(self.postponed),
            "places": self.places.count,
            "most_at_once": self.places.most,
            "load_correlation": None if self.places.load is None else self.places.load.as_json(),
            "size_correlation": {
                method: None if each is None else each.as_json() for method, each in self.size.items()
            },
        }


@dataclass(frozen=True, slots=True)
class _Sample:
    """Attempts with their times without waiting (seconds), in the order in which they began."""

    attempts: Sequence[Attempt]
    times: Floats

    def of(self, chosen: Sequence[bool] | Flags) -> _Sample:
        places = np.flatnonzero(np.asarray(chosen))
        return _Sample([self.attempts[place] for place in places.tolist()], self.times[places])

    @property
    def seen(self) -> Flags:
        return np.array([each.seen for each in self.attempts], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Calls:
    """A service's attempts in the order in which they began, and what their instants say of its places."""

    attempts: Sequence[Attempt]
    places: Places


@dataclass(frozen=True, slots=True)
class Apart:
    """What belongs to executions rather than to calls, and so is no part of a service's model."""

    owing: Owing = field(default_factory=Owing)
    paces: Paces = field(default_factory=Paces)


def calls_of(name: str, reading: Reading) -> Calls:
    """Return a service's attempts with its places."""
    attempts = sorted((each for each in reading.attempts if each.service == name), key=lambda each: each.began)
    began = np.array([each.began for each in attempts], dtype=np.int64)
    ended = np.array([each.ended for each in attempts], dtype=np.int64)
    return Calls(attempts, infer_places(began, ended))


def fit_service(
    name: str,
    reading: Reading,
    registered: Registered | None,
    *,
    streams: Streams,
    p99_asked: bool = False,
    calls: Calls | None = None,
    apart: Apart | None = None,
) -> ServiceFit:
    """Return the model of a service from the attempts of it that were read (`calls`, where they are at hand).

    `apart` is what cases tell of its calls. Raises ValueError where no attempt of it was seen to its end.
    """
    given = calls or calls_of(name, reading)
    return _Fitting(name, reading, registered or Registered(1), streams, p99_asked, given, apart or Apart()).fit()


class _Fitting:
    def __init__(
        self,
        name: str,
        reading: Reading,
        registered: Registered,
        streams: Streams,
        p99_asked: bool,
        calls: Calls,
        apart: Apart,
    ) -> None:
        self.name = name
        self.registered = registered
        self.streams = streams
        self.p99_asked = p99_asked
        self.reading = reading
        self.said: list[str] = []
        self.apart = apart
        self.places = calls.places
        times = without_pace([each.execution for each in calls.attempts], calls.places.service, apart.paces)
        self.all = _Sample(calls.attempts, times)

    def fit(self) -> ServiceFit:
        served = self.all.of([each.outcome == COMPLETED or not each.seen for each in self.all.attempts])
        failed = self.all.of([each.seen and each.outcome != COMPLETED for each in self.all.attempts])
        if not served.seen.any():
            if not failed.attempts:
                raise ValueError(f"{self.name}: not one of {len(self.all.attempts)} attempts was seen to its end")
            served = failed
            self.said.append(f"{self.name}: no call of it succeeded; the times are those of failures")
        methods = self._by_method(served)
        steps = self._by_step(served)
        sizes = {
            method: self._size(method, served.of([each.method == method for each in served.attempts]))
            for method in methods
        }
        failing = self._failing(served, failed)
        outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        for each in self.all.attempts:
            outcomes[f"{each.workflow}.{each.step}"][each.outcome] += 1
        document = self._document(methods, steps, failing, failed)
        for every in (*methods.values(), *steps.values(), *(() if failing is None else (failing,))):
            self.said += every.warnings
        return ServiceFit(
            name=self.name,
            document=document,
            methods=methods,
            steps=steps,
            failing=failing,
            places=self.places,
            size=sizes,
            outcomes=outcomes,
            postponed={reason: count for (who, reason), count in self.reading.postponed.items() if who == self.name},
            warnings=tuple(dict.fromkeys(self.said)),
        )

    def _times(self, name: str, sample: _Sample) -> TimesFit:
        return fit_times(name, sample.times, sample.seen, streams=self.streams, p99_asked=self.p99_asked)

    def _by_method(self, served: _Sample) -> dict[str, TimesFit]:
        found = {}
        for method in sorted({each.method for each in served.attempts}):
            sample = served.of([each.method == method for each in served.attempts])
            if sample.seen.any():
                found[method] = self._times(f"{self.name}.{method}", sample)
            else:
                self.said.append(f"{self.name}.{method}: no attempt was seen to its end; it takes what the others take")
        return found

    def _by_step(self, served: _Sample) -> dict[str, TimesFit]:
        """Return fits of steps whose times are surely not those of the other steps that call the same method."""
        found = {}
        callers: dict[str, set[str]] = defaultdict(set)
        for each in served.attempts:
            callers[each.method].add(f"{each.workflow}.{each.step}")
        for method, steps in callers.items():
            for step in sorted(steps) if len(steps) > 1 else ():
                own = [f"{each.workflow}.{each.step}" == step for each in served.attempts]
                rest = [each.method == method and not mine for each, mine in zip(served.attempts, own, strict=True)]
                if self._differ(served.of(own), served.of(rest)):
                    found[step] = self._times(step, served.of(own))
        return found

    @staticmethod
    def _differ(one: _Sample, other: _Sample) -> bool:
        times, others = one.times[one.seen], other.times[other.seen]
        if min(times.size, others.size) < FEW:
            return False
        apart = ks_2samp(times, others, method="asymp")
        return bool(apart.pvalue < SURE and apart.statistic > DRIFTS)

    def _failing(self, served: _Sample, failed: _Sample) -> TimesFit | None:
        """Return the fit of failed attempts' times, where they are known to differ or there are enough of them."""
        if not failed.attempts or served is failed:
            return None
        return self._times(f"{self.name} failing", failed)

    def _size(self, method: str, sample: _Sample) -> Correlation | None:
        sample = sample.of(sample.seen)
        sizes = np.array([each.size for each in sample.attempts], dtype=np.float64)
        found = correlation(size_classes(sizes), sample.times) if sizes.size else None
        if found is not None and found.notable:
            self.said.append(
                f"{self.name}.{method}: times go with the input's size (ρ {found.rho:.2f}); the model draws them "
                "without looking at it"
            )
        return found

    def _document(
        self, methods: Mapping[str, TimesFit], steps: Mapping[str, TimesFit], failing: TimesFit | None, failed: _Sample
    ) -> dict[str, Any]:
        # The commonest method stands for those of which nothing was recorded.
        commonest = max(methods, key=lambda method: methods[method].count)
        document: dict[str, Any] = {"times": dict(methods[commonest].document)}
        others = {method: dict(each.document) for method, each in methods.items() if method != commonest}
        if others:
            document["methods"] = others
        if steps:
            document["steps"] = {step: dict(each.document) for step, each in steps.items()}
        document["instances"] = max(1, self.registered.instances)
        document["capacity"] = self._capacity()
        if failed.attempts:
            document["failures"] = self._failures(failing, failed)
        if self.registered.policy:
            document["policy"] = dict(self.registered.policy)
        answer = self.reading.answers.get(self.name)
        if answer:
            document["output"] = answer
        return document

    def _capacity(self) -> int:
        places, instances = self.places, max(1, self.registered.instances)
        if places.count is not None:
            return max(1, round(places.count / instances))
        load = places.load
        grows = load is not None and load.notable and load.rho > 0
        if grows and load is not None:
            self.said.append(
                f"{self.name}: times grow with the calls under way (ρ {load.rho:.2f}), which no number of places "
                "explains; the model's do not"
            )
        if self.registered.capacity is not None:
            return self.registered.capacity
        if not grows:
            self.said.append(
                f"{self.name}: with up to {places.most} calls at once nothing showed how many it bears; the model "
                f"bears {UNKNOWN_CAPACITY} an instance, so it says nothing of loads beyond"
            )
        return UNKNOWN_CAPACITY

    def _is_owed(self, attempt: Attempt) -> bool:
        return (attempt.execution, attempt.step) in self.apart.owing.owed

    def _failures(self, failing: TimesFit | None, failed: _Sample) -> dict[str, Any]:
        # What an execution's calls come to because of what it is stands in its case, and not here.
        ended = [each for each in self.all.attempts if each.seen and not self._is_owed(each)]
        by_chance = [each for each in failed.attempts if not self._is_owed(each)]
        codes = Counter(each.outcome for each in by_chance or failed.attempts)
        code = codes.most_common(1)[0][0]
        verdicts = Counter(each.retryable for each in failed.attempts if each.outcome == code)
        if len(codes) > 1 and by_chance:
            told = ", ".join(f"{name} {count}" for name, count in codes.most_common())
            self.said.append(f"{self.name}: failures are of several kinds ({told}); in the model all are {code}")
        document: dict[str, Any] = {"share": round(len(by_chance) / max(1, len(ended)), 6), "code": code}
        status = next((each.status for each in failed.attempts if each.outcome == code), None)
        if status is not None and code != f"http_{status}":
            document["status"] = status
        verdict = verdicts.most_common(1)[0][0]
        if verdict is not None:
            document["retryable"] = verdict
        shares = {}
        for method in sorted({each.method for each in ended}):
            of_method = [each for each in ended if each.method == method]
            shares[method] = round(sum(each.outcome != COMPLETED for each in of_method) / len(of_method), 6)
        if shares and max(shares.values()) - min(shares.values()) > UNEVEN:
            document["methods"] = shares
        if failing is not None:
            document["times"] = dict(failing.document)
        return document
