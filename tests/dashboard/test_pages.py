"""The pages over HTTP: who sees what, how much they weigh, and that no text becomes markup."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from dashboard.views.frame import THEME_COOKIE
from orchestration.engine import operations, queries
from orchestration.registry import operations as registry
from tests.dashboard import fakes
from tests.dashboard.conftest import started

ORDER_INPUT: dict[str, Any] = {"order_id": "ORD-1", "items": [], "total_amount": 1}
PAGES = ("/", "/executions", "/workflows", "/services")


class Elements(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]


def _text(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status, response.content[:500]
    return response.content.decode()


@pytest.mark.parametrize(
    "path", [*PAGES, "/workflows/order-processing", "/executions/0195f2a4-77c1-7d3e-9a61-4f2b8c0d1e2f"]
)
def test_it_asks_who_is_there(db: None, path: str):
    response = Client().get(path)
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")


def test_it_tells_somebody_without_a_team_so(db: None, django_user_model: Any):
    client = Client()
    client.force_login(django_user_model.objects.create_user(username="nobody"))
    assert "belong to no team" in _text(client, "/", 403)


def test_it_logs_in_and_out(team_id: int, operator: Client):
    client = Client()
    assert "do not fit together" in client.post("/login", {"username": "operator", "password": "x"}).content.decode()
    response = client.post(
        "/login", {"username": "operator", "password": "a long enough password", "next": "/services"}
    )
    assert response.headers["Location"] == "/services"
    assert "Log out" in _text(client, "/services")
    assert client.get("/logout").status_code == 405
    client.post("/logout")
    assert client.get("/services").status_code == 302


def test_it_shows_nothing_of_another_team(team_id: int, order: str, stranger: Client):
    execution_id = started(team_id, order, **ORDER_INPUT)
    for path in (
        f"/executions/{execution_id}",
        f"/executions/{execution_id}/input.json",
        "/workflows/order-processing",
        "/workflows/order-processing/definition.json",
    ):
        assert "Not here" in _text(stranger, path, 404)
    stranger.post(f"/executions/{execution_id}/act", {"act": "cancel"})
    assert queries.list_executions(team_id=team_id, limit=1).items[0].status == "pending"
    assert stranger.post("/workflows/order-processing/start", {"input": "{}"}).status_code == 404
    assert execution_id[-12:] not in _text(stranger, "/executions") + _text(stranger, "/")


def test_it_says_three_different_things_where_a_list_is_empty(team_id: int, operator: Client):
    nothing_to_run = _text(operator, "/executions")
    assert "Nothing to run yet" in nothing_to_run
    operations.save_definition(team_id=team_id, document=fakes.ORDER, by="demo")
    assert "No executions yet" in _text(operator, "/executions")
    filtered = _text(operator, "/executions?status=failed&workflow=order-processing")
    assert "Nothing matches this filter" in filtered
    assert "Show all executions" in filtered


def test_it_keeps_the_filter_in_the_address(team_id: int, order: str, operator: Client):
    started(team_id, order, **ORDER_INPUT)
    page = _text(operator, "/executions?status=pending&workflow=order-processing&within=1h")
    assert page.count("data-seq") >= 1
    assert re.search(r'href="/executions\?workflow=order-processing&amp;within=1h" aria-current="true"', page)
    assert "/executions?status=failed&amp;workflow=order-processing&amp;within=1h" in page
    assert "Nothing matches" in _text(operator, "/executions?status=failed")


def test_it_pages_by_key_and_finds_back(team_id: int, order: str, operator: Client):
    ids = [started(team_id, order, **ORDER_INPUT) for _ in range(53)]
    first = _text(operator, "/executions")
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = _text(operator, older[1].replace("&amp;", "&"))
    shown = [re.findall(r'id="execution-([0-9a-f-]+)"', page) for page in (first, second)]
    assert shown == [ids[:2:-1], ids[2::-1]]
    assert "Back to the newest" in second
    assert operator.get("/executions?cursor=nonsense").headers["Location"] == "/executions?"


@pytest.fixture
def hostile(team_id: int) -> str:
    """Save a workflow whose every text is markup, and start it; return the execution's id."""
    call = {"type": "service", "service_name": fakes.HOSTILE, "method": fakes.HOSTILE, "name": fakes.HOSTILE}
    document = {
        "id": "hostile",
        "name": fakes.HOSTILE,
        "description": fakes.HOSTILE,
        "version": fakes.HOSTILE,
        "input_schema": {"type": "object", "properties": {fakes.HOSTILE: {"default": fakes.HOSTILE}}},
        "steps": [{"id": "a", **call}, {"id": "w", "type": "wait", "signal": fakes.HOSTILE, "name": fakes.HOSTILE}],
    }
    operations.save_definition(team_id=team_id, document=document, by=fakes.HOSTILE)
    started_execution = operations.start_execution(
        team_id=team_id, workflow="hostile", input={fakes.HOSTILE: fakes.HOSTILE}, by=fakes.HOSTILE
    )
    return started_execution.execution_id


