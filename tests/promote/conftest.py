"""One company per module; its local site goes with it."""

from __future__ import annotations

import pytest

from tests.company import found_company


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    made = found_company(tmp_path_factory.mktemp("company"))
    yield made
    made.down()
