"""How long `manage.py simulate FILE` goes on: what it is told, or what the scenario says."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import Problem
from orchestration.domain.limits import MICROSECONDS
from simulation.statistics.stopping import StoppingRule

from .language import ScenarioInvalid, SureOf, parse_scenario

MOST = 200


def add_stopping(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--until-sure", nargs="?", const="5%", metavar="SHARE",
        help="add replications until mean times and promised figures are within ±SHARE (5%%), ten at least",
    )  # fmt: skip
    parser.add_argument("--at-most", type=int, metavar="N", help=f"replications that --until-sure may make ({MOST})")
    parser.add_argument(
        "--time-limit", metavar="TIME", help="begin no more replications of --until-sure after, say, 90s"
    )


def stopping_rule(document: Any, options: Mapping[str, Any]) -> StoppingRule | None:
    """Return the rule that the options or the scenario ask for; None: the number of replications is fixed.

    A number of replications that is told (`--replications`) counts more than what the scenario says. Raises
    ScenarioInvalid for a rule that is none.
    """
    told = options.get("until_sure")
    if told is not None:
        return StoppingRule(target=_share(told), most=_most(options))
    if options.get("replications") is not None:
        return None
    asked: SureOf | None = parse_scenario(document).until_sure
    if asked is None:
        return None
    return StoppingRule(target=asked.within, most=_most(options, asked.at_most))


def time_limit(options: Mapping[str, Any]) -> float | None:
    """Return the seconds after which nothing more is begun, None for no limit. Raises ScenarioInvalid for no time."""
    told = options.get("time_limit")
    if told is None:
        return None
    try:
        return parse_duration(told) / MICROSECONDS
    except ValueError as error:
        raise _unfit("--time-limit", str(error)) from None


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise _unfit("--until-sure", f"{text!r} is no share above 0; say 5% or 0.05")
    return share


def _most(options: Mapping[str, Any], otherwise: int = MOST) -> int:
    most = options.get("at_most")
    if most is not None and most < 2:
        raise _unfit("--at-most", "is at least 2: one replication alone has no interval")
    return otherwise if most is None else int(most)


def _unfit(path: str, message: str) -> ScenarioInvalid:
    return ScenarioInvalid(f"{path}: {message}", [Problem(path, "value.range", message)])
