"""The site's settings, with workers that are replaced after two tasks."""

from __future__ import annotations

from config.settings import *  # noqa: F403 - every setting
from config.settings import Q_CLUSTER

Q_CLUSTER["recycle"] = 2
