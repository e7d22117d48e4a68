"""Which instances get nothing for a while because real calls of them failed."""

from __future__ import annotations

from ..balancing import Load
from .policy import Outliers


def is_outlier(load: Load, rules: Outliers) -> bool:
    """Say whether the instance's calls failed often enough in a row."""
    return rules.enabled and load.failures >= rules.failures


def leave_out(load: Load, rules: Outliers, *, out: int, of: int, time: int, now: int) -> bool:
    """Leave the instance out for `time` microseconds unless too many are; return whether it is left out anew.

    `out` of the service's `of` usable instances are left out already. The last one never is, whatever the rules say.
    """
    if load.out_until > now or out + 1 > rules.at_most * of or out + 1 >= of:
        return False
    load.out_until = now + time
    load.failures = 0
    return True
