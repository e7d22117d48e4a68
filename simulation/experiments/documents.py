"""The documents of a scenario's variants."""

from __future__ import annotations

from typing import Any

from simulation.scenarios.building import AS_WRITTEN, variant_document

from .problems import unfit


def document_of(document: dict[str, Any], variant: str = AS_WRITTEN) -> dict[str, Any]:
    """Return what a variant makes of the document. Raises ExperimentInvalid for a variant that is not there."""
    if variant == AS_WRITTEN:
        return document
    changes = document.get("variants", {})
    if variant not in changes:
        known = ", ".join([AS_WRITTEN, *changes])
        raise unfit("variants", f"there is no variant {variant}; there are: {known}", "reference.unknown")
    return variant_document(document, changes[variant])
