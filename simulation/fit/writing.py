"""Fitted scenarios as files: YAML that `simulate FILE` reads, recorded instants and open executions beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import Problem
from simulation.scenarios.language import ScenarioInvalid, parse_scenario
from simulation.streams import Floats

MOST_INLINE = 500
"""Recorded instants that stand in the scenario itself; more are a file beside it."""

COLUMN = "seconds"


class _Plain(yaml.SafeDumper):
    """YAML without anchors, with short lists of plain values on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_of(document: Mapping[str, Any]) -> str:
    """Return a scenario as YAML. Raises DocumentInvalid for one that a scenario file may not hold (too large)."""
    plain = orjson.loads(orjson.dumps(document))
    text = yaml.dump(
        plain, Dumper=_Plain, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True
    )  # fmt: skip
    if parse_document(text) != plain:
        # A text that YAML 1.1 and 1.2 take differently: JSON is YAML too.
        text = orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode()
    parse_scenario(parse_document(text))
    return text


def write(
    document: dict[str, Any], *, trace: Floats | None, standing: Mapping[str, Any] | None, out: Path | None
) -> str:
    """Return the scenario's text, written to `out` (if given) with the files that it names beside it.

    Raises ScenarioInvalid where recorded instants are too many to stand in the scenario, and `out` is not given.
    """
    if trace is not None:
        _put_trace(document, trace, out)
    if standing is not None:
        if out is None:
            raise ScenarioInvalid("open executions need a file beside the scenario", [])
        file = out.with_suffix(".open.json")
        file.write_bytes(orjson.dumps(standing))
        document["standing"] = {"file": file.name}
    text = text_of(document)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    return text


def _put_trace(document: dict[str, Any], trace: Floats, out: Path | None) -> None:
    arrivals = document["workloads"][0]["arrivals"]
    if trace.size <= MOST_INLINE:
        arrivals["times"] = [round(float(each), 6) for each in trace]
        return
    if out is None:
        said = f"{trace.size} recorded starts do not fit in the scenario itself; name a file with --out"
        raise ScenarioInvalid(said, [Problem("workloads[0].arrivals", "trace.too_long", said)])
    file = out.with_suffix(".arrivals.csv")
    file.write_text("\n".join([COLUMN, *(f"{each:.6f}" for each in trace)]) + "\n", encoding="utf-8")
    arrivals |= {"file": file.name, "column": COLUMN}
