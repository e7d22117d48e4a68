"""The tests' own site: child processes of a test and the test itself must mean the same one."""

from __future__ import annotations

import os

from django.conf import settings


def test_it_has_the_name_that_child_processes_inherit():
    assert os.environ["PODIUM_SITE"] == settings.PODIUM.site


def test_it_keeps_its_data_where_child_processes_look():
    assert os.environ["PODIUM_DATA_DIR"] == str(settings.PODIUM.data_dir)
