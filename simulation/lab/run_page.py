"""A run as its page shows it: one sentence, the curve, the figures with their intervals, what was promised, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.words.states import Look
from dashboard.words.times import elapsed_words, micros

from .experiment_page import Section, experiment_sentence, sections_of
from .looks import CANNOT_TELL, FAIL, PASS, STATES, VERDICTS
from .pictures import Curve, Span, curve_of, span_of, steps_of
from .queries import RunDetail, RunSummary
from .questions import KINDS
from .wording import TIMES, interval_words, percent_words, time_words, told_words, value_words

MEASURES = (("p50", "Half of them within"), ("p95", "95 % within"), ("p99", "99 % within"), ("mean", "On average"))
_SHARE_WORDS = {"p50": "half", "p95": "95 %", "p99": "99 %"}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list."""

    id: str
    name: str
    state: Look
    verdict: Look | None
    percent: int
    active: bool
    by: str
    created_at: datetime
    took: str


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure of a variant: its mean, its interval in words, and both on a scale."""

    variant: str
    mean: str
    interval: str
    span: Span


@dataclass(frozen=True, slots=True)
class Figures:
    """One measure of a workload, of all variants."""

    title: str
    rows: tuple[FigureRow, ...]
    promised: str


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that may be busy: how much, of each variant; `worst` marks the bottleneck."""

    name: str
    worst: bool
    span: Span
    shares: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise, whether a variant keeps it, and by what figure."""

    variant: str
    words: str
    verdict: Look
    got: str
    more: str


@dataclass(frozen=True, slots=True)
class Difference:
    """How a variant differs from the scenario as it is written, replication by replication."""

    variant: str
    measure: str
    difference: str
    interval: str
    verdict: Look


@dataclass(frozen=True, slots=True)
class CurveRow:
    """A point of the curve as a row."""

    offered: str
    times: str
    figures: tuple[str, ...]
    busiest: str


@dataclass(frozen=True, slots=True)
class RunPage:
    """All that the page of a run shows. `stamp` changes whenever it does."""

    row: RunRow
    scenario_id: str
    seed: int
    stamp: str
    sentence: Look
    detail: str
    facts: tuple[tuple[str, str], ...]
    problems: tuple[tuple[str, str], ...]
    note: str
    variants: tuple[str, ...]
    curve: Curve | None
    curve_rows: tuple[CurveRow, ...]
    curve_coming: bool
    measures: tuple[str, ...]
    figures: tuple[Figures, ...]
    resources: tuple[Resource, ...]
    promises: tuple[Promise, ...]
    differences: tuple[Difference, ...]
    over_time: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    not_modelled: tuple[str, ...]
    text: str
    asked: str = ""
    sections: tuple[Section, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()


def run_row(run: RunSummary, now: datetime) -> RunRow:
    """Return a run as a row of a list."""
    begun, ended = micros(run.started_at), micros(run.ended_at or now) or 0
    return RunRow(
        id=str(run.id),
        name=run.name,
        state=STATES[run.state],
        verdict=VERDICTS.get(run.verdict),
        percent=round(100 * run.progress),
        active=run.active,
        by=run.created_by,
        created_at=run.created_at,
        took="–" if begun is None else elapsed_words(ended - begun),
    )


def run_page(run: RunDetail, now: datetime) -> RunPage:
    """Return the page of a run as it stands now."""
    result = run.result or {}
    compare = result.get("compare") or {}
    load = result.get("load")
    variants: list[dict[str, Any]] = compare.get("variants", [])
    first = next(iter(variants[0]["workloads"]), "") if variants else ""
    row = run_row(run.summary, now)
    experiment = run.experiment is not None
    sentence, detail = experiment_sentence(run) if experiment else _sentence(run, variants, load)
    return RunPage(
        row=row,
        scenario_id=str(run.summary.scenario_id or ""),
        seed=run.seed,
        stamp=f"{run.summary.state}.{run.done}.{run.told}",
        sentence=sentence,
        detail=detail,
        facts=tuple(_facts(run, row, result)),
        problems=tuple((each.path, each.message) for each in run.problems),
        note=run.note,
        variants=tuple(each["name"] for each in variants),
        curve=_curve(load, first, variants) if load and first else None,
        curve_rows=tuple(_curve_rows(load, first)) if load and first else (),
        curve_coming=run.summary.active and not experiment and not load and not _transient(compare),
        measures=tuple(word for word, _ in MEASURES),
        figures=tuple(_figures(variants)),
        resources=tuple(_resources(variants)),
        promises=tuple(_promises(variants)),
        differences=tuple(_differences(compare.get("differences", {}))),
        over_time=tuple(_over_time(compare.get("over_time", {}))),
        notes=tuple(f"{each['name']}: {note}" for each in variants for note in each["notes"]),
        not_modelled=tuple((compare or result.get("experiment") or {}).get("not_modelled", ())),
        text=run.text,
        asked="" if run.experiment is None else KINDS[run.experiment["kind"]][0],
        sections=sections_of(result.get("blocks", ())),
        costs=tuple((name, each["words"]) for name, each in compare.get("costs", {}).items()),
    )


def _transient(compare: Mapping[str, Any]) -> bool:
    return bool(compare.get("over_time"))


def _facts(run: RunDetail, row: RunRow, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    replications = result.get("replications", 0)
    if replications or run.experiment is None:
        yield "replications told", str(replications)
    if run.experiment is not None:
        yield "replications made", str(run.done)
    yield "took" if not row.active else "for", row.took
    yield "started by", row.by
    yield "seed", str(run.seed)


def _sentence(run: RunDetail, variants: list[dict[str, Any]], load: Any) -> tuple[Look, str]:
    state = run.summary.state
    if state == "failed":
        return Look("failed", "It cannot be simulated as it is.", "bad"), ""
    if not variants:
        words = {
            "queued": ("pending", "It waits for a worker."),
            "running": ("running", "The first replications run."),
            "cancelled": ("cancelled", "It was cancelled before anything could be told."),
        }
        icon, said = words.get(state, ("unknown", "Nothing was told."))
        return Look(icon, said, "running" if state == "running" else "neutral"), ""
    return _answer(variants[0]), " ".join(_details(variants[0], load))


def _answer(written: Mapping[str, Any]) -> Look:
    slos = written["slos"]
    if not slos:
        return Look("completed", "Nothing is promised, so nothing is broken.", "neutral")
    worst = next(word for word in (FAIL, CANNOT_TELL, PASS) if any(each["verdict"] == word for each in slos))
    slo = next(each for each in slos if each["verdict"] == worst)
    look = VERDICTS[worst]
    said = {PASS: "It holds", FAIL: "It breaks", CANNOT_TELL: "It cannot be told yet"}[worst]
    return Look(look.icon, f"{said}: {_answer_words(slo)}.", look.hue)


def _answer_words(slo: Mapping[str, Any]) -> str:
    promised = value_words(slo["measure"], slo["promised"])
    if slo["got"] is None:
        return f"there are too few executions in a replication for {_promise_words(slo)}"
    got = value_words(slo["measure"], slo["got"]["mean"])
    far = f" so far (between {interval_words(slo['measure'], slo['got'])})" if slo["verdict"] == CANNOT_TELL else ""
    if slo["measure"] == "completed":
        return f"{got} of {slo['workload']} complete{far}, {promised} are promised"
    return f"{_SHARE_WORDS[slo['measure']]} of {slo['workload']} end within {got}{far}, {promised} are promised"


def _promise_words(slo: Mapping[str, Any]) -> str:
    if slo["measure"] == "completed":
        return f"{percent_words(slo['promised'], 2)} of {slo['workload']} complete"
    return f"{_SHARE_WORDS[slo['measure']]} of {slo['workload']} within {time_words(slo['promised'])}"


def _details(written: Mapping[str, Any], load: Any) -> Iterator[str]:
    knee = (load or {}).get("knee")
    if knee is not None:
        now = _now_of(load)
        times = f", {knee['load'] / now:.2g} times the load" if now else ""
        unit = {"per_second": " a second", "users": " users", "times": " times the load"}[load["unit"]]
        yield f"Latency turns up at about {knee['load']:.3g}{unit}{times}."
    busy = _busy(written)
    if busy:
        name, figure = max(busy.items(), key=lambda each: each[1]["mean"])
        yield f"{name} is the bottleneck, {percent_words(figure['mean'])} busy."


def _now_of(load: Mapping[str, Any]) -> float:
    """Return the load as it is, in the curve's unit."""
    point = load["points"][0]
    return float(point["offered"]) / float(point["factor"])


