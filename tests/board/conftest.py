"""Boards that many tests look at, each made once."""

from __future__ import annotations

import pytest

from liftlock.errors import GateFailed

from .builders import found


@pytest.fixture
def firm(tmp_path):
    return found(tmp_path)


@pytest.fixture(scope="session")
def eventful(tmp_path_factory):
    """One release in prod, one stopped for slowness in staging, one taken back from users in prod."""
    firm = found(tmp_path_factory.mktemp("eventful"))
    firm.cut("1")
    firm.promote("prod")
    firm.cut("2")
    firm.promote("dev")
    with pytest.raises(GateFailed):
        firm.promote("staging", slower=3)
    firm.cut("3")
    with pytest.raises(GateFailed):
        firm.promote("prod", live_errors=30)
    return firm.board()
