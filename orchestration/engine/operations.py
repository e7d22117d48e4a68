"""What is done to workflows and executions. All functions are synchronous and commit what they promise.

An execution's journal is written by its holder alone. So an action here is a row in the execution's inbox and, where
the caller wants to know, a short wait for the holder's word.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from orchestration import clock
from orchestration.domain.definition import Definition, check_input, parse_definition
from orchestration.domain.documents import check_value
from orchestration.domain.errors import (
    Conflict,
    InputInvalid,
    LimitExceeded,
    NotFound,
    Overloaded,
    Problem,
    StepError,
)
from orchestration.domain.facts import Answered, BusEvent, Cancel, Fact, Failed, Pause, Rerun, Resume, Retry, Signal
from orchestration.domain.graph import Graph
from orchestration.domain.lifecycle import EXECUTION, PENDING, RUNNING
from orchestration.domain.limits import MICROSECONDS
from orchestration.engine import callbacks, door, inbox, queue
from orchestration.engine.graphs import find_graph, graph_of
from orchestration.engine.models import (
    Execution,
    InboxItem,
    JournalEntry,
    Listening,
    Revision,
    Secret,
    Workflow,
)
from orchestration.engine.secrets import seal
from orchestration.engine.starting import FoundRevision, find_revision, insert_execution, remembered_revision
from orchestration.engine.telling import database_instant, tell, tell_all

log = structlog.get_logger(__name__)

Action = Pause | Resume | Cancel | Retry | Rerun | Signal

FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05
NAME_LENGTH = 200
# How often in a row a start may find that another revision was saved meanwhile.
SAVED_MEANWHILE_MOST = 5
_SECRET_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")


@dataclass(frozen=True, slots=True)
class SavedDefinition:
    """What became of a definition: a new workflow, a new revision, or nothing new."""

    workflow: str
    revision: int
    created: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class StartedExecution:
    """An execution that stands in the database; `replayed`: it stood there before, under the same key."""

    execution_id: str
    status: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of an action; not `done`: it is in the inbox and nobody has taken it up yet."""

    execution_id: str
    status: str
    done: bool


class IdempotencyMismatch(Conflict):
    """The same key came with another request before."""

    code = "idempotency.mismatch"


# Workflows ------------------------------------------------------------------------------------------------------------


def save_definition(*, team_id: int, document: str | bytes | dict[str, Any], by: str) -> SavedDefinition:
    """Save a definition (JSON or YAML text, or its object) as the workflow's next revision, if it changed.

    Raises DocumentUnreadable or DefinitionInvalid with all problems; nothing is stored then.
    """
    definition = parse_definition(document, limits=settings.PODIUM.limits)
    text = orjson.dumps(definition.document).decode()
    digest = hashlib.sha256(orjson.dumps(definition.document, option=orjson.OPT_SORT_KEYS)).hexdigest()
    now = clock.now()
    with transaction.atomic():
        workflow, created = Workflow.objects.select_for_update().get_or_create(
            team_id=team_id, slug=definition.id, defaults={"name": definition.name, "updated_at": now}
        )
        latest = Revision.objects.filter(workflow=workflow, number=workflow.latest).only("digest").first()
        if latest is not None and latest.digest == digest:
            return SavedDefinition(workflow.slug, workflow.latest, created=False, changed=False)
        workflow.latest += 1
        Revision.objects.create(
            workflow=workflow,
            number=workflow.latest,
            document=text,
            digest=digest,
            created_at=now,
            created_by=_line(by),
        )
        workflow.name, workflow.description = definition.name, definition.description
        workflow.version, workflow.step_count = str(definition.version), _count(definition.steps)
        workflow.max_concurrent, workflow.updated_at = definition.config.max_concurrent, now
        workflow.save(
            update_fields=["latest", "name", "description", "version", "step_count", "max_concurrent", "updated_at"]
        )
    return SavedDefinition(workflow.slug, workflow.latest, created=created, changed=True)


def _count(steps: Any) -> int:
    return sum(1 + _count(getattr(step, "steps", ())) for step in steps)


# Executions -----------------------------------------------------------------------------------------------------------


