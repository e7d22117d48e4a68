"""Notifications: the team's own service `notify` if there is one, otherwise the three ways that are built in.

The service is called as `notify.<channel>` with `{to, subject, body, input}`, those that the step gives. Built in are
`email` (Django's mail, in a thread), `webhook` (a POST of the same object to `to`) and `log` (one line).
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog
from django.core import mail

from orchestration.domain.commands import StartAttempt
from orchestration.domain.errors import StepError
from orchestration.domain.facts import Answered, Fact, Failed
from orchestration.engine.effects.service import fact_of, service_call
from orchestration.engine.effects.tools import Origin, Tools
from orchestration.registry.client import CallFailed

log = structlog.get_logger(__name__)


async def notify(command: StartAttempt, origin: Origin, tools: Tools) -> Fact:
    """Tell someone, by the team's service or the way that is built in."""
    outcome = await tools.client.call(service_call(command, origin))
    if isinstance(outcome, CallFailed) and outcome.error.code == "service_not_found":
        return await _BUILT_IN[command.method](command, origin, tools)
    return fact_of(command.attempt, outcome)


async def _log(command: StartAttempt, origin: Origin, tools: Tools) -> Fact:
    log.info(
        "notification",
        execution=origin.execution_id,
        step=command.step,
        to=command.input.get("to"),
        subject=command.input.get("subject"),
        body=command.input.get("body"),
    )
    return Answered(command.attempt)


async def _webhook(command: StartAttempt, origin: Origin, tools: Tools) -> Fact:
    url = command.input.get("to")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return _wrong(command, "`to` is not an http(s) address")
    call = replace(service_call(command, origin), service="", method="")
    outcome = await tools.client.post(url, call)
    if isinstance(outcome, CallFailed) and outcome.error.code in ("invalid_output", "too_large"):
        # It answered 2xx; what it says is of no interest.
        return Answered(command.attempt)
    return fact_of(command.attempt, outcome)


async def _email(command: StartAttempt, origin: Origin, tools: Tools) -> Fact:
    to = command.input.get("to")
    addresses: list[Any] = to if isinstance(to, list) else [to]
    if not addresses or not all(isinstance(each, str) and "@" in each for each in addresses):
        return _wrong(command, "`to` is not an address of mail")
    subject = " ".join(str(command.input.get("subject") or "").split())
    message = mail.EmailMessage(subject=subject, body=str(command.input.get("body") or ""), to=addresses)
    try:
        await asyncio.to_thread(message.send)
    except smtplib.SMTPRecipientsRefused as error:
        return _wrong(command, f"the mail server refuses the address: {error}"[:500])
    except (OSError, smtplib.SMTPException) as error:
        return Failed(command.attempt, StepError("connection", f"the mail could not be sent: {error}"[:500]))
    return Answered(command.attempt)


def _wrong(command: StartAttempt, message: str) -> Failed:
    return Failed(command.attempt, StepError("invalid_input", message))


_BUILT_IN: dict[str, Callable[[StartAttempt, Origin, Tools], Awaitable[Fact]]] = {
    "log": _log,
    "webhook": _webhook,
    "email": _email,
}
