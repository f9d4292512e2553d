"""How a server was told to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from serving.connection import Limits


@dataclass(frozen=True)
class Settings:
    """What the command line says; see `serving.__main__` for units and defaults."""

    model_dir: Path
    model_name: str
    revision: str
    host: str = "127.0.0.1"
    http_port: int = 8080
    grpc_port: int | None = None
    drain_seconds: float = 5.0
    threads: int = 1
    native_threads: int = 1
    log_one_in: int = 1000
    limits: Limits = field(default_factory=Limits)
