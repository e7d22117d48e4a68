"""constraints.txt pins what the project declares and what that brings along, and nothing else."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT


def _declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(each) for each in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]


def _pins() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]


def _pinned() -> dict[str, str]:
    here = [each for each in _pins() if each.marker is None or each.marker.evaluate()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}


def _needed() -> set[str]:
    todo, seen = _declared(), set()
    while todo:
        requirement = todo.pop()
        for extra in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                todo += _brought_along(requirement.name, extra)
    return {name for name, _extra in seen}


def _brought_along(name: str, extra: str) -> list[Requirement]:
    try:
        found = [Requirement(each) for each in distribution(name).requires or ()]
    except PackageNotFoundError:
        return []
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": extra})]


def test_it_says_one_version_and_no_address():
    assert all(each.url is None and re.fullmatch(r"==[0-9A-Za-z.+!]+", str(each.specifier)) for each in _pins())


def test_it_pins_every_package_that_is_needed_and_no_other():
    assert set(_pinned()) == _needed()


def test_it_pins_what_is_declared_within_its_bounds():
    pinned = _pinned()
    assert all(each.specifier.contains(pinned[canonicalize_name(each.name)]) for each in _declared())
