"""Five families of times, fitted by maximum likelihood where some times are only bounds, and chosen by AIC.

The likelihood of a time that was seen is its density, of one that was not its survival function (Lawless,
*Statistical Models and Methods for Lifetime Data*, 2003, ch. 2): ln L = Σ_seen ln f(x) + Σ_unseen ln S(x).
AIC = 2k - 2 ln L (Akaike, 1974). The exponential has a closed form, and the lognormal where all were seen; the others
are climbed (Nelder and Mead, 1965) on the logarithms of their parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaincc, gammaln, log_ndtr, logit

from simulation.service_models import distributions as d
from simulation.streams import Floats

Parameters = Floats
LEAST = 1e-6
"""Times below a microsecond count as one: journals do not tell them apart."""

_FLOOR = 1e-300


@dataclass(frozen=True, slots=True)
class Family:
    """A family of times: its log-density, log-survival and start by (mean, scv), all in free parameters."""

    name: str
    log_density: Callable[[Parameters, Floats], Floats]
    log_survival: Callable[[Parameters, Floats], Floats]
    start: Callable[[float, float], Parameters]
    distribution: Callable[[Parameters], d.Distribution]
    document: Callable[[Parameters], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A family with its parameters, in seconds; `log_likelihood` is that of the sample it was fitted to."""

    family: Family
    parameters: Parameters
    log_likelihood: float

    @property
    def aic(self) -> float:
        """Return Akaike's criterion: the smaller, the better."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood

    @property
    def distribution(self) -> d.Distribution:
        """Return the distribution as the simulator draws from it."""
        return self.family.distribution(self.parameters)

    def document(self) -> dict[str, Any]:
        """Return it as a scenario says it."""
        return {"kind": self.family.name, **self.family.document(self.parameters)}

    def reached(self, times: Floats) -> Floats:
        """Return the share of times that are no longer than each of `times` (seconds)."""
        survival: Floats = np.exp(self.family.log_survival(self.parameters, np.maximum(times, LEAST)))
        return 1 - survival


def fit(family: Family, seen: Floats, unseen: Floats, start: Parameters | None = None) -> Fitted:
    """Return the family's likeliest member. Times are seconds; `unseen` are bounds from below.

    With a `start` nearby the climb is short.
    """
    seen, unseen = np.maximum(seen, LEAST), np.maximum(unseen, LEAST)
    if family.name == EXPONENTIAL.name:
        parameters = np.array([math.log((seen.sum() + unseen.sum()) / seen.size)])
        return Fitted(family, parameters, _log_likelihood(family, parameters, seen, unseen))
    if family.name == LOGNORMAL.name and not unseen.size:
        logs = np.log(seen)
        parameters = np.array([logs.mean(), math.log(max(1e-9, float(logs.std())))])
        return Fitted(family, parameters, _log_likelihood(family, parameters, seen, unseen))
    mean = float(seen.mean())
    scv = max(1e-4, float(seen.var()) / mean**2)
    begin = family.start(mean, scv) if start is None else start
    found = minimize(
        lambda parameters: -_log_likelihood(family, parameters, seen, unseen),
        begin,
        method="Nelder-Mead",
        options={"maxiter": 400, "xatol": 1e-4, "fatol": 1e-5}
        if start is None
        else {"maxiter": 80, "xatol": 1e-2, "fatol": 1e-2},
    )
    return Fitted(family, found.x, -float(found.fun))


def fit_all(seen: Floats, unseen: Floats) -> list[Fitted]:
    """Return every family's likeliest member, the best by AIC first."""
    return sorted((fit(family, seen, unseen) for family in FAMILIES.values()), key=lambda each: each.aic)


def _log_likelihood(family: Family, parameters: Parameters, seen: Floats, unseen: Floats) -> float:
    with np.errstate(all="ignore"):
        found = float(family.log_density(parameters, seen).sum())
        if unseen.size:
            found += float(family.log_survival(parameters, unseen).sum())
    return found if math.isfinite(found) else -1e300


# The families. Free parameters are logarithms (a share: its logit), so that nothing has to be bounded.


def _exponential_density(p: Parameters, x: Floats) -> Floats:
    return -p[0] - x * np.exp(-p[0])


def _exponential_survival(p: Parameters, x: Floats) -> Floats:
    survival: Floats = -x * np.exp(-p[0])
    return survival


def _gamma_density(p: Parameters, x: Floats) -> Floats:
    shape, scale = np.exp(p[0]), np.exp(p[1])
    density: Floats = (shape - 1) * np.log(x) - x / scale - gammaln(shape) - shape * p[1]
    return density


