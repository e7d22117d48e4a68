"""The part of `manage.py simulate` that begins with what was recorded: `--fit`, `--from-now`, `--from-yesterday`."""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestration.domain.documents import parse_document
from orchestration.domain.durations import parse_duration
from orchestration.domain.errors import Problem
from orchestration.domain.instants import parse_instant
from simulation import backtest, history, recorded
from simulation.fit.writing import write
from simulation.scenarios.backtesting import Backtest
from simulation.scenarios.language import ScenarioInvalid

ASKED = ("fit", "from_now", "from_yesterday")
CAP = 5_000
DAY = recorded.DAY


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    asked = parser.add_argument_group("from what was recorded")
    asked.add_argument("--fit", metavar="WORKFLOW", help="write a scenario fitted to recorded executions of a workflow")
    asked.add_argument("--from-now", metavar="WORKFLOW", help="simulate how what is under way now goes on")
    asked.add_argument(
        "--from-yesterday", metavar="WORKFLOW", help="replay yesterday's starts, and score that against what happened"
    )
    asked.add_argument(
        "--from", dest="since", help="where the window begins: an instant, a date, or how long ago (24h)"
    )
    asked.add_argument("--to", dest="until", help="where the window ends (now)")
    asked.add_argument("--out", type=Path, help="the scenario's file, which others may be written beside")
    asked.add_argument("--promise", help="promises to judge by: p50=1s,p95=3s,p99=5s,completed=0.999")
    asked.add_argument("--change", type=Path, help="with --from-now: a merge patch of the scenario (YAML or JSON)")
    asked.add_argument("--policy", type=Path, help="with --from-yesterday: a merge patch to compare with what was")
    asked.add_argument("--horizon", default="2h", help="with --from-now: for how long (2h)")
    asked.add_argument("--window", default="1h", help="with --from-now: the time whose starts go on (1h)")
    asked.add_argument("--history", default="7d", help="with --from-now: the time that services are fitted to (7d)")
    asked.add_argument(
        "--backtest",
        type=int,
        nargs="?",
        const=backtest.WINDOWS,
        metavar="WINDOWS",
        help=f"with --fit: predict each of so many windows ({backtest.WINDOWS}) but the first from those before it; "
        "--out keeps the answer as JSON",
    )
    asked.add_argument("--team", help="the team's slug (the default team)")
    asked.add_argument("--cap", type=int, default=CAP, help=f"executions whose journals are read at most ({CAP})")


def asked(options: Mapping[str, Any]) -> bool:
    """Say whether one of the three is asked for."""
    return options["backtest"] is not None or any(options[each] for each in ASKED)


def backtested(options: Mapping[str, Any], seed: int, progress: Callable[[int, int], None]) -> Backtest | None:
    """Return the backtest that is asked for, written to `--out` if that is given; None where none is asked for.

    Raises ScenarioInvalid for options that do not fit together, OrchestrationError for what is not on record.
    """
    if options["backtest"] is None:
        return None
    if not options["fit"]:
        raise _refused("--backtest", "say with --fit which workflow is to be predicted")
    since, until = _window(options)
    found = backtest.backtest(
        team_id=history.team_named(options["team"]),
        workflow=options["fit"],
        since=since,
        until=until,
        windows=options["backtest"],
        seed=seed,
        cap=options["cap"],
        jobs=options["jobs"],
        replications=options["replications"] or backtest.REPLICATIONS,
        progress=progress,
    )
    if options["out"] is not None:
        options["out"].write_text(json.dumps(found.as_json()), encoding="utf-8")
    return found


@contextmanager
def scenario_file(options: Mapping[str, Any], seed: int, say: Callable[[str], Any]) -> Iterator[Path | None]:
    """Give the file of the scenario that is to be simulated, None where it was only to be written (`--fit`).

    Raises ScenarioInvalid for options that do not fit together, OrchestrationError for what is not on record.
    """
    if sum(bool(options[each]) for each in ASKED) > 1:
        raise _refused("options", "only one of --fit, --from-now and --from-yesterday can be asked for")
    found = _told(options, seed)
    out: Path | None = options["out"]
    if options["fit"]:
        text = write(found.document, trace=found.trace, standing=None, out=out)
        if options["json"]:
            say(json.dumps(found.document))
        elif out is None:
            say(text)
        else:
            say(f"{out} is written; simulate it with: manage.py simulate {out}")
            for each in found.document["provenance"]["warnings"]:
                say(f"  warning: {each}")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="podium-scenario-") as folder:
        file = Path(folder) / "scenario.yaml" if out is None else out
        write(found.document, trace=found.trace, standing=found.standing, out=file)
        yield file


def _told(options: Mapping[str, Any], seed: int) -> recorded.Told:
    given: dict[str, Any] = {
        "team_id": history.team_named(options["team"]),
        "seed": seed,
        "slos": _promises(options["promise"]),
        "cap": options["cap"],
    }
    if options["fit"]:
        since, until = _window(options)
        return recorded.fitted(workflow=options["fit"], since=since, until=until, **given)
    if options["from_now"]:
        return recorded.from_now(
            workflow=options["from_now"],
            horizon=_duration("--horizon", options["horizon"]),
            window=_duration("--window", options["window"]),
            history=_duration("--history", options["history"]),
            change=_patch("--change", options["change"]),
            **given,
        )
    if options["since"] is None and options["until"] is None:
        until = history.now() // DAY * DAY
        since = until - DAY
    else:
        since, until = _window(options)
    policy = _patch("--policy", options["policy"])
    return recorded.from_yesterday(
        workflow=options["from_yesterday"], since=since, until=until, policy=policy, **given
    )  # fmt: skip


def _window(options: Mapping[str, Any]) -> tuple[int, int]:
    if options["since"] is None:
        raise _refused("--from", "say where the window begins: an instant, a date, or how long ago (24h)")
    now = history.now()
    since = _instant("--from", options["since"], now)
    until = now if options["until"] is None else _instant("--to", options["until"], now)
    if until <= since:
        raise _refused("--to", "the window ends before it begins")
    return since, until


def _instant(option: str, text: str, now: int) -> int:
    """Return an instant (microseconds): RFC 3339, a date (midnight, UTC), `now`, or how long ago."""
    if text == "now":
        return now
    for parse in (parse_instant, lambda day: parse_instant(f"{day}T00:00:00Z"), lambda ago: now - parse_duration(ago)):
        try:
            return parse(text)
        except ValueError:
            continue
    raise _refused(option, f"{text!r} is no instant (2030-01-31T12:00:00Z), date (2030-01-31) or time ago (24h)")


def _duration(option: str, text: str) -> int:
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise _refused(option, f"{text!r}: {error}") from None
    if not found:
        raise _refused(option, "is longer than nothing")
    return found


def _promises(text: str | None) -> list[dict[str, Any]]:
    if not text:
        return []
    found: dict[str, Any] = {}
    for each in text.split(","):
        word, _, value = each.partition("=")
        if word not in ("p50", "p95", "p99", "completed") or not value:
            raise _refused("--promise", f"{each!r} is not one of p50=…, p95=…, p99=…, completed=…")
        try:
            found[word] = float(value) if word == "completed" else parse_duration(value) / 1e6
        except ValueError as error:
            raise _refused("--promise", f"{each!r}: {error}") from None
    return [found]


def _patch(option: str, file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    found = parse_document(file.read_bytes())
    if not isinstance(found, dict):
        raise _refused(option, f"{file} is not an object")
    return found


def _refused(path: str, said: str) -> ScenarioInvalid:
    return ScenarioInvalid(f"{path}: {said}", [Problem(path, "value.range", said)])
