"""Amounts of resources as authors write them (`500m` CPU, `256Mi`); inside they are whole millicores, bytes, bit/s."""

from __future__ import annotations

import math
import re

_FACTORS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kMGT]|[KMGT]i)?")
_CPU = re.compile(r"([0-9]{1,12})m|([0-9]{1,9}(?:\.[0-9]{1,9})?)")
_BINARY = ("Ti", "Gi", "Mi", "Ki")
MAX_QUANTITY = 2**53 - 1


def parse_cpu(value: str | int | float) -> int:
    """Return the millicores of a text like `500m` or `1.5`, or of a number of cores; ValueError otherwise."""
    if isinstance(value, str):
        match = _CPU.fullmatch(value)
        if match is None:
            raise ValueError("CPU is millicores like 500m, or a number of cores")
        return int(match[1]) if match[1] else _whole(float(match[2]) * 1000)
    return _whole(_number(value) * 1000)


def parse_size(value: str | int | float) -> int:
    """Return the whole number that `256Mi`, `1Gi`, `10M` or a plain number stands for; ValueError otherwise."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError("a size is a number with k, M, G, T, Ki, Mi, Gi, Ti or nothing after it, like 256Mi")
        return _whole(float(match[1]) * _FACTORS[match[2] or ""])
    return _whole(_number(value))


def format_cpu(millicores: int) -> str:
    """Return millicores as text: `500m`, or whole cores as `2`."""
    return f"{millicores}m" if millicores % 1000 else str(millicores // 1000)


def format_size(amount: int) -> str:
    """Return an amount with the largest binary unit that divides it: `256Mi`, `1Gi`, `1000`."""
    for unit in _BINARY:
        if amount and amount % _FACTORS[unit] == 0:
            return f"{amount // _FACTORS[unit]}{unit}"
    return str(amount)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("an amount is a finite number or a text with a unit")
    return float(value)


def _whole(amount: float) -> int:
    if amount < 0 or amount > MAX_QUANTITY:
        raise ValueError("an amount is not negative and at most 2^53-1")
    return round(amount)
