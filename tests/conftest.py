"""What concerns all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A pull request is judged by the same examples every time; people's own runs look for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

HERE = Path(__file__).parent
# These drive load and look at its times: nothing else may run beside them.
ALONE = (HERE / "loadtests", HERE / "gate" / "test_with_loadtests.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what must run alone."""
    for item in items:
        if any(item.path.is_relative_to(place) for place in ALONE):
            item.add_marker(pytest.mark.alone)
