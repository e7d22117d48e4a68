"""A service's policy as a form: one field for each key of `ServicePolicy`, made from the class itself.

A field that is left empty stands for the default, which it shows. What is entered is judged by `parse_policy` alone,
and written by the registry's operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from django import forms
from pydantic.fields import FieldInfo
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from orchestration.domain.calling.policy import DEFAULT_POLICY, ServicePolicy, parse_policy, policy_document
from orchestration.domain.documents import merged
from orchestration.domain.errors import DocumentInvalid
from orchestration.registry.models import Service

SEPARATOR = "__"
WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the policy: where it stands, what it means, what it may be (None: any text), what holds without it."""

    path: tuple[str, ...]
    says: str
    choices: tuple[Any, ...] | None
    kind: type
    default: Any

    @property
    def field(self) -> str:
        """Return the name of its field in the form."""
        return SEPARATOR.join(self.path)


@cache
def policy_keys() -> tuple[Key, ...]:
    """Return all keys of a policy, in the order of the class."""
    return tuple(_keys(ServicePolicy, (), policy_document(DEFAULT_POLICY)))


def sections() -> dict[str, list[str]]:
    """Return the names of the fields by the section of the policy that they stand in; those of none come first."""
    found: dict[str, list[str]] = {}
    for key in policy_keys():
        found.setdefault(key.path[0] if len(key.path) > 1 else "", []).append(key.field)
    return found


def _keys(section: type, path: tuple[str, ...], defaults: Any) -> Iterator[Key]:
    hints = get_type_hints(section, include_extras=True)
    for each in fields(section):
        plain, says = _unwrapped(hints[each.name])
        here, default = (*path, each.name), (defaults or {}).get(each.name)
        if defaults is None and each.default is not MISSING:
            # Of a section that is not there by default: what holds once it is.
            default = each.default
        if is_dataclass(plain):
            yield from _keys(plain, here, default)  # type: ignore[arg-type]
        else:
            choices = get_args(plain) if get_origin(plain) is Literal else (True, False) if plain is bool else None
            yield Key(here, says, choices, plain if isinstance(plain, type) else str, default)


def _unwrapped(hint: Any) -> tuple[Any, str]:
    """Return a hint's own type, without None and its annotations, and the sentence that says what it means."""
    says = ""
    while True:
        if get_origin(hint) is Annotated:
            hint, *notes = get_args(hint)
            says = says or next(
                (note.description for note in notes if isinstance(note, FieldInfo) and note.description), ""
            )
        elif get_origin(hint) in {Union, UnionType}:
            hint = next(each for each in get_args(hint) if each is not type(None))
        else:
            return hint, says


class PolicyForm(forms.ModelForm):
    """The form. Its fields are those of `policy_keys`."""

    policy_version = forms.IntegerField(widget=forms.HiddenInput)

    class Meta:
        model = Service
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key in policy_keys():
            if key.field in self.fields:
                self.initial.setdefault(key.field, _shown(key, self.instance.policy))
        self.initial["policy_version"] = self.instance.policy_version

    def clean(self) -> dict[str, Any]:
        """Hold what was entered against the rules; each problem stands at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.changes = _changes(cleaned)
        try:
            parse_policy(merged(self.instance.policy, self.changes))
        except DocumentInvalid as error:
            for problem in error.problems:
                name = _field_of(problem.path)
                self.add_error(name if name in self.fields else None, f"{problem.path}: {problem.message}")
        return cleaned


def _made(key: Key) -> forms.Field:
    default = "none" if key.default is None else _text(key.default) or "none"
    says = f"{key.says[:1].upper()}{key.says[1:]}. Default: {default}." if key.says else f"Default: {default}."
    label = key.path[-1].replace("_", " ")
    if key.choices is not None:
        choices = [("", f"default ({default})"), *((_text(each), _text(each)) for each in key.choices)]
        return forms.ChoiceField(
            choices=choices, required=False, label=label, help_text=says, widget=UnfoldAdminSelectWidget
        )
    widget = UnfoldAdminTextInputWidget(attrs={"placeholder": default})
    return forms.CharField(required=False, label=label, help_text=says, widget=widget, max_length=2_000)


def _shown(key: Key, policy: dict[str, Any]) -> str:
    value: Any = policy
    for name in key.path:
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return WORDS[value]
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _changes(cleaned: dict[str, Any]) -> dict[str, Any]:
    """Return what was entered as a merge patch: empty fields take their key out, and a section without any is out."""
    changes: dict[str, Any] = {}
    for key in policy_keys():
        value, place = _value(key, cleaned.get(key.field) or ""), changes
        for name in key.path[:-1]:
            place = place.setdefault(name, {})
        place[key.path[-1]] = value
    return {
        name: None if isinstance(value, dict) and all(each is None for each in value.values()) else value
        for name, value in changes.items()
    }


def _value(key: Key, text: str) -> Any:
    """Return a field's text as JSON has it; None for an empty one, the text where it is not what it should be."""
    text = text.strip()
    if not text:
        return None
    if key.kind is bool:
        return text == WORDS[True]
    if key.kind is tuple or isinstance(key.default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    if key.kind in {int, float} and not _is_duration(key):
        try:
            return int(text) if key.kind is int else float(text)
        except ValueError:
            return text
    return text


def _is_duration(key: Key) -> bool:
    return isinstance(key.default, str) or key.path[-1] in {"timeout", "ttl"}


def _field_of(path: str) -> str:
    return SEPARATOR.join(part.partition("[")[0] for part in path.split("."))


# A form's fields are declared; these are too, only not by hand.
for _key in policy_keys():
    PolicyForm.base_fields[_key.field] = PolicyForm.declared_fields[_key.field] = _made(_key)
