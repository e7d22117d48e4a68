"""What `manage.py simulate FILE` understands of experiments."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from orchestration.domain.durations import parse_duration
from simulation.scenarios import experiments as asked

from .axes import read_axis
from .problems import unfit

ALL = "*"
"""Said of an option that may have a value and has none."""

_KINDS = ("sweep", "compare", "sensitivity", "screening", "cheapest", "storm", "long_run", "experiment")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the experiments, one of which may be asked of a scenario."""
    group = parser.add_argument_group(
        "experiments",
        "One of these, after FILE. Places are paths in the file, services.payment.instances or "
        "workloads[0].arrivals.per_second; `load` stands for all arrivals (1 is what is written). VALUES are 1..6, "
        "10..50:10 (in steps of 10) or 5,10,20. All set-ups meet the same luck.",
    )
    group.add_argument(
        "--sweep", action="append", metavar="PLACE=VALUES", help="the scenario at each value; twice for a grid"
    )
    group.add_argument(
        "--compare",
        nargs="?",
        const=ALL,
        metavar="VARIANT",
        help="all variants against this one (as-written), by pairs",
    )
    group.add_argument(
        "--sensitivity", nargs="?", const=ALL, metavar="PLACES",
        help="each place (by comma; none: everything) 10 and 20 %% less and more: what p95 and the cost depend on",
    )  # fmt: skip
    group.add_argument(
        "--screening", nargs="?", const=ALL, metavar="PLACES", help="which of many places matter at all (Morris)"
    )
    group.add_argument(
        "--cheapest", action="append", metavar="PLACE=VALUES",
        help="the cheapest numbers that keep all promises, by the file's `costs`; once for each number",
    )  # fmt: skip
    group.add_argument(
        "--storm", nargs="?", const=ALL, metavar="SERVICE",
        help="does it come back by itself after this service (the busiest) was struck: stable, vulnerable, metastable",
    )  # fmt: skip
    group.add_argument("--loads", metavar="SHARES", help="for --storm: of the capacity, by comma (20%%,40%%,60%%,80%%)")
    group.add_argument("--triggers", metavar="TIMES", help="for --storm: how long it is struck, by comma (5s,15s)")
    group.add_argument(
        "--long-run", action="store_true", help="one long replication, with intervals by batch means instead of many"
    )
    group.add_argument("--experiment", metavar="NAME", help="one that the file has under `experiments`")
    group.add_argument(
        "--variant", action="append", default=[], metavar="NAME",
        help="make the experiment on this variant; --storm: also on this one",
    )  # fmt: skip


def experiment_name(options: Mapping[str, Any]) -> str | None:
    """Return the name of the file's experiment that is asked for, None if none is. Raises as `experiment_of` does."""
    _one(options)
    name: str | None = options.get("experiment")
    return name


def experiment_of(options: Mapping[str, Any]) -> asked.ExperimentOf | None:
    """Return the experiment that the options describe, None if they describe none.

    Raises ExperimentInvalid for two experiments at once, and for values that cannot be.
    """
    kind = _one(options)
    if kind is None or kind == "experiment":
        return None
    value, variants = options[kind], tuple(options.get("variant") or ())
    match kind:
        case "sweep":
            return asked.SweepOf(kind="sweep", places=_places(value), variants=variants)
        case "cheapest":
            return asked.CheapestOf(kind="cheapest", places=_places(value), variants=variants)
        case "compare":
            return asked.CompareOf(kind="compare", against=None if value == ALL else value)
        case "sensitivity":
            return asked.SensitivityOf(kind="sensitivity", places=_names(value), variants=variants)
        case "long_run":
            return asked.LongRunOf(kind="long-run", variants=variants)
        case "screening":
            return asked.ScreeningOf(kind="screening", places=_names(value), variants=variants)
        case _:
            return _storm(value, variants, options)


def _one(options: Mapping[str, Any]) -> str | None:
    said = [each for each in _KINDS if options.get(each)]
    if len(said) > 1:
        raise unfit(f"--{said[1]}", f"ask one experiment at a time; --{said[0]} was said too")
    return said[0] if said else None


def _places(texts: list[str]) -> dict[str, Any]:
    return {axis.path: axis.values for axis in map(read_axis, texts)}


def _names(text: str) -> tuple[str, ...]:
    return () if text == ALL else tuple(each.strip() for each in text.split(",") if each.strip())


def _storm(service: str, variants: tuple[str, ...], options: Mapping[str, Any]) -> asked.StormOf:
    loads = [_share(each.strip()) for each in (options.get("loads") or "").split(",") if each.strip()]
    triggers = [_seconds(each.strip()) for each in (options.get("triggers") or "").split(",") if each.strip()]
    return asked.StormOf.model_validate(
        {
            "kind": "storm",
            "service": None if service == ALL else service,
            "loads": loads or None,
            "triggers": triggers or None,
            "variants": ("as-written", *variants) if variants else (),
        }
    )


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise unfit("--loads", f"{text!r} is no share; say 60% or 0.6") from None
    if not 0 < share <= 10:
        raise unfit("--loads", f"{text!r} is not a share above 0; say 60% or 0.6")
    return share


def _seconds(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise unfit("--triggers", f"{text!r}: {error}") from None
    return text