def _curve(load: Mapping[str, Any], workload: str, variants: list[dict[str, Any]]) -> Curve | None:
    promised = {each["measure"]: each["promised"] for each in variants[0]["slos"] if each["workload"] == workload}
    return curve_of(load, workload, _now_of(load), promised)


def _curve_rows(load: Mapping[str, Any], workload: str) -> Iterator[CurveRow]:
    for point in load["points"]:
        figures = point["workloads"][workload]["figures"]
        name, share = max(point["busy"].items(), key=lambda each: each[1], default=("nothing", 0.0))
        yield CurveRow(
            offered=f"{point['offered']:.3g}",
            times=f"{point['factor']:g} ×",
            figures=tuple(told_words(word, figures[word]) if word in figures else "too few" for word, _ in MEASURES),
            busiest=f"{name} {percent_words(share)}",
        )


def _figures(variants: list[dict[str, Any]]) -> Iterator[Figures]:
    for workload in variants[0]["workloads"] if variants else ():
        shown = [
            (word, title, [(each["name"], each["workloads"].get(workload, {})) for each in variants])
            for word, title in MEASURES
        ]
        told = [
            (word, title, [(name, told[word]) for name, told in rows if word in told]) for word, title, rows in shown
        ]
        highest = max((figure["high"] for word, _, rows in told for _, figure in rows), default=0.0)
        for word, title, rows in told:
            if not rows:
                continue
            promised = _promised(variants[0], workload, word)
            yield Figures(
                title=f"{workload}: {title[0].lower()}{title[1:]}" if len(variants[0]["workloads"]) > 1 else title,
                rows=tuple(
                    FigureRow(
                        name,
                        time_words(figure["mean"]),
                        interval_words(word, figure),
                        span_of(figure, highest, promised),
                    )
                    for name, figure in rows
                ),
                promised="" if promised is None else time_words(promised),
            )