def _gamma_survival(p: Parameters, x: Floats) -> Floats:
    survival: Floats = np.log(np.maximum(gammaincc(np.exp(p[0]), x / np.exp(p[1])), _FLOOR))
    return survival


def _weibull_density(p: Parameters, x: Floats) -> Floats:
    shape, z = np.exp(p[0]), np.log(x) - p[1]
    density: Floats = p[0] - p[1] + (shape - 1) * z - np.exp(shape * z)
    return density


def _weibull_survival(p: Parameters, x: Floats) -> Floats:
    survival: Floats = -np.exp(np.exp(p[0]) * (np.log(x) - p[1]))
    return survival


def _lognormal_density(p: Parameters, x: Floats) -> Floats:
    z = (np.log(x) - p[0]) / np.exp(p[1])
    density: Floats = -0.5 * z * z - np.log(x) - p[1] - 0.5 * math.log(2 * math.pi)
    return density


def _lognormal_survival(p: Parameters, x: Floats) -> Floats:
    survival: Floats = log_ndtr(-(np.log(x) - p[0]) / np.exp(p[1]))
    return survival


def _mixture(p: Parameters) -> tuple[float, float, float]:
    return float(expit(p[0])), float(np.exp(p[1])), float(np.exp(p[2]))


def _hyper_density(p: Parameters, x: Floats) -> Floats:
    share, one, other = _mixture(p)
    density: Floats = np.log(
        np.maximum(share / one * np.exp(-x / one) + (1 - share) / other * np.exp(-x / other), _FLOOR)
    )
    return density


def _hyper_survival(p: Parameters, x: Floats) -> Floats:
    share, one, other = _mixture(p)
    survival: Floats = np.log(np.maximum(share * np.exp(-x / one) + (1 - share) * np.exp(-x / other), _FLOOR))
    return survival


def _hyper_start(mean: float, scv: float) -> Parameters:
    begin = d.HyperExponential.balanced(mean, min(100.0, max(scv, 1.5)))
    return np.array([logit(begin.share), math.log(begin.one), math.log(begin.other)])


def _us(time: float) -> float:
    return round(time, 6)


EXPONENTIAL = Family(
    "exponential",
    _exponential_density,
    _exponential_survival,
    lambda mean, scv: np.array([math.log(mean)]),
    lambda p: d.Exponential(float(np.exp(p[0]))),
    lambda p: {"mean": _us(float(np.exp(p[0])))},
)
GAMMA = Family(
    "gamma",
    _gamma_density,
    _gamma_survival,
    lambda mean, scv: np.array([-math.log(scv), math.log(mean * scv)]),
    lambda p: d.Gamma(float(np.exp(p[0] + p[1])), float(np.exp(-p[0]))),
    lambda p: {"mean": _us(float(np.exp(p[0] + p[1]))), "scv": float(f"{np.exp(-p[0]):.6g}")},
)
WEIBULL = Family(
    "weibull",
    _weibull_density,
    _weibull_survival,
    lambda mean, scv: np.array([-0.5 * math.log(scv), math.log(mean)]),
    lambda p: d.Weibull(float(np.exp(p[0])), float(np.exp(p[1]))),
    lambda p: {"shape": float(f"{np.exp(p[0]):.6g}"), "scale": _us(float(np.exp(p[1])))},
)
LOGNORMAL = Family(
    "lognormal",
    _lognormal_density,
    _lognormal_survival,
    lambda mean, scv: np.array([math.log(mean) - math.log1p(scv) / 2, 0.5 * math.log(math.log1p(scv))]),
    lambda p: d.Lognormal(float(np.exp(p[0] + np.exp(2 * p[1]) / 2)), float(np.expm1(np.exp(2 * p[1])))),
    lambda p: {
        "mean": _us(float(np.exp(p[0] + np.exp(2 * p[1]) / 2))),
        "scv": float(f"{np.expm1(np.exp(2 * p[1])):.6g}"),
    },
)
HYPER_EXPONENTIAL = Family(
    "hyper-exponential",
    _hyper_density,
    _hyper_survival,
    _hyper_start,
    lambda p: d.HyperExponential(*_mixture(p)),
    lambda p: dict(zip(("share", "one", "other"), (float(f"{each:.6g}") for each in _mixture(p)), strict=True)),
)
FAMILIES: Mapping[str, Family] = {
    each.name: each for each in (EXPONENTIAL, GAMMA, WEIBULL, LOGNORMAL, HYPER_EXPONENTIAL)
}