def test_it_shows_markup_in_names_and_inputs_as_text(team_id: int, hostile: str, operator: Client):
    paths = ["/", "/executions", f"/executions/{hostile}", "/workflows", "/workflows/hostile"]
    paths += [f"/executions/{hostile}?step={fakes.HOSTILE}", f"/executions?workflow={fakes.HOSTILE}"]
    for path in paths:
        text = _text(operator, path)
        elements = Elements(text)
        assert [script.get("src") for script in elements.named("script")] == ["/static/dashboard/podium.js"], path
        assert not elements.named("img"), path
        assert not [name for _, attributes in elements.tags for name in attributes if name.startswith("on")], path
    assert operator.get(f"/executions/{hostile}/input.json").headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", PAGES)
def test_it_needs_no_inline_script_or_style(team_id: int, order: str, operator: Client, path: str):
    started(team_id, order, **ORDER_INPUT)
    for page in (path, "/workflows/order-processing"):
        response = operator.get(page)
        elements = Elements(response.content.decode())
        assert not [attributes for _, attributes in elements.tags if "style" in attributes]
        assert not elements.named("style")
        assert "'unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "private, no-store"


def _kilobytes(data: bytes) -> float:
    return len(gzip.compress(data, 6)) / 1000


def test_it_weighs_less_than_sixty_kilobytes_with_everything(team_id: int, operator: Client):
    document = fakes.big_document(20, 20)
    operations.save_definition(team_id=team_id, document=document, by="demo")
    execution_id = started(team_id, "big")
    for _ in range(50):
        started(team_id, "big")
    static = {
        name: _kilobytes(Path(found).read_bytes())
        for name in ("podium.css", "podium.js", "live.js", "patch.js", "words.js", "podium.svg")
        if isinstance(found := finders.find(f"dashboard/{name}"), str)
    }
    assert len(static) == 6
    assert static["podium.css"] < 15
    assert sum(size for name, size in static.items() if name.endswith(".js")) < 40
    for path in (*PAGES, "/workflows/big", f"/executions/{execution_id}"):
        html = _kilobytes(_text(operator, path).encode())
        assert html < 40, path
        assert html + sum(static.values()) < 60, path


def test_it_keeps_the_page_of_a_giant_execution_small(team_id: int):
    from django.template.loader import render_to_string

    from dashboard.graph.layout import lay_out
    from dashboard.graph.shape import shapes_of
    from dashboard.presenters.execution import execution_page

    definition = fakes.definition(fakes.big_document(95, 20))
    steps = tuple(
        fakes.step(f"task_{layer}_{place}", "completed", layer, layer + 1) for layer in range(20) for place in range(95)
    )
    detail = fakes.detail(steps=steps, definition=definition)
    page = execution_page(detail, fakes.events(), lay_out(shapes_of(definition.steps)), now=fakes.NOW_US)
    html = render_to_string("execution/page.html", {"page": page})
    assert _kilobytes(html.encode()) < 40
    assert len(Elements(html).tags) < 2_000
    assert len(page.picture.nodes) <= 400


