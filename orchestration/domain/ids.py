"""Names that are derived rather than drawn, so that a replay, a retry and another worker come to the same ones."""

from __future__ import annotations

import hashlib

_REFERENCE_MARK = "!"


def attempt_reference(path: str, seq: int, undo_attempt: int = 0) -> str:
    """Return the name of one attempt of the step run at `path`, which no other attempt of the execution ever has.

    `seq` is the journal entry that began it; the attempts of a compensation (from 1) share one entry.
    """
    reference = f"{path}{_REFERENCE_MARK}{seq}"
    return f"{reference}.{undo_attempt}" if undo_attempt else reference


def path_of_attempt(reference: str) -> str:
    """Return the step run's path that an attempt's reference starts with."""
    return reference.rpartition(_REFERENCE_MARK)[0]


def idempotency_key(execution_id: str, path: str, generation: int, *, compensation: bool = False) -> str:
    """Return `{execution}/{step run}`, what a service recognises a repeated call by.

    It is the same on every attempt and after a failure that is tried again. Once a step run has succeeded (or was
    undone) and is run anew on purpose, `generation` tells the new call from the old: a service that remembers the old
    answer must not give it again.
    """
    key = f"{execution_id}/{path}"
    if generation:
        key += f"~{generation}"
    return f"{key}/compensate" if compensation else key


def child_execution_id(execution_id: str, reference: str) -> str:
    """Return the id (UUID text, version 8 of RFC 9562) of the child that this attempt starts."""
    digest = bytearray(hashlib.blake2b(f"{execution_id}/{reference}".encode(), digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fraction(*parts: object) -> float:
    """Return a number in [0, 1) that looks drawn and is a hash of `parts`."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big") / (1 << 56)
