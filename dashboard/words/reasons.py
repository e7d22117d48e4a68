"""Why a call may not be made just now, in a few words for a row of the journal."""

from __future__ import annotations

from collections.abc import Mapping

REASON_WORDS: Mapping[str, str] = {
    "no_healthy_instance": "no instance can be called",
    "circuit_open": "the circuit is open",
    "retry_budget": "the retry budget is spent",
    "concurrency_limit": "as many calls as may be are under way",
    "rate_limit": "the rate limit is reached",
    "recovering": "the service is back and takes calls on by and by",
}