def _promised(written: Mapping[str, Any], workload: str, word: str) -> float | None:
    found = [each["promised"] for each in written["slos"] if (each["workload"], each["measure"]) == (workload, word)]
    return found[0] if found else None


def _busy(variant: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    busy = {name: told["busy"] for name, told in variant["services"].items()}
    return {**busy, "workers": variant["workers"]} if variant["workers"] else busy


def _resources(variants: list[dict[str, Any]]) -> Iterator[Resource]:
    if not variants:
        return
    written = _busy(variants[0])
    worst = max(written, key=lambda name: written[name]["mean"], default="")
    for name, figure in sorted(written.items(), key=lambda each: -each[1]["mean"]):
        shares = [_busy(each).get(name) for each in variants]
        yield Resource(
            name=name,
            worst=name == worst,
            span=span_of(figure, 1.0),
            shares=tuple("–" if each is None else percent_words(each["mean"]) for each in shares),
        )


def _promises(variants: list[dict[str, Any]]) -> Iterator[Promise]:
    for variant in variants:
        for slo in variant["slos"]:
            undecided = slo["verdict"] == CANNOT_TELL
            more = f"about {slo['more_replications']} more replications would tell" if slo["more_replications"] else ""
            few = slo["got"] is None
            yield Promise(
                variant=variant["name"],
                words=_promise_words(slo),
                verdict=VERDICTS[slo["verdict"]],
                got="too few executions; lengthen the simulated time"
                if few
                else told_words(slo["measure"], slo["got"]),
                more=more if undecided and not few else "",
            )


def _differences(told: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for variant, measures in told.items():
        for measure, figure in measures.items():
            word = measure.rpartition(" ")[2]
            same = figure["low"] == figure["high"] == 0
            if same or (word not in TIMES and word not in {"throughput", "completed"}):
                continue
            low, high = (value_words(word, figure[end], signed=True) for end in ("low", "high"))
            yield Difference(
                variant=variant,
                measure=measure,
                difference=value_words(word, figure["mean"], signed=True),
                interval=f"{low} to {high}",
                verdict=_better(word, figure),
            )


def _better(word: str, figure: Mapping[str, float]) -> Look:
    if figure["low"] <= 0 <= figure["high"]:
        return Look("unknown", "No difference shown", "neutral")
    lower = figure["high"] < 0
    if lower == (word in TIMES):
        return Look("completed", "Better", "good")
    return Look("failed", "Worse", "bad")


def _over_time(told: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, str]]:
    highest = max((value for values in told.values() for value in values), default=0.0)
    for name, values in told.items():
        yield name, steps_of(values, highest)
