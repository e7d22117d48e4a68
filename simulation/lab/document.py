"""A scenario's text as a document. Light: pages read scenarios without loading what simulates them."""

from __future__ import annotations

from typing import Any

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import Problem
from simulation.scenarios.language import ScenarioInvalid


def document_of(text: str) -> dict[str, Any]:
    """Return the document of a scenario's text. Raises DocumentInvalid."""
    document = parse_document(text)
    if not isinstance(document, dict):
        said = "a scenario is an object: `scenario: my-name` and what else it says"
        raise ScenarioInvalid(said, [Problem("", "value.type", said)])
    return document
