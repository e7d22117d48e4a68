"""Executions: what became of them, their journals, and what an operator does to them."""

from __future__ import annotations

import re
from http import HTTPStatus

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.domain import facts
from orchestration.engine import operations, queries

from . import parameters, shapes
from .bodies import CancelBody, NothingBody, RerunBody, SignalBody
from .errors import unprocessable
from .operation import ApiView, operation
from .presenting import execution_shape

ACTION_ANSWERS = {200: shapes.ActionAnswer, 202: shapes.ActionAnswer}
SIGNAL_NAME = re.compile(r"[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\x00-\x20\x7f])?")


class Executions(ApiView):
    """The team's executions."""

    @operation(
        "List executions",
        query=(
            parameters.STATUS,
            parameters.WORKFLOW,
            parameters.PARENT,
            parameters.SINCE,
            parameters.UNTIL,
            parameters.EXECUTIONS_CURSOR,
            parameters.page_size(50, 500),
        ),
        answers={200: shapes.ExecutionPage},
    )
    def get(self, request: Request) -> Response:
        """Return a page of the team's executions, the newest first."""
        page = queries.list_executions(team_id=self.team_id, **self.query)
        return Response(shapes.ExecutionPage.model_validate(page))


class Execution(ApiView):
    """One execution."""

    @operation("Show an execution", query=(parameters.STEPS,), answers={200: shapes.Execution}, refusals=(404,))
    def get(self, request: Request, execution_id: str) -> Response:
        """Return an execution: status, progress, steps with their attempts, times, output, and what it waits for."""
        known = parameters.canonical_id(execution_id)
        detail = queries.get_execution(team_id=self.team_id, execution_id=known)
        return Response(execution_shape(detail, steps=self.query["steps"]))


class ExecutionEvents(ApiView):
    """An execution's journal."""

    @operation(
        "Read the journal",
        query=(parameters.AFTER, parameters.page_size(500, 1_000)),
        answers={200: shapes.Journal},
        refusals=(404,),
    )
    def get(self, request: Request, execution_id: str) -> Response:
        """Return the entries after `after`, in order; `next_after` is where to ask on."""
        known = parameters.canonical_id(execution_id)
        entries = queries.list_events(team_id=self.team_id, execution_id=known, **self.query)
        last = entries[-1].seq if entries else self.query["after"]
        return Response(shapes.Journal.model_validate({"items": entries, "next_after": last}))


class Action(ApiView):
    """The root of what an operator does to an execution: 200 when done, 202 when taken on, 409 when refused."""

    def act(self, execution_id: str, fact: operations.Action) -> Response:
        """Do it."""
        known = parameters.canonical_id(execution_id)
        patience = settings.PODIUM.api_action_seconds
        result = operations.act(
            team_id=self.team_id, execution_id=known, fact=fact, by=self.caller.name, timeout=patience
        )
        status = HTTPStatus.OK if result.done else HTTPStatus.ACCEPTED
        return Response(shapes.ActionAnswer.model_validate(result), status=status)


class PauseExecution(Action):
    """A pause."""

    @operation("Pause", body=NothingBody, body_optional=True, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str) -> Response:
        """Start no more attempts and fire no more timers until the resume; attempts that run end."""
        return self.act(execution_id, facts.Pause())


class ResumeExecution(Action):
    """A resume."""

    @operation("Resume", body=NothingBody, body_optional=True, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str) -> Response:
        """Go on after a pause, or out of quarantine: then the deaths of workers are counted anew."""
        return self.act(execution_id, facts.Resume())


class CancelExecution(Action):
    """A cancel."""

    @operation("Cancel", body=CancelBody, body_optional=True, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str) -> Response:
        """End the execution; with `compensate` what it completed is undone first."""
        return self.act(execution_id, facts.Cancel(compensate=self.body.compensate))


class RetryExecution(Action):
    """A retry."""

    @operation("Retry", body=NothingBody, body_optional=True, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str) -> Response:
        """Run an execution that ended without success again, from its failed steps."""
        return self.act(execution_id, facts.Retry())


class RerunExecution(Action):
    """A re-run."""

    @operation("Re-run from a step", body=RerunBody, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str) -> Response:
        """Run an execution that ended without success again, from a chosen top-level step."""
        return self.act(execution_id, facts.Rerun(step=self.body.step))


class SignalExecution(Action):
    """A signal."""

    @operation("Signal", body=SignalBody, body_optional=True, answers=ACTION_ANSWERS, refusals=(404, 409))
    def post(self, request: Request, execution_id: str, name: str) -> Response:
        """Tell the oldest step that waits for this signal, or the next one that will.

        A person always speaks for themselves; a program with a key may name somebody in `by`.
        """
        if not SIGNAL_NAME.fullmatch(name):
            raise unprocessable("name", "text.format", "A signal's name is 1 to 200 characters, none a control one.")
        body: SignalBody = self.body
        if body.by is not None and self.caller.person:
            raise unprocessable("by", "key.read_only", "A person speaks for themselves.")
        return self.act(execution_id, facts.Signal(name=name, value=body.value, by=body.by or self.caller.name))
