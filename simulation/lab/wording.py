"""Figures in words: times, shares, rates, and where they may lie."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.words.times import duration_words

TIMES = frozenset({"p50", "p95", "p99", "mean"})
SHARES = frozenset({"completed"})


def percent_words(share: float, digits: int = 0) -> str:
    """Return a share in percent, without zeros that say nothing."""
    told = f"{100 * share:.{digits}f}"
    return f"{told.rstrip('0').rstrip('.') if '.' in told else told} %"


def told_words(word: str, figure: Mapping[str, float]) -> str:
    """Return a figure with its interval; `word` is its measure."""
    if figure["low"] == figure["high"]:
        return value_words(word, figure["mean"])
    return f"{value_words(word, figure['mean'])} ({interval_words(word, figure)})"


def interval_words(word: str, figure: Mapping[str, float]) -> str:
    """Return where a figure may lie."""
    return f"{value_words(word, max(0.0, figure['low']))} to {value_words(word, figure['high'])}"


def value_words(word: str, value: float, *, signed: bool = False) -> str:
    """Return a value of a measure, with its unit."""
    sign = ("+" if value > 0 else "−" if value < 0 else "") if signed else ""
    value = abs(value) if signed else value
    if word in TIMES:
        return sign + time_words(value)
    return sign + (percent_words(value, 2) if word in SHARES else f"{value:.3g} a second")


def time_words(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 0.01:
        return f"{seconds * 1000:.2g} ms"
    return duration_words(round(seconds * 1_000_000))
