"""A result as one page that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import Line, bars, curves
from simulation.figures import bands, intervals
from simulation.pages import again, html_of, page
from simulation.statistics.comparison import CANNOT_TELL, FAIL, PASS
from simulation.statistics.intervals import Interval

from .building import seconds
from .cluster_summary import cluster_pictures
from .forecasting import Forecast
from .running import Result
from .summary import NOT_MODELLED, Judgement, Summary
from .text import lines_of, told

_PICTURED = ("mean", "p50", "p95", "p99")
_SERVICE = ("busy", "calls a second", "time", "inside", "failed", "postponed")


def page_of(result: Result) -> str:
    """Return the page (HTML) of a result."""
    parts = [f"<p>{escape(result.scenario.description)}</p>", html_of(list(_promises(result)))]
    for place, workload in enumerate(result.scenario.workloads):
        parts.append(f"<h2>Workload {escape(workload.name)}</h2>")
        parts.append(html_of([*_percentiles(result, place), *_spread(result, place), *_over_time(result, place)]))
    parts.append(f"<h2>Resources</h2>{html_of(list(_resources(result)))}")
    forecasts = [(each.name, each.forecast) for each in result.summaries if each.forecast is not None]
    if forecasts:
        parts.append(f"<h2>Under way</h2>{html_of([_under_way(name, forecast) for name, forecast in forecasts])}")
    for name, outcome in result.last.items():
        label = f"{name}, first replication"
        parts.append(cluster_pictures(outcome.cluster, seconds(result.scenario.horizon), label))
    if result.differences:
        parts.append(f"<h2>Variants</h2>{html_of([_differences(result)])}")
    text = escape("\n".join(lines_of(result)))
    left_out = "".join(f"<li>{escape(each)}</li>" for each in NOT_MODELLED)
    parts.append(f"<h2>Not modelled</h2><ul>{left_out}</ul>")
    parts.append(f"<h2>How it was found</h2>{html_of([_provenance(result)])}")
    parts.append(f"<details><summary>All figures as text</summary><pre>{text}</pre></details>")
    count = result.summaries[0].replications
    command = f"manage.py simulate scenario.json --replications {count} --seed {result.seed}"
    return page(result.scenario.scenario, [*parts, again(result.document, result.seed, command)])


def _under_way(name: str, found: Forecast) -> Picture:
    levels = [[each.low, each.middle, each.high] for each in found.open]
    label = f"Open executions, {name}: the middle replication and nine tenths of them"
    rows = tuple((f"{at:.0f}", *(f"{level:.0f}" for level in row)) for at, row in zip(found.at, levels, strict=True))
    table = Table("Open executions", ("after (s)", "low", "middle", "high"), rows)
    return Picture(label, bands(found.at[-1], [list(each) for each in zip(*levels, strict=True)], label), table)


def _promises(result: Result) -> Iterator[Block]:
    judged = [(summary.name, each) for summary in result.summaries for each in summary.judgements]
    if not judged:
        yield Said("Nothing is promised in this scenario, so nothing is judged.")
    else:
        for word, said in ((FAIL, "Broken"), (CANNOT_TELL, "Cannot be told yet"), (PASS, "Kept")):
            names = [f"{each.workload} {each.measure} ({variant})" for variant, each in judged if each.word == word]
            if names:
                yield Said(f"{said}: {', '.join(names)}.", strong=True)
        rows = tuple(_judged(variant, each) for variant, each in judged)
        yield Table("Promises", ("promise", "verdict", "found", "more replications"), rows)
    for summary in result.summaries:
        yield from (Said(f"{summary.name}: {note}") for note in summary.notes)


def _judged(variant: str, each: Judgement) -> tuple[str, ...]:
    promised = f"{each.promised:.2%}" if each.measure == "completed" else f"{each.promised:g} s"
    found = "too few executions" if each.figure is None else told(each.measure, each.figure)
    more = f"about {each.more}" if each.more else "–"
    return f"{variant}: {each.workload} {each.measure} {promised}", each.word, found, more


def _percentiles(result: Result, place: int) -> Iterator[Block]:
    measures = [name for name in _PICTURED if any(name in each.workloads[place].figures for each in result.summaries)]
    rows: list[tuple[str, Interval]] = [
        (f"{measure}, {each.name}", each.workloads[place].figures[measure])
        for measure in measures
        for each in result.summaries
        if measure in each.workloads[place].figures
    ]
    if rows:
        cells = tuple((name, f"{each.mean:.4g}", f"{each.low:.4g}", f"{each.high:.4g}") for name, each in rows)
        table = Table("Time from start to end (s)", ("figure", "mean", "low", "high"), cells)
        yield Picture("Time from start to end: figures with their 95 % intervals", intervals(rows, "s"), table)


def _spread(result: Result, place: int) -> Iterator[Block]:
    shapes = [(each.name, result.shapes[each.name][place]) for each in result.summaries]
    lines = [
        Line(name, tuple((band[0], share) for share, band in shape.spread), kind=kind)
        for kind, (name, shape) in enumerate(shapes)
        if shape.spread
    ]
    if not lines:
        return
    rows = tuple(
        (f"{share:.0%}", *(f"{shape.spread[row][1][0]:.4g}" for _, shape in shapes if shape.spread))
        for row, (share, _) in enumerate(next(shape for _, shape in shapes if shape.spread).spread)
    )
    table = Table("Time (s) within which so many are done", ("share", *(line.name for line in lines)), rows)
    label = "How the times are spread: the share of executions that are done within a time"
    yield Picture(label, curves(lines, across="time (s)", up="share", label=label, least=0.0, most=1.0), table)


def _over_time(result: Result, place: int) -> Iterator[Block]:
    for field, up, label in (
        ("completed", "a second", "Executions that complete, a second, over simulated time"),
        ("times", "mean time (s)", "Mean time of the executions that end, over simulated time"),
    ):
        series = [(each.name, getattr(result.shapes[each.name][place], field)) for each in result.summaries]
        lines = [
            Line(
                name,
                tuple((at, band[0]) for at, band in rows),
                tuple((band[1], band[2]) for _, band in rows),
                kind=kind,
            )
            for kind, (name, rows) in enumerate(series)
            if rows
        ]
        if lines:
            svg = curves(lines, across="simulated time (s)", up=up, label=label, least=0.0)
            yield Picture(f"{label}, with 95 % bands", svg, _series_table(series, up))


def _series_table(series: Sequence[tuple[str, Sequence[tuple[float, tuple[float, float, float]]]]], up: str) -> Table:
    by_variant = {name: dict(rows) for name, rows in series}
    instants = sorted({at for rows in by_variant.values() for at in rows})
    cells = tuple(
        (f"{at:.4g}", *(f"{rows[at][0]:.4g}" if at in rows else "–" for rows in by_variant.values())) for at in instants
    )
    return Table(f"{up}, by second", ("second", *by_variant), cells)


def _resources(result: Result) -> Iterator[Block]:
    for summary in result.summaries:
        rows = [(f"service {each.name}", each.figures["busy"]) for each in summary.services]
        if summary.worker_busy is not None:
            rows.append(("workers", summary.worker_busy))
        shown = [
            (name, busy.mean * 100, busy.low * 100, busy.high * 100, summary.bottleneck.startswith(f"{name},"))
            for name, busy in rows
        ]
        label = f"{summary.name}: how busy each resource is"
        yield Picture(f"{label} (bottleneck: {summary.bottleneck})", bars(shown, unit=" %", label=label, most=100.0))
        yield _services(result, summary)


def _services(result: Result, summary: Summary) -> Table:
    rows = tuple(
        (
            each.name,
            *(told(measure, each.figures[measure]) for measure in _SERVICE),
            f"{result.expected[summary.name][each.name]:.1%}",
        )
        for each in summary.services
    )
    workers = summary.worker_busy
    if workers is not None:
        rows = (*rows, ("workers", told("busy", workers), *("–" for _ in _SERVICE)))
    return Table(f"{summary.name}: resources", ("resource", *_SERVICE, "busy by the load alone"), rows)


def _differences(result: Result) -> Table:
    rows = tuple(
        (
            f"{name}: {measure}",
            told(measure.rpartition(" ")[2], interval, signed=True),
            "cannot tell" if interval.low <= 0 <= interval.high else "differs",
        )
        for name, differences in result.differences.items()
        for measure, interval in differences.items()
    )
    caption = f"Against {result.summaries[0].name}, replication by replication (95 %, Bonferroni over the variants)"
    return Table(caption, ("measure", "difference", "verdict"), rows)


def _provenance(result: Result) -> Table:
    rows = [
        ("seed", str(result.seed)),
        ("common random numbers", "by purpose and (job, attempt); replication n of every variant meets the same luck"),
        ("simulated time of a replication", f"{result.scenario.horizon / 1e6:g} s"),
        ("intervals", "95 %, Student's t over independent replications"),
        ("warm-up", "none: the question is about a change" if result.scenario.transient else "MSER-5, common to all"),
    ]
    rows += [
        (
            f"{each.name}: replications, attempts, warm-up left out",
            f"{each.replications}, {each.steps}, {_dropped(each)}",
        )
        for each in result.summaries
    ]
    return Table("", ("what", "how"), tuple(rows))


def _dropped(summary: Summary) -> str:
    return "; ".join(f"{each.dropped} of {each.name}" for each in summary.workloads)
