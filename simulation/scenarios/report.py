"""A result as one page that needs nothing beside itself."""

from __future__ import annotations

from html import escape

from simulation.figures import intervals, over_time

from .building import seconds
from .cluster_summary import cluster_pictures
from .running import Result
from .text import lines_of

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2433; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; display: block; margin: 0.5rem 0 1.5rem; }
.base { stroke: #d8dde6; } .bar { stroke: #6b8fd6; stroke-width: 8; } circle { fill: #1f4fa3; }
polyline { fill: none; stroke: #1f4fa3; stroke-width: 2; }
pre { background: #f4f6fa; padding: 1rem; overflow-x: auto; white-space: pre-wrap; }
"""
_PICTURED = ("mean", "p50", "p95", "p99")


def page_of(result: Result) -> str:
    """Return the page (HTML) of a result."""
    title = escape(result.scenario.scenario)
    parts = [f"<h1>{title}</h1>", f"<p>{escape(result.scenario.description)}</p>"]
    for place, workload in enumerate(result.scenario.workloads):
        parts.append(f"<h2>{escape(workload.name)}</h2>")
        for measure in _PICTURED:
            rows = [
                (each.name, each.workloads[place].figures[measure])
                for each in result.summaries
                if measure in each.workloads[place].figures
            ]
            if rows:
                parts.append(f"<h3>{measure} of the time from start to end</h3>{intervals(rows, 's')}")
        for name, outcome in result.last.items():
            found = outcome.workloads[workload.name]
            horizon = seconds(result.scenario.horizon)
            parts.append(over_time(found.ended_at, found.good, horizon, f"completed, {name}, first replication"))
    for name, outcome in result.last.items():
        label = f"{name}, first replication"
        parts.append(cluster_pictures(outcome.cluster, seconds(result.scenario.horizon), label))
    text = escape("\n".join(lines_of(result)))
    parts.append(f"<h2>All figures</h2><pre>{text}</pre>")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"
