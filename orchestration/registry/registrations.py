"""What an instance says of itself, and whether it can be so: every field checked, all that is wrong told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from orchestration.domain import durations
from orchestration.domain.documents import check_value
from orchestration.domain.errors import DocumentInvalid, Problem
from orchestration.domain.limits import MICROSECONDS

from .addresses import PYTHON, Address, AddressRefused, OutboundPolicy, is_safe_path, parse_address
from .resolving import resolves_to_permitted

HEALTH_PATH = "/health"
TAGS = 32
DEPENDENCIES = 64
METADATA_BYTES = 16 * 1024
RESOLVE_SECONDS = 2.0
TTL_SECONDS = (1.0, 7 * 86_400.0)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=-]{0,63}")
_LOCALITY = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._/-]{0,63})?")


class RegistrationInvalid(DocumentInvalid):
    """A registration, or a change of one, that cannot be accepted, with all that is wrong with it."""

    code = "registration_invalid"


@dataclass(frozen=True, slots=True)
class Registration:
    """What is registered: the service's name, the address, and the instance's other fields by the names of columns."""

    name: str
    address: Address
    fields: dict[str, Any]


def read_registration(*, name: Any, address: Any, port: Any, protocol: Any, details: Mapping[str, Any]) -> Registration:
    """Return the registration, checked; `details` are the further fields. Raises RegistrationInvalid."""
    problems = _name_problems(name)
    fields = _read_fields(details, problems)
    parsed = _check_address(problems, address=address, port=port, protocol=protocol)
    if problems or parsed is None:
        raise RegistrationInvalid(f"the registration has {len(problems)} problem(s)", problems)
    return Registration(name, parsed, fields)


def read_changes(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return changed fields of an instance by the names of columns, checked. Raises RegistrationInvalid."""
    problems: list[Problem] = []
    fields = _read_fields(details, problems)
    if problems:
        raise RegistrationInvalid(f"the change has {len(problems)} problem(s)", problems)
    return fields


def _read_fields(details: Mapping[str, Any], problems: list[Problem]) -> dict[str, Any]:
    unknown = sorted(set(details) - set(_CHECKS))
    problems.extend(Problem(name, "key.unknown", f"there is no field {name!r}") for name in unknown)
    for name, check in _CHECKS.items():
        if name in details:
            problems.extend(check(details[name]))
    return {} if problems else {name: _plain(name, value) for name, value in details.items()}


def _plain(name: str, value: Any) -> Any:
    """Return a checked field as its column keeps it."""
    if name == "ttl":
        return None if value is None else durations.parse_duration(value) / MICROSECONDS
    if name in {"tags", "dependencies"}:
        return list(dict.fromkeys(value))
    return dict(value) if name == "metadata" else value


def _name_problems(name: Any) -> list[Problem]:
    if isinstance(name, str) and NAME.fullmatch(name):
        return []
    said = "a name is a letter or digit, then up to 79 letters, digits, dots, underscores and hyphens"
    return [Problem("name", "name.format", said)]


def _version_problems(version: Any) -> list[Problem]:
    if isinstance(version, str) and len(version) <= 64 and version.isprintable():
        return []
    return [Problem("version", "version.format", "a version is at most 64 printable characters")]


def _tags_problems(tags: Any) -> list[Problem]:
    said = "a tag is a letter or digit, then up to 63 letters, digits and . _ : / = -"
    return _list_problems("tags", tags, most=TAGS, pattern=_TAG, said=said)


def _dependencies_problems(names: Any) -> list[Problem]:
    return _list_problems(
        "dependencies", names, most=DEPENDENCIES, pattern=NAME, said="a dependency is a service's name"
    )


def _list_problems(field: str, values: Any, *, most: int, pattern: re.Pattern[str], said: str) -> list[Problem]:
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) > most:
        return [Problem(field, f"{field}.format", f"{field} are a list of at most {most} texts")]
    wrong = (at for at, value in enumerate(values) if not isinstance(value, str) or not pattern.fullmatch(value))
    return [Problem(f"{field}[{at}]", f"{field}.format", said) for at in wrong]


def _metadata_problems(metadata: Any) -> list[Problem]:
    if not isinstance(metadata, dict):
        return [Problem("metadata", "metadata.format", "metadata is an object")]
    found = check_value(metadata, "metadata")
    if not found and len(orjson.dumps(metadata)) > METADATA_BYTES:
        found = [Problem("metadata", "metadata.too_long", f"metadata has at most {METADATA_BYTES} bytes")]
    return found


def _locality_problems(locality: Any) -> list[Problem]:
    if isinstance(locality, str) and _LOCALITY.fullmatch(locality):
        return []
    said = "a locality is empty, or a letter or digit and up to 63 letters, digits and . _ / -"
    return [Problem("locality", "locality.format", said)]


def _health_path_problems(path: Any) -> list[Problem]:
    if isinstance(path, str) and len(path) <= 256 and is_safe_path(path):
        return []
    said = "a health path is empty, or starts with / and has plain segments, at most 256 characters"
    return [Problem("health_path", "health_path.format", said)]


def _ttl_problems(ttl: Any) -> list[Problem]:
    if ttl is None:
        return []
    low, high = TTL_SECONDS
    try:
        if isinstance(ttl, bool):
            raise ValueError("no duration")
        seconds = durations.parse_duration(ttl) / MICROSECONDS
    except (ValueError, TypeError):
        return [Problem("ttl", "duration.invalid", "a ttl is a duration such as 30s, or none")]
    if low <= seconds <= high:
        return []
    return [Problem("ttl", "value.range", f"a ttl lies between {low:g} and {high:g} seconds")]


_CHECKS: Mapping[str, Callable[[Any], list[Problem]]] = {
    "version": _version_problems,
    "tags": _tags_problems,
    "metadata": _metadata_problems,
    "dependencies": _dependencies_problems,
    "locality": _locality_problems,
    "health_path": _health_path_problems,
    "ttl": _ttl_problems,
}


def _check_address(problems: list[Problem], *, address: Any, port: Any, protocol: Any) -> Address | None:
    if not isinstance(address, str):
        problems.append(Problem("address", "address.format", "an address is a text"))
        return None
    if port is not None and (not isinstance(port, int) or isinstance(port, bool)):
        problems.append(Problem("port", "address.port", "a port is a whole number"))
        return None
    if protocol is not None and not isinstance(protocol, str):
        problems.append(Problem("protocol", "address.scheme", "a protocol is a text"))
        return None
    try:
        parsed = parse_address(address=address, port=port, protocol=protocol)
    except AddressRefused as refused:
        problems.append(refused.problem)
        return None
    if not _is_permitted(parsed):
        problems.append(Problem("address", "address.forbidden", "services may not lie at this address"))
    return parsed


def _is_permitted(address: Address) -> bool:
    podium = settings.PODIUM
    if address.protocol == PYTHON:
        # Only what the site itself loads: a registration never makes a process import anything.
        return address.host in podium.python_services
    return resolves_to_permitted(address.host, policy=_policy(podium.outbound_allow), timeout=RESOLVE_SECONDS)


@lru_cache(maxsize=4)
def _policy(allow: tuple[str, ...]) -> OutboundPolicy:
    return OutboundPolicy(allow)
