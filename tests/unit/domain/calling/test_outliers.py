"""Which instances get nothing for a while because their calls failed."""

from __future__ import annotations

from orchestration.domain.balancing import Load
from orchestration.domain.calling.outliers import is_outlier, leave_out
from orchestration.domain.calling.policy import SECOND, Outliers

NOW = 1_900_000_000 * SECOND
RULES = Outliers(failures=3, eject_for=30 * SECOND, at_most=0.5)


def load_after(answers: str) -> Load:
    load = Load()
    for answer in answers:
        load.begun(NOW)
        load.ended(failed=answer == "-", took=1000, now=NOW)
    return load


def put_out(load: Load, *, out: int, of: int) -> bool:
    return leave_out(load, RULES, out=out, of=of, time=RULES.eject_for, now=NOW)


def test_it_takes_failures_in_a_row():
    assert not is_outlier(load_after("--+--"), RULES)
    assert is_outlier(load_after("+---"), RULES)
    assert not is_outlier(load_after("---------"), Outliers(enabled=False))


def test_it_leaves_an_instance_out_for_a_while():
    load = load_after("---")
    assert put_out(load, out=0, of=4)
    assert load.out_until == NOW + 30 * SECOND
    assert not put_out(load, out=1, of=4), "it is out already"


def test_it_never_leaves_out_more_than_a_share_nor_the_last():
    assert put_out(load_after("---"), out=1, of=4)
    assert not put_out(load_after("---"), out=2, of=4)
    assert not put_out(load_after("---"), out=0, of=1)
    everything = Outliers(at_most=1.0)
    assert not leave_out(load_after("---"), everything, out=1, of=2, time=SECOND, now=NOW)
