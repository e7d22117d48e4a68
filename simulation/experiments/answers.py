"""An experiment's answer: its blocks, and the same for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulation.blocks import Block, Said, text_of
from simulation.pages import again, html_of, page
from simulation.scenarios.summary import NOT_MODELLED
from simulation.statistics.intervals import Interval

_TIMES = frozenset({"mean", "p50", "p95", "p99"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What an experiment came to. `data` is its JSON; `kept` False: no set-up that was looked for is there.

    `asked` is what to type after the file to ask it again.
    """

    kind: str
    asked: str
    document: dict[str, Any]
    seed: int
    blocks: Sequence[Block]
    data: dict[str, Any] = field(default_factory=dict)
    kept: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return the answer as programs read it. Times are seconds."""
        said = [each.text for each in self.blocks if isinstance(each, Said)]
        return {
            "scenario": self.document.get("scenario"),
            "experiment": self.kind,
            "seed": self.seed,
            **self.data,
            "said": said,
            "not_modelled": list(NOT_MODELLED),
        }

    def lines(self) -> Iterator[str]:
        """Yield the answer's lines as a terminal shows them."""
        yield f"{self.document.get('scenario')}: {self.kind}, seed {self.seed}"
        yield from text_of(self.blocks)
        yield ""
        yield "Not modelled: " + "; ".join(NOT_MODELLED) + "."

    def page(self) -> str:
        """Return the answer's page (HTML), which needs nothing beside itself."""
        title = f"{self.document.get('scenario')}: {self.kind}"
        command = f"manage.py simulate scenario.json {self.asked} --seed {self.seed}"
        left_out = "".join(f"<li>{each}</li>" for each in NOT_MODELLED)
        parts = [html_of(self.blocks), f"<h2>Not modelled</h2><ul>{left_out}</ul>"]
        return page(title, [*parts, again(self.document, self.seed, command)])


def figure(measure: str, interval: Interval | None) -> str:
    """Return a figure with the half-width of its interval: times in seconds, shares in percent."""
    if interval is None:
        return "too few"
    if measure in {"completed", "busy", "failed"}:
        return f"{interval.mean:.2%} ±{interval.half_width:.2%}"
    unit = " s" if measure in _TIMES else ""
    return f"{interval.mean:.4g} ±{interval.half_width:.2g}{unit}"