def start_execution(
    *,
    team_id: int,
    workflow: str,
    input: dict[str, Any],
    revision: int | None = None,
    by: str = "",
    idempotency_key: str | None = None,
    priority: int | None = None,
    correlation_id: str = "",
) -> StartedExecution:
    """Insert an execution of the workflow's latest (or the given) revision, and see to it that a shift is awake.

    The same `idempotency_key` with the same request gives the same execution again. Raises NotFound, InputInvalid,
    LimitExceeded, IdempotencyMismatch; Overloaded where too many of the team's executions wait already.
    """
    text = _input_text(input)
    digest = _digest(workflow, revision, priority, input)
    try:
        door.let_in(team_id)
        for found in _revisions(team_id, workflow, revision):
            if found.remembered and not _accepts(found.id, input):
                continue
            graph = _graph(found.id)
            check_input(graph.definition, input)
            execution = _new_execution(graph, found, text, digest, priority)
            execution.team_id = team_id
            execution.by, execution.correlation_id = _line(by), _line(correlation_id)
            execution.idempotency_key = idempotency_key
            if insert_execution(execution, workflow, number=revision):
                transaction.on_commit(partial(queue.wake, str(found.workflow_id)))
                return StartedExecution(execution.id, execution.status, replayed=False)
    except (Overloaded, IntegrityError):
        if idempotency_key is None or (stands := _find_replayed(team_id, idempotency_key, digest)) is None:
            raise
        return stands
    raise Conflict(f"workflow {workflow!r} is being saved again and again; try once more")


def _revisions(team_id: int, workflow: str, number: int | None) -> Iterator[FoundRevision]:
    """Yield what to start: the revision that is remembered, if any, then what the database says, as often as needed."""
    remembered = None if number is not None else remembered_revision(team_id, workflow)
    if remembered is not None:
        yield remembered
    for _ in range(SAVED_MEANWHILE_MOST):
        yield _revision(team_id, workflow, number)


def _accepts(revision_id: int, value: dict[str, Any]) -> bool:
    try:
        check_input(_graph(revision_id).definition, value)
    except (InputInvalid, Revision.DoesNotExist):
        return False
    return True


def _input_text(value: Any) -> str:
    limits = settings.PODIUM.limits
    problems = check_value(value, "input")
    if not isinstance(value, dict) and not problems:
        problems = [Problem("input", "type.expected_object", "The input is a JSON object.")]
    if problems:
        raise InputInvalid("The input is not a JSON object as it should be.", problems)
    text = orjson.dumps(value)
    if len(text) > limits.payload_bytes:
        raise LimitExceeded(
            f"The input has {len(text)} bytes; {limits.payload_bytes} are allowed.", limit=limits.payload_bytes
        )
    return text.decode()


