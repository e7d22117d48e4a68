"""Every error that the platform raises on purpose: a stable code, a sentence, and the facts behind it.

Nothing here knows HTTP; `orchestration.api.errors` is the only map from these classes to a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


class OrchestrationError(Exception):
    """The root of all errors that are raised on purpose.

    `code` is stable and meant for programs; the message is for people; `details` is JSON.
    """

    code = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details


class NotFound(OrchestrationError):
    """What was asked for is not there, or not for this team."""

    code = "not_found"


class Refused(OrchestrationError):
    """An action that does not fit the state of its thing; nothing was changed."""

    code = "refused"


class Conflict(OrchestrationError):
    """What was asked contradicts something that stands already."""

    code = "conflict"


class Overloaded(OrchestrationError):
    """A limit on work in progress is reached; the same request may be made again later."""

    code = "overloaded"


class IllegalTransition(OrchestrationError):
    """An event that does not fit the state that it is applied to; the state is unchanged."""

    code = "illegal_transition"


class InvariantViolated(OrchestrationError):
    """Something that may never be true is true: our own fault, never the caller's."""

    code = "invariant_violated"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a document: where it is, a stable code, and a sentence."""

    path: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return the problem as the API shows it."""
        return {"path": self.path, "code": self.code, "message": self.message}


class DocumentInvalid(OrchestrationError):
    """A document that cannot be accepted, with all of its problems at once."""

    code = "invalid"

    def __init__(self, message: str, problems: Sequence[Problem]) -> None:
        super().__init__(message, errors=[problem.as_json() for problem in problems])
        self.problems = tuple(problems)


class DocumentUnreadable(DocumentInvalid):
    """A text that is not JSON or YAML as the platform reads them."""

    code = "unreadable"


class DefinitionInvalid(DocumentInvalid):
    """A workflow definition that breaks the language's rules."""

    code = "definition_invalid"


class InputInvalid(DocumentInvalid):
    """An execution's input that its workflow's `input_schema` refuses. Paths start with `input`."""

    code = "invalid_input"


class ExpressionError(OrchestrationError):
    """An expression or template that came to nothing when it was evaluated."""

    code = "expression_error"


class LimitExceeded(OrchestrationError):
    """A limit of the platform is reached; `details` names it."""

    code = "limit_exceeded"


@dataclass(frozen=True, slots=True)
class StepError:
    """Why an attempt, a step or an execution failed, as it stands in journals and answers.

    `retryable` is the service's own word where it gave one, else None in what a shell reports
    (the retry policy then goes by the code) and the policy's verdict in what is journaled.
    """

    code: str
    message: str = ""
    retryable: bool | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return `{code, message, retryable, details}`."""
        return {
            "code": self.code,
            "message": self.message or self.code,
            "retryable": bool(self.retryable),
            "details": dict(self.details),
        }
