from __future__ import annotations

from tests.api.client import Caller


def test_it_lists_the_teams_instances(program: Caller, stranger: Caller):
    for port in (8997, 8998):
        program.post("services", {"name": "b", "address": f"http://127.0.0.1:{port}"})
    program.post("services", {"name": "a", "address": "http://127.0.0.1:8999"})
    stranger.post("services", {"name": "c", "address": "http://127.0.0.1:8999"})

    answer = program.get("services")

    assert [(each["name"], each["port"]) for each in answer.body["items"]] == [("a", 8999), ("b", 8997), ("b", 8998)]


def test_it_lists_the_instances_of_one_service(program: Caller):
    for name in ("a", "b"):
        program.post("services", {"name": name, "address": "http://127.0.0.1:8999"})

    assert [each["name"] for each in program.get("services?name=b").body["items"]] == ["b"]
    assert program.get("services?name=c").body["items"] == []


def test_it_refuses_a_name_that_is_none(program: Caller):
    answer = program.get("services?name=%00")

    assert (answer.status, answer.code, answer.paths) == (422, "text.format", ["name"])


FIRST = {"version": "1", "tags": ["eu", "blue"], "metadata": {"zone": "a", "rack": 7}}
SECOND = {"version": "2", "tags": ["eu"], "metadata": {"zone": "b"}}


def ports(caller: Caller, query: str) -> list[int]:
    return [each["port"] for each in caller.get(f"services?{query}").body["items"]]


def test_it_lists_those_that_fit_everything(program: Caller):
    program.post("services", {"name": "a", "address": "http://127.0.0.1:8001", **FIRST})
    second = program.post("services", {"name": "a", "address": "http://127.0.0.1:8002", **SECOND}).body["id"]
    program.post(f"services/{second}/drain")

    assert ports(program, "version=1") == [8001]
    assert ports(program, "tag=eu") == [8001, 8002]
    assert ports(program, "tag=eu&tag=blue") == [8001]
    assert ports(program, "tag=eu,blue") == [8001]
    assert ports(program, "tag=%25") == ports(program, 'tag="eu"') == []
    assert ports(program, "status=draining") == [8002]
    assert ports(program, "status=draining,active&health=unknown") == [8001, 8002]
    assert ports(program, "health=healthy") == []
    assert ports(program, "metadata=zone:b") == [8002]
    assert ports(program, "metadata=zone:a&metadata=rack:7") == [8001]
    assert ports(program, "metadata=zone:a&metadata=zone:b") == []
    assert ports(program, "name=a&version=2&tag=eu&status=draining&metadata=zone:b") == [8002]


def test_it_pages_without_leaving_any_out(program: Caller):
    for name in ("b", "a"):
        for port in (8001, 8002, 8003):
            program.post("services", {"name": name, "address": f"http://127.0.0.1:{port}"})

    pages, cursor = [], ""
    while cursor is not None:
        page = program.get(f"services?limit=2{cursor and f'&cursor={cursor}'}").body
        pages.append([(each["name"], each["port"]) for each in page["items"]])
        cursor = page["next_cursor"]
    assert pages == [[("a", 8001), ("a", 8002)], [("a", 8003), ("b", 8001)], [("b", 8002), ("b", 8003)]]


def test_it_refuses_filters_that_are_none(program: Caller):
    for query, code in {
        "status=gone": "value.choice",
        "health=well": "value.choice",
        "metadata=zone": "text.format",
        "cursor=x": "cursor.invalid",
        "address=x": "param.unknown",
    }.items():
        assert program.get(f"services?{query}").code == code
