"""The reference page of the API is what the API says of itself."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from orchestration.api.reference import api_reference
from orchestration.api.schema import openapi_document


def test_the_page_is_as_the_api_is():
    page = settings.BASE_DIR / "docs" / "reference" / "api.md"

    assert page.read_text(encoding="utf-8") == api_reference(), "`make docs` writes it"


def test_the_page_has_every_operation_and_every_shape():
    page = api_reference()

    for path, methods in openapi_document()["paths"].items():
        for method in methods:
            assert page.count(f"`{method.upper()} {path}`") == 1
    for name in openapi_document()["components"]["schemas"]:
        assert f"\n### {name}\n" in page


def test_the_command_writes_the_page(tmp_path: Path):
    call_command("export_api_reference", output=tmp_path / "a" / "api.md", stdout=StringIO())

    assert (tmp_path / "a" / "api.md").read_text(encoding="utf-8") == api_reference()
