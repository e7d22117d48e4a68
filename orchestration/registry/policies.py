"""The policies of services as they stand in rows: read once for each text, never the reason that nothing goes on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
import structlog

from orchestration.domain.calling.policy import DEFAULT_POLICY, ServicePolicy, parse_policy
from orchestration.domain.errors import DocumentInvalid

log = structlog.get_logger(__name__)


def policy_of(document: Mapping[str, Any]) -> ServicePolicy:
    """Return a row's policy; one that is not understood, from another release, counts as the default."""
    return _parsed(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)) if document else DEFAULT_POLICY


@lru_cache(maxsize=10_000)
def _parsed(text: bytes) -> ServicePolicy:
    try:
        return parse_policy(orjson.loads(text))
    except DocumentInvalid as error:
        log.warning("a service's policy is not understood", error=error.message)
        return DEFAULT_POLICY
