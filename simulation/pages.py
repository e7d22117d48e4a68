"""A page that needs nothing beside itself: one file, light and dark, with a table behind every picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from .blocks import Block, Picture, Said, Table

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --quiet: #5a6478; --paper: #ffffff; --panel: #f4f6fa; --rule: #d8dde6;
 --k0: #1f4fa3; --k1: #b04a00; --k2: #1a7a4c; --k3: #8a2f8f; --k4: #00707e; --k5: #7a5c00; --out: #b3261e;
 --s0: #eef3fb; --s1: #c3d5f2; --s2: #86a9e0; --s3: #3d6cbf; --s4: #173f86; --pale: #ffffff; --dark: #1d2433; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --quiet: #a3acbd; --paper: #14181f; --panel: #1d232d;
 --rule: #3a4352; --k0: #8db4ff; --k1: #ffb27a; --k2: #7fd6a6; --k3: #e3a0e8; --k4: #6fd3df; --k5: #e0c35c;
 --out: #ff8a80; --s0: #1f2836; --s1: #2a3d5e; --s2: #3d5f9c; --s3: #7aa2ea; --s4: #c4d9ff; --pale: #e6e9f0;
 --dark: #14181f; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
 background: var(--paper); }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--rule); padding-top: 1rem; }
figure { margin: 1rem 0 1.5rem; } figcaption { color: var(--quiet); } strong.answer { font-size: 1.1rem; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; display: block; }
svg text { fill: var(--ink); } svg text.small { font-size: 10px; fill: var(--quiet); }
.base { stroke: var(--rule); } .bar { stroke: var(--k0); stroke-opacity: .45; stroke-width: 8; }
circle { fill: var(--k0); } polyline { fill: none; stroke: var(--k0); stroke-width: 2; }
.line { fill: none; stroke-width: 2; } .band { stroke: none; fill-opacity: .18; }
.mark { stroke: var(--out); stroke-width: 1.5; stroke-dasharray: 5 4; }
.fill, .more { fill: var(--k0); }
.less { fill: var(--k1); } .fill.out { fill: var(--out); } .track { fill: var(--panel); }
.whisker { stroke: var(--ink); stroke-width: 2; }
.line.k0 { stroke: var(--k0); } .line.k1 { stroke: var(--k1); stroke-dasharray: 7 3; }
.line.k2 { stroke: var(--k2); stroke-dasharray: 2 3; } .line.k3 { stroke: var(--k3); stroke-dasharray: 9 3 2 3; }
.line.k4 { stroke: var(--k4); stroke-dasharray: 4 4; } .line.k5 { stroke: var(--k5); stroke-dasharray: 12 4; }
.band.k0, circle.k0 { fill: var(--k0); } .band.k1, circle.k1 { fill: var(--k1); }
.band.k2, circle.k2 { fill: var(--k2); }
.band.k3, circle.k3 { fill: var(--k3); } .band.k4, circle.k4 { fill: var(--k4); }
.band.k5, circle.k5 { fill: var(--k5); }
.cell { stroke: var(--rule); } .s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); }
.s3 { fill: var(--s3); } .s4 { fill: var(--s4); } svg text.on3, svg text.on4 { fill: var(--paper); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.5rem 0; }
caption { text-align: left; color: var(--quiet); padding-bottom: 0.25rem; }
th, td { padding: 0.25rem 0.6rem; white-space: nowrap; font-size: 0.9rem;
 border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; } th[scope=row] { font-weight: 400; }
details { margin: 0.5rem 0; } summary { cursor: pointer; color: var(--quiet); }
pre { background: var(--panel); padding: 1rem; overflow-x: auto; white-space: pre-wrap; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Return the whole page (HTML) of parts that are HTML already."""
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
    )
    body = f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def html_of(blocks: Sequence[Block]) -> str:
    """Return blocks as HTML."""
    return "".join(_block(each) for each in blocks)


def table_html(table: Table) -> str:
    """Return a table whose rows are named by their first cell."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in table.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(each)}</td>" for each in others)}</tr>'
        for first, *others in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    # Who has no mouse must be able to scroll a wide table.
    label = escape(table.caption or "table", quote=True)
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">'
    return f"{scroll}<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def again(document: dict[str, Any], seed: int, command: str) -> str:
    """Return the part of a page that says how to get the same answer again: the command, the seed, the scenario."""
    text = escape(json.dumps(document, indent=1, ensure_ascii=False))
    return (
        f"<h2>To run it again</h2><p>Seed {seed}. Save the scenario below as <code>scenario.json</code>, then:</p>"
        f"<pre>{escape(command)}</pre><details><summary>The scenario</summary><pre>{text}</pre></details>"
    )


def _block(block: Block) -> str:
    if isinstance(block, Said):
        return (
            f"<p><strong class=answer>{escape(block.text)}</strong></p>"
            if block.strong
            else f"<p>{escape(block.text)}</p>"
        )
    if isinstance(block, Table):
        return table_html(block)
    return _picture(block)


def _picture(picture: Picture) -> str:
    behind = ""
    if picture.table is not None:
        behind = f"<details><summary>The same as a table</summary>{table_html(picture.table)}</details>"
    return f"<figure><figcaption>{escape(picture.caption)}</figcaption>{picture.svg}{behind}</figure>"
