"""Why a request is refused, or a bundle cannot be served."""

from __future__ import annotations


class BundleError(Exception):
    """The bundle cannot be served; the message is one line for whoever made it."""


class Refused(Exception):
    """A request is answered with `status` and a reason instead of a prediction."""

    status = 500
    # Ends up in the metric of rejected requests; None where the request is wrong rather than turned away.
    rejection: str | None = None

    def __init__(self, reason: str, *, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        if status is not None:
            self.status = status


class InvalidInput(Refused):
    """This input is bad: 400 with the reason. Handlers raise it."""

    status = 400


class Malformed(Refused):
    """The request is not one of the protocol's: 400, or the more exact 4xx given."""

    status = 400


class Unavailable(Refused):
    """Something needed is away for now: 503. Handlers raise it for what they depend on."""

    status = 503

    def __init__(self, reason: str, *, status: int | None = None, retry_after: int | None = 1) -> None:
        super().__init__(reason, status=status, retry_after=retry_after)


class TurnedAway(Unavailable):
    """This server will not take the request now, and counts why."""

    def __init__(self, rejection: str, reason: str, *, status: int = 503, retry_after: int | None = 1) -> None:
        super().__init__(reason, status=status, retry_after=retry_after)
        self.rejection = rejection


class ServiceFailed(Refused):
    """A service an ensemble called failed: 502, 503 or 504, never this server's own 500."""

    status = 502


class Failed(Refused):
    """The model or its handler raised something it should not have: 500. The log has the traceback."""
