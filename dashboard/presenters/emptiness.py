"""What an empty list says: what will stand here, why nothing does yet, and the one thing to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Emptiness:
    """Why a list is empty; `act` is a link's text, empty where there is nothing to do."""

    title: str
    text: str
    act: str = ""
    href: str = ""