def test_it_names_every_state_in_words_beside_its_shape(team_id: int, order: str, operator: Client):
    execution_id = started(team_id, order, **ORDER_INPUT)
    for path in ("/executions", f"/executions/{execution_id}"):
        text = _text(operator, path)
        states = re.findall(r'<span class="state [^"]*">(.*?)</span>', text)
        assert states
        assert all(re.fullmatch(r'<svg class="icon"[^>]*><use href="#i-\w+"/></svg>\w[\w ]+', each) for each in states)


@pytest.mark.parametrize("path", [*PAGES, "/workflows/order-processing"])
def test_it_can_be_found_through_by_keyboard_and_ear(team_id: int, order: str, operator: Client, path: str):
    text = _text(operator, path)
    elements = Elements(text)
    assert len(elements.named("h1")) == 1
    assert next(a["href"] for a in elements.named("a")) == "#main"
    assert '<p id="announcer" class="unseen" role="status" aria-atomic="true"></p>' in text
    assert len([tag for tag in elements.tags if tag[1].get("role") == "status"]) == 1
    ids = [attributes["id"] for _, attributes in elements.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in elements.named("div"):
        if "scroll" in (attributes.get("class") or "").split():
            assert attributes.get("tabindex") == "0"
            assert attributes.get("role") == "region"
            assert attributes.get("aria-label")
    labelled = {label["for"] for label in elements.named("label") if "for" in label}
    for field in (*elements.named("textarea"), *elements.named("input")):
        assert field.get("type") in {"hidden", "checkbox"} or field.get("id") in labelled, field


def test_it_links_only_what_exists(team_id: int, order: str, operator: Client):
    execution_id = started(team_id, order, **ORDER_INPUT)
    seen: set[str] = set()
    for path in (*PAGES, "/workflows/order-processing", f"/executions/{execution_id}"):
        for link in Elements(_text(operator, path)).named("a"):
            href = (link.get("href") or "").partition("#")[0]
            if href and not href.startswith("?"):
                seen.add(href)
    for href in seen:
        assert operator.get(href).status_code == 200, href


def test_it_remembers_the_theme(team_id: int, operator: Client):
    response = operator.post("/theme", {"theme": "dark", "next": "/services"})
    assert response.headers["Location"] == "/services"
    assert operator.cookies[THEME_COOKIE].value == "dark"
    assert 'data-theme="dark"' in _text(operator, "/services")
    assert operator.post("/theme", {"theme": "dark", "next": "https://elsewhere.example/"}).headers["Location"] == "/"
    operator.post("/theme", {"theme": "<pink>"})
    assert operator.cookies[THEME_COOKIE].value == "dark"


def test_it_shows_services_with_the_health_of_their_instances(team_id: int, operator: Client):
    assert "No services yet" in _text(operator, "/services")
    registry.register(team_id=team_id, name="payment", address="http://127.0.0.1:8199", by="demo")
    text = _text(operator, "/services")
    assert "http://127.0.0.1:8199" in text
    assert re.search(r"<use href=\"#i-\w+\"/></svg>(Unknown|Unhealthy|Healthy)", text)


def test_it_shows_the_revision_that_is_asked_for(team_id: int, order: str, operator: Client):
    operations.save_definition(team_id=team_id, document={**fakes.ORDER, "version": "3.0"}, by="demo")
    assert "version 3.0" in _text(operator, "/workflows/order-processing")
    old = _text(operator, "/workflows/order-processing?revision=1")
    assert "version 2.1" in old
    assert "This is an older revision." in old
    assert "Not here" in _text(operator, "/workflows/order-processing?revision=9", 404)
    assert json.loads(_text(operator, "/workflows/order-processing/definition.json?revision=1"))["version"] == "2.1"


def test_it_shows_a_list_in_few_queries(team_id: int, order: str, operator: Client, django_assert_max_num_queries: Any):
    execution_id = started(team_id, order, **ORDER_INPUT)
    _text(operator, f"/executions/{execution_id}")
    with django_assert_max_num_queries(18):
        _text(operator, "/executions")
    with django_assert_max_num_queries(12):
        _text(operator, f"/executions/{execution_id}")