def _digest(workflow: str, revision: int | None, priority: int | None, value: dict[str, Any]) -> str:
    request = orjson.dumps([workflow, revision, priority, value], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(request).hexdigest()


def _revision(team_id: int, workflow: str, number: int | None) -> FoundRevision:
    found = find_revision(team_id, workflow, number)
    if found is None:
        if number is None or not Workflow.objects.filter(team_id=team_id, slug=workflow).exists():
            raise NotFound(f"there is no workflow {workflow[:63]!r}")
        raise NotFound(f"workflow {workflow!r} has no revision {number}")
    return found


def _graph(revision_id: int) -> Graph:
    graph = find_graph(revision_id)
    if graph is None:
        graph = graph_of(revision_id, Revision.objects.values_list("document", flat=True).get(pk=revision_id))
    return graph


def _new_execution(graph: Graph, revision: FoundRevision, text: str, digest: str, priority: int | None) -> Execution:
    definition: Definition = graph.definition
    if priority is not None and not 0 <= priority <= 9:
        raise InputInvalid("The priority is 0 to 9.", [Problem("priority", "number.range", "0 (first) to 9.")])
    now = clock.now_us()
    identity = new_execution_id(now)
    return Execution(
        id=identity,
        workflow_id=revision.workflow_id,
        revision_id=revision.id,
        priority=definition.config.priority if priority is None else priority,
        root_id=identity,
        input=text,
        body_digest=digest,
        steps_total=len(definition.steps),
        created_at=now,
    )


def new_execution_id(now: int) -> str:
    """Return a new id: a UUID (version 7) whose order is the order of time."""
    value = (now // 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _find_replayed(team_id: int, key: str, digest: str) -> StartedExecution | None:
    rows = Execution.objects.filter(team_id=team_id, idempotency_key=key)
    stands = rows.values_list("id", "status", "body_digest").first()
    if stands is None:
        return None
    identity, status, before = stands
    if before != digest:
        raise IdempotencyMismatch("The same idempotency key came with another request before.", execution_id=identity)
    return StartedExecution(identity, status, replayed=True)


def act(*, team_id: int, execution_id: str, fact: Action, by: str = "", timeout: float = 5.0) -> ActionResult:
    """Do something to an execution, and wait up to `timeout` seconds until it is done.

    Raises NotFound; Overloaded where it was told too much that it has not heard yet; Refused, with nothing changed,
    where it does not fit the execution's state.
    """
    row = Execution.objects.filter(id=execution_id, team_id=team_id).values_list("status", "quarantined").first()
    if row is None:
        raise NotFound(f"there is no execution {execution_id[:36]!r}")
    status, quarantined = row
    if quarantined and isinstance(fact, Resume):
        return ActionResult(execution_id, _release(execution_id, status, by), done=True)
    if isinstance(fact, Signal) and fact.by is None and by:
        fact = Signal(fact.name, fact.value, by)
    if quarantined and isinstance(fact, Cancel):
        _release(execution_id, status, by)
    door.check_inbox(execution_id)
    item = tell(execution_id, fact, answered=True)
    until = clock.monotonic() + timeout
    pause, waiting = FIRST_PAUSE, threading.Event()
    while True:
        outcome = InboxItem.objects.filter(pk=item).values_list("outcome", flat=True).first()
        if outcome is not None:
            InboxItem.objects.filter(pk=item).delete()
            return ActionResult(execution_id, inbox.read_outcome(outcome), done=True)
        if clock.monotonic() > until:
            return ActionResult(execution_id, status, done=False)
        waiting.wait(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _release(execution_id: str, status: str, by: str) -> str:
    """Let an execution that was put aside be claimed again, alone; return its status.

    Its claims are counted anew, but for one that keeps it a suspect: it takes nobody else along.

    Its row is only near enough until then: whoever claims it folds the journal and writes what that says.
    """
    if status not in EXECUTION.last:
        begun = JournalEntry.objects.filter(execution_id=execution_id).exists()
        status = RUNNING if begun else PENDING
    changed = Execution.objects.filter(id=execution_id, quarantined=True)
    if changed.update(quarantined=False, claims=1, error=None, wake_at=database_instant(), status=status):
        log.warning("released from quarantine", execution=execution_id, by=_line(by))
    queue.wake()
    return status


def publish_event(*, team_id: int, topic: str, payload: Any, event_id: str = "") -> int:
    """Tell the executions whose waits listen to the topic just now; return how many there are."""
    fact = BusEvent(topic, payload, event_id, clock.now_us())
    listening = list(Listening.objects.filter(team_id=team_id, topic=topic).values_list("execution_id", flat=True))
    tell_all(listening, fact)
    return len(listening)


def post_callback(*, token: str, result: dict[str, Any]) -> bool:
    """Take in the result of an attempt that a service took on: `{"output": …}` or `{"error": {…}}`.

    An error may say `retry_after`, in seconds, as a service's answer may.

    Return False if the attempt is over, for all that is known here. Raises NotFound for a token that is none.
    """
    team_id, execution_id, attempt = callbacks.read_token(token)
    status = Execution.objects.filter(id=execution_id, team_id=team_id).values_list("status", flat=True).first()
    if status is None or status in EXECUTION.last:
        return False
    try:
        with transaction.atomic():
            tell(execution_id, _result(attempt, result), key=f"callback:{attempt}")
    except IntegrityError:
        return False
    return True


def _result(attempt: str, result: dict[str, Any]) -> Fact:
    error = result.get("error")
    if error is not None:
        told = StepError(error["code"], error.get("message") or "", error.get("retryable"), error.get("details") or {})
        wait = min(max(0.0, error.get("retry_after") or 0.0), settings.PODIUM.retry_after_max_seconds)
        return Failed(attempt, told, round(wait * MICROSECONDS) or None)
    output = result.get("output")
    most = settings.PODIUM.service_answer_bytes
    if len(orjson.dumps(output)) > most:
        return Failed(attempt, StepError("too_large", "the result is longer than it may be", None, {"allowed": most}))
    return Answered(attempt, output)


# Secrets --------------------------------------------------------------------------------------------------------------


def set_secret(*, team_id: int, name: str, value: str) -> None:
    """Set a secret of the team; workflows name it `secrets.<name>`. Raises InputInvalid for a name that is none."""
    if not _SECRET_NAME.match(name):
        problem = Problem(
            "name", "name.format", "A secret's name is a letter or _, then up to 99 letters, digits and _."
        )
        raise InputInvalid("That is no name of a secret.", [problem])
    Secret.objects.update_or_create(
        team_id=team_id, name=name, defaults={"value": seal(value), "updated_at": clock.now()}
    )


def delete_secret(*, team_id: int, name: str) -> None:
    """Forget a secret. Raises NotFound."""
    if not Secret.objects.filter(team_id=team_id, name=name).delete()[0]:
        raise NotFound(f"there is no secret {name[:100]!r}")


def _line(text: str) -> str:
    """Return a text on one line, of a bounded length, as names of people and programs are kept."""
    return "".join(each if each.isprintable() else " " for each in text[:NAME_LENGTH])
