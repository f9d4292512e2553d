"""The model server of every revision Liftlock builds itself. Importing this costs milliseconds: handlers do it."""

from serving.errors import InvalidInput, Unavailable
from serving.handler import Handler, Service

__all__ = ["Handler", "InvalidInput", "Service", "Unavailable"]
