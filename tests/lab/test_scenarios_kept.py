"""Scenarios that a team keeps: saved, renamed, shared and deleted."""

from __future__ import annotations

import pytest

from orchestration.domain.errors import Conflict, DocumentInvalid, InputInvalid, LimitExceeded, NotFound
from orchestration.teams import operations as teams
from simulation.lab import operations, queries
from simulation.lab.models import SavedScenario
from tests.lab.scenarios import QUICK


@pytest.fixture
def team_id(db: None) -> int:
    return teams.default_team().id


@pytest.fixture
def kept(team_id: int) -> operations.Saved:
    return operations.save_scenario(team_id=team_id, text=QUICK, name="Peak", by="ada")


def test_it_keeps_the_text_as_it_was_written(team_id: int, kept: operations.Saved):
    found = queries.get_scenario(team_id=team_id, scenario_id=kept.scenario_id)
    assert (found.text, found.name, found.version, found.created_by) == (QUICK, "Peak", 1, "ada")
    text = f"# a note\n{QUICK}"
    again = operations.save_scenario(
        team_id=team_id, text=text, name="Peak 2", by="bob", scenario_id=kept.scenario_id, version=1
    )
    found = queries.get_scenario(team_id=team_id, scenario_id=kept.scenario_id)
    assert (again.version, found.version, found.text, found.name) == (2, 2, text, "Peak 2")
    assert (found.created_by, found.updated_by) == ("ada", "bob")


def test_it_loses_nothing_that_somebody_else_saved_meanwhile(team_id: int, kept: operations.Saved):
    given = {"team_id": team_id, "text": QUICK, "scenario_id": kept.scenario_id, "version": 1}
    operations.save_scenario(**given, name="Hers", by="ada")
    with pytest.raises(Conflict, match="ada saved this scenario meanwhile"):
        operations.save_scenario(**given, name="His", by="bob")
    assert queries.get_scenario(team_id=team_id, scenario_id=kept.scenario_id).name == "Hers"


def test_it_saves_nothing_that_cannot_be_simulated(team_id: int):
    with pytest.raises(DocumentInvalid) as told:
        operations.save_scenario(team_id=team_id, text=QUICK.replace("service: payment", ""), name=" ", by="ada")
    assert told.value.problems
    with pytest.raises(DocumentInvalid):
        operations.save_scenario(team_id=team_id, text="- a list", name="x", by="ada")
    with pytest.raises(InputInvalid):
        operations.save_scenario(team_id=team_id, text=QUICK, name=" \x00 ", by="ada")
    assert not SavedScenario.objects.exists()


def test_it_shares_a_link_with_members_of_the_team_until_it_is_taken_back(team_id: int, kept: operations.Saved):
    link = operations.share_scenario(team_id=team_id, scenario_id=kept.scenario_id)
    assert operations.share_scenario(team_id=team_id, scenario_id=kept.scenario_id) == link
    assert queries.scenario_of_link(team_id=team_id, link=link).id == kept.scenario_id
    with pytest.raises(NotFound):
        queries.scenario_of_link(team_id=teams.create_team(slug="others").id, link=link)
    operations.unshare_scenario(team_id=team_id, scenario_id=kept.scenario_id)
    with pytest.raises(NotFound):
        queries.scenario_of_link(team_id=team_id, link=link)


def test_it_is_another_teams_business(team_id: int, kept: operations.Saved):
    other = teams.create_team(slug="others").id
    given = {"team_id": other, "scenario_id": kept.scenario_id}
    with pytest.raises(NotFound):
        operations.rename_scenario(**given, name="Mine", by="eve")
    with pytest.raises(NotFound):
        operations.delete_scenario(**given)
    with pytest.raises(NotFound):
        operations.share_scenario(**given)
    with pytest.raises(NotFound):
        operations.start_run(**given, text=QUICK, name="x", by="eve")
    assert queries.list_scenarios(team_id=other) == ()


def test_it_renames_and_deletes(team_id: int, kept: operations.Saved):
    operations.rename_scenario(team_id=team_id, scenario_id=kept.scenario_id, name="  Off   peak ", by="bob")
    assert queries.list_scenarios(team_id=team_id)[0].name == "Off peak"
    operations.delete_scenario(team_id=team_id, scenario_id=kept.scenario_id)
    assert queries.list_scenarios(team_id=team_id) == ()


def test_it_keeps_only_so_many(team_id: int, kept: operations.Saved, settings):
    from dataclasses import replace

    settings.PODIUM = replace(settings.PODIUM, simulation_scenarios_per_team=1)
    with pytest.raises(LimitExceeded):
        operations.save_scenario(team_id=team_id, text=QUICK, name="One more", by="ada")
