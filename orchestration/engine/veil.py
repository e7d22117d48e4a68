"""Secrets of a team, hidden in what was recorded: no recording that leaves the platform holds one.

Journals keep templates rather than secrets, but a service may answer with what it was given, and who starts an
execution may put anything into its input. What a service has made of a secret (a hash, another encoding) is not
recognised.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from cryptography.fernet import InvalidToken

from .models import Secret
from .secrets import unseal

HIDDEN = "hidden-secret"
SHORTEST = 4
"""Characters of a secret that is looked for: shorter ones stand in any text by chance."""


class Veil:
    """Hides some values wherever they stand in texts of JSON."""

    def __init__(self, values: Iterable[str]) -> None:
        long_enough = {each for each in values if len(each) >= SHORTEST}
        # Of two secrets one of which holds the other, the longer one goes first.
        self._hidden = sorted((orjson.dumps(each).decode()[1:-1] for each in long_enough), key=len, reverse=True)

    def over(self, text: str) -> str:
        """Return the text of a JSON value with the secrets hidden."""
        for each in self._hidden:
            if each in text:
                text = text.replace(each, HIDDEN)
        return text


def veil_of(team_id: int) -> Veil:
    """Return the veil over a team's secrets; those of another site's key, which nobody can read, are not among them."""
    found = []
    for sealed in Secret.objects.filter(team_id=team_id).values_list("value", flat=True):
        try:
            found.append(unseal(sealed))
        except InvalidToken:
            continue
    return Veil(found)
