"""A Markov-modulated Poisson process with two states, fitted to counts.

Counts of a second are taken for Poisson's at the rate of a hidden state that changes like a Markov chain: Baum and
Welch's algorithm (Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77, 1989). From the chain of step Δ the
mean stay in a state is Δ / (1 - pᵢᵢ). Whether the process is as bursty as the recording is then asked of its index of
dispersion (Heffes and Lucantoni, 1986), with r = 1/stays:

    IDC(t) = 1 + 2 (λ₁-λ₂)² r₁ r₂ / ((r₁+r₂)² (λ₁r₂ + λ₂r₁)) · (1 - (1 - e^{-(r₁+r₂)t}) / ((r₁+r₂) t))
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from simulation.streams import Floats

MOST_COUNTS = 10_000
ROUNDS = 40
ENOUGH = 1e-4


@dataclass(frozen=True, slots=True)
class TwoStates:
    """Rates (a second) and mean stays (seconds) of the two states, the quiet one first."""

    rates: tuple[float, float]
    stays: tuple[float, float]

    def index(self, window: float) -> float:
        """Return the index of dispersion of counts in `window` seconds."""
        (one, other), (leave, back) = self.rates, (1 / self.stays[0], 1 / self.stays[1])
        both = leave + back
        mean = one * back + other * leave
        if mean <= 0:
            return 1.0
        weight = 2 * (one - other) ** 2 * leave * back / (both**2 * mean)
        return 1 + weight * (1 - -math.expm1(-both * window) / (both * window))


def fit_two_states(counts: Floats, window: float) -> TwoStates:
    """Return the two states that counts in windows of `window` seconds came from, most likely."""
    counts = counts[:MOST_COUNTS]
    middle = float(np.quantile(counts, 0.8))
    low, high = counts[counts <= middle], counts[counts > middle]
    rates = np.array([low.mean() if low.size else counts.mean(), high.mean() if high.size else counts.mean() * 2])
    rates = np.maximum(rates, 1e-3)
    moves = np.array([[0.9, 0.1], [0.3, 0.7]])
    before = -math.inf
    for _ in range(ROUNDS):
        likelihood, weights, pairs = _expected(counts, rates, moves)
        rates = np.maximum((weights * counts[:, None]).sum(axis=0) / weights.sum(axis=0), 1e-6)
        moves = pairs / pairs.sum(axis=1, keepdims=True)
        if likelihood - before < ENOUGH * abs(likelihood):
            break
        before = likelihood
    leaves = np.clip(1 - np.diag(moves), 1 / counts.size, 1 - 1e-9)
    order = np.argsort(rates)
    per_second, stays = rates[order] / window, window / leaves[order]
    return TwoStates((float(per_second[0]), float(per_second[1])), (float(stays[0]), float(stays[1])))


def _expected(counts: Floats, rates: Floats, moves: Floats) -> tuple[float, Floats, Floats]:
    """Return the log-likelihood, each count's weights of the states, and the expected moves between them."""
    logs = counts[:, None] * np.log(rates) - rates - gammaln(counts + 1)[:, None]
    top = logs.max(axis=1, keepdims=True)
    told = np.exp(logs - top).tolist()
    (stay, leave), (back, rest) = moves.tolist()
    forward: list[tuple[float, float]] = []
    likelihood, (quiet, busy) = 0.0, (0.5, 0.5)
    for place, (one, other) in enumerate(told):
        if place:
            quiet, busy = quiet * stay + busy * back, quiet * leave + busy * rest
        quiet, busy = quiet * one, busy * other
        whole = quiet + busy
        quiet, busy = quiet / whole, busy / whole
        likelihood += math.log(whole)
        forward.append((quiet, busy))
    weights, pairs = np.empty((counts.size, 2)), np.zeros((2, 2))
    ahead, behind = 1.0, 1.0
    weights[-1] = forward[-1]
    for place in range(counts.size - 2, -1, -1):
        one, other = told[place + 1][0] * ahead, told[place + 1][1] * behind
        quiet, busy = forward[place]
        both = np.array(((quiet * stay * one, quiet * leave * other), (busy * back * one, busy * rest * other)))
        pairs += both / both.sum()
        ahead, behind = stay * one + leave * other, back * one + rest * other
        scale = ahead + behind
        ahead, behind = ahead / scale, behind / scale
        weight = quiet * ahead + busy * behind
        weights[place] = quiet * ahead / weight, busy * behind / weight
    return likelihood + float(top.sum()), weights, pairs
