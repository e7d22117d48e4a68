"""A model of when executions were started: Poisson's with a rate in pieces, two modulated rates, or the recording.

What decides is in `simulation.arrivals.dispersion`: where a rate that is constant in pieces leaves counts no more
dispersed than Poisson's, that is the model. Otherwise Poisson is refused, whatever the mean rate may be: two
modulated rates are tried, and taken if they are as bursty as the recording at 1, 10 and 60 s; if not, the recording
is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulation.arrivals.dispersion import WINDOWS, Dispersion, counted, dispersion
from simulation.streams import Floats

from .modulated import TwoStates, fit_two_states

AS_BURSTY = 0.3
"""How far off the index of two modulated rates may be, as a share of the recording's, at every window."""

FEW = 30
POISSON, PIECEWISE, MODULATED, TRACE = "poisson", "piecewise", "modulated", "trace"


@dataclass(frozen=True, slots=True)
class ArrivalsFit:
    """How executions arrived: `document` is what a scenario says (of a trace: without its instants).

    `count` of them in `length` seconds; `dispersion` None: too short a recording to tell.
    """

    how: str
    document: Mapping[str, Any]
    count: int
    length: float
    dispersion: Dispersion | None
    modulated_indices: tuple[float, ...] | None
    warnings: tuple[str, ...]
    states: TwoStates | None = None

    @property
    def poisson_refused(self) -> bool:
        """Say whether Poisson arrivals, even with a rate that changes, may not stand for these."""
        return self.dispersion is not None and not self.dispersion.nearly_poisson

    def as_json(self) -> dict[str, Any]:
        """Return the fit as a report carries it."""
        found = self.dispersion
        told: dict[str, Any] = {"how": self.how, "count": self.count, "per_second": round(self.count / self.length, 6)}
        if found is not None:
            told |= {
                "idc": {f"{window:g}s": round(each, 3) for window, each in zip(WINDOWS, found.indices, strict=True)},
                "lag1": round(found.correlation, 3),
                "gap_variation": round(found.gap_variation, 3),
                "piece": None if found.piece is None or math.isinf(found.piece) else found.piece,
                "idc_1s_relative": round(found.relative, 3),
                "lag1_relative": round(found.left, 3),
                "poisson_refused": self.poisson_refused,
            }
        if self.modulated_indices is not None:
            told["modulated_idc"] = [round(each, 2) for each in self.modulated_indices]
        return told


def fit_arrivals(name: str, times: Floats, length: float) -> ArrivalsFit:
    """Return the model of arrivals at `times` (seconds from the window's beginning, ascending), `length` seconds long.

    Raises ValueError where there are none.
    """
    if not times.size:
        raise ValueError(f"{name}: nothing was started in the window, so there is no load to model")
    try:
        found = dispersion(times) if times.size >= FEW else None
    except ValueError:
        found = None
    if found is None:
        said = f"{name}: {times.size} arrivals in {length:.4g} s are too few to test for Poisson; they are replayed"
        return ArrivalsFit(TRACE, {"kind": TRACE}, int(times.size), length, None, None, (said,))
    if found.piece is not None:
        how, document = _piecewise(times, length, found.piece)
        return ArrivalsFit(how, document, int(times.size), length, found, None, ())
    return _bursty(name, times, length, found)


def _piecewise(times: Floats, length: float, piece: float) -> tuple[str, dict[str, Any]]:
    if math.isinf(piece):
        return POISSON, {"kind": POISSON, "per_second": float(f"{times.size / length:.6g}")}
    starts = np.arange(0.0, length, piece)
    ends = np.minimum(starts + piece, length)
    if ends[-1] - starts[-1] < piece / 2 and starts.size > 1:
        starts, ends = starts[:-1], np.append(ends[:-2], length)
    counts = np.searchsorted(times, ends) - np.searchsorted(times, starts)
    steps = [
        {"at": float(start), "per_second": float(f"{count / (end - start):.6g}")}
        for start, end, count in zip(starts, ends, counts, strict=True)
    ]
    return PIECEWISE, {"kind": PIECEWISE, "steps": steps}


def _bursty(name: str, times: Floats, length: float, found: Dispersion) -> ArrivalsFit:
    states = fit_two_states(counted(times, WINDOWS[0]), WINDOWS[0])
    indices = tuple(states.index(window) for window in WINDOWS)
    refused = (
        f"{name}: Poisson is refused, IDC(1 s) {found.indices[0]:.2f}, {found.relative:.2f} relative to any slow rate"
    )
    close = all(
        abs(one - other) <= AS_BURSTY * other for one, other in zip(indices, found.indices, strict=True)
    )  # fmt: skip
    if close:
        said = (f"{refused}; two modulated rates are as bursty",)
        return ArrivalsFit(MODULATED, _modulated(states), int(times.size), length, found, indices, said, states)
    said = (f"{refused}, and two modulated rates are not as bursty; the recording is replayed",)
    return ArrivalsFit(TRACE, {"kind": TRACE}, int(times.size), length, found, indices, said, states)


def going_on(name: str, times: Floats, length: float) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return how arrivals go on that came at `times` in the last `length` seconds, and what is to be said of it.

    What was Poisson's goes on at its last rate. A recording cannot go on, so bursts that two modulated rates do not
    catch go on as those rates all the same, and too few arrivals to test as Poisson's, with a warning each.
    """
    if not times.size:
        nothing = {"kind": PIECEWISE, "steps": [{"at": 0, "per_second": 0}]}
        return nothing, (f"{name}: nothing was started in the last {length:g} s, and nothing is in the model",)
    found = fit_arrivals(name, times, length)
    mean = float(f"{times.size / length:.6g}")
    if found.how == PIECEWISE:
        return {"kind": POISSON, "per_second": _last_rate(found, mean)}, found.warnings
    if found.how != TRACE:
        return dict(found.document), found.warnings
    if found.states is not None:
        said = f"{name}: Poisson is refused; two modulated rates stand for it, less bursty than what was recorded"
        return _modulated(found.states), (said,)
    said = f"{name}: {times.size} arrivals are too few to test for Poisson; it goes on as Poisson at {mean:g} a second"
    return {"kind": POISSON, "per_second": mean}, (said,)


def _last_rate(found: ArrivalsFit, mean: float) -> float:
    last = float(found.document["steps"][-1]["per_second"])
    return last if last > 0 else mean


def _modulated(states: TwoStates) -> dict[str, Any]:
    return {
        "kind": MODULATED,
        "states": [
            {"per_second": float(f"{rate:.6g}"), "stays": round(stay, 3)}
            for rate, stay in zip(states.rates, states.stays, strict=True)
        ],
    }
