"""Calls of services, compensations too: one attempt through the registry's client."""

from __future__ import annotations

from orchestration.domain.commands import StartAttempt
from orchestration.domain.facts import Accepted, Answered, Fact, Failed, Postponed
from orchestration.engine.effects.tools import Origin, Tools
from orchestration.registry import client


async def call_service(command: StartAttempt, origin: Origin, tools: Tools) -> Fact:
    """Make the attempt's call and return what came of it."""
    outcome = await tools.client.call(service_call(command, origin))
    return fact_of(command.attempt, outcome)


def service_call(command: StartAttempt, origin: Origin) -> client.ServiceCall:
    """Return the call that an attempt makes."""
    callback = origin.callback(command.attempt) if command.completion == "callback" else None
    return client.ServiceCall(
        team_id=origin.team_id,
        service=command.service,
        method=command.method,
        input=command.input,
        timeout=command.timeout,
        idempotency_key=command.idempotency_key,
        attempt=command.number,
        callback=callback,
        traceparent=origin.traceparent(command.attempt),
        balance=command.balance,
        epoch=origin.epoch,
        caller=origin.workflow,
        default_timeout=command.default_timeout,
        after_loss=command.after_loss,
    )


def fact_of(attempt: str, outcome: client.Outcome) -> Fact:
    """Return a call's outcome as the run hears it."""
    if type(outcome) is client.Reply:
        return Answered(attempt, outcome.output)
    if isinstance(outcome, client.CallFailed):
        return Failed(attempt, outcome.error, outcome.retry_after)
    if isinstance(outcome, client.Postponed):
        return Postponed(attempt, outcome.reason, outcome.message, outcome.after)
    return Accepted(attempt)
