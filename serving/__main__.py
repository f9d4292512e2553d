"""`python -m serving --model_dir BUNDLE --model_name NAME --revision REVISION`: serve one bundle."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from serving.errors import BundleError

if TYPE_CHECKING:
    from serving.settings import Settings

NATIVE_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"serving: {message}\n")
        sys.exit(2)


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


def _seconds(text: str) -> float:
    if not 0 <= (value := float(text)) <= 3600:
        raise ValueError
    return value


def parser() -> argparse.ArgumentParser:
    """The command line. Of a repeated argument the last occurrence wins, as in KServe."""
    arguments = _Parser(prog="serving", description=__doc__, allow_abbrev=False)
    arguments.add_argument("--model_dir", type=Path, required=True, help="the bundle: serving.json and what it names")
    arguments.add_argument("--model_name", required=True, help="the name in the paths, usually the service's")
    arguments.add_argument("--revision", required=True, help="said in every answer")
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    arguments.add_argument("--http_port", type=int, default=8080, help="0 takes a free one and logs it")
    arguments.add_argument("--grpc_port", type=int, default=None, help="no gRPC without it")
    arguments.add_argument("--drain_seconds", type=_seconds, default=5.0, help="from SIGTERM until the listener closes")
    arguments.add_argument("--threads", type=_positive, default=1, help="predictions at once; handlers must allow it")
    arguments.add_argument("--native_threads", type=_positive, default=1, help="threads of the model's library")
    arguments.add_argument("--log_one_in", type=int, default=1000, help="successes logged: 1 in so many; 0 for none")
    arguments.add_argument("--read_seconds", type=_seconds, default=12.0, help="for a whole request to arrive")
    arguments.add_argument("--idle_seconds", type=_seconds, default=75.0, help="between requests of a connection")
    arguments.add_argument("--max_head_bytes", type=_positive, default=16384, help="of a request line and its headers")
    return arguments


def read_settings(arguments: Sequence[str]) -> Settings:
    """Typed settings. Ends the process with one line and exit code 2 for a wrong or unknown argument."""
    given = parser().parse_args(arguments)
    for variable in NATIVE_THREADS:  # read by native libraries when they load, so before numpy is imported
        os.environ[variable] = str(given.native_threads)
    from serving.connection import Limits
    from serving.settings import Settings

    limits = Limits(given.max_head_bytes, read_seconds=given.read_seconds, idle_seconds=given.idle_seconds)
    own = vars(given)
    for name in ("read_seconds", "idle_seconds", "max_head_bytes"):
        del own[name]
    return Settings(**own, limits=limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped. Exit codes: 0 stopped, 1 requests cut off, 2 wrong input, 4 address not to be had."""
    settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    import uvloop

    from serving.server import ModelServer

    async def serve() -> int:
        return await ModelServer(settings).run()

    try:
        return uvloop.run(serve())
    except BundleError as error:
        sys.stderr.write(f"{settings.model_dir}: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"serving: {settings.host}:{settings.http_port}: {error.strerror or error}\n")
        return 4


if __name__ == "__main__":
    exit_code = main()
    sys.stderr.flush()
    # A prediction that hangs in a native library must not keep the process alive.
    os._exit(exit_code)
