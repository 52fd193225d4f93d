"""`wandb-inference emulator`: the service on this machine."""

from __future__ import annotations

import argparse
import errno
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from ..testing import Emulator, RecordedRequest

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]


class Arguments(argparse.Namespace):
    """The command's arguments, by type."""

    host: str
    port: int
    api_key: str | None
    project: str | None
    require_project: bool
    seed: int
    latency: float
    tokens_per_second: float | None
    concurrency_limit: int | None
    log_requests: bool


def add_parser(commands: Commands) -> None:
    """Add the command to the main parser."""
    about = "Run a W&B Inference on this machine, for any client in any language. Needs no key and no network."
    parser = commands.add_parser("emulator", help="run a W&B Inference on this machine", description=about)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", default=8000, type=int, help="port to listen on; 0 for a free one (default: %(default)s)")
    add("--api-key", metavar="KEY", help="the only key to accept (default: any)")
    add("--project", metavar="TEAM/PROJECT", help="the only project to accept (default: any)")
    add(
        "--no-require-project",
        dest="require_project",
        action="store_false",
        help="answer without the OpenAI-Project header too, as other OpenAI-compatible servers do",
    )
    add("--seed", default=0, type=int, help="another seed gives other texts (default: %(default)s)")
    add("--latency", default=0.0, type=float, metavar="SECONDS", help="wait before each answer (default: none)")
    add("--tokens-per-second", type=float, metavar="N", help="pace of generation (default: at once)")
    add("--concurrency-limit", type=int, metavar="N", help="answer 429 beyond N requests in flight (default: none)")
    add("--log-requests", action="store_true", help="print a line for each request")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit code, once Ctrl-C has ended it: 0, or 2 where it could not start."""
    options = Arguments(**vars(arguments))
    try:
        emulator = _emulator(options).start()
    except (ImportError, ValueError) as error:
        return _failed(str(error))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _failed(f"port {options.port} is taken; choose another with --port, or --port 0 for a free one")
        return _failed(f"can't listen on {options.host}:{options.port}: {error.strerror}")
    try:
        print(_welcome(emulator, options), flush=True)
        wait()
    except KeyboardInterrupt:
        return 0
    finally:
        emulator.stop()


def wait() -> NoReturn:
    """Wait for Ctrl-C."""
    while True:
        # Without a timeout Ctrl-C would not get through on Windows.
        threading.Event().wait(3600)


def _emulator(options: Arguments) -> Emulator:
    from ..testing import Emulator

    return Emulator(
        api_key=options.api_key,
        project=options.project,
        require_project=options.require_project,
        seed=options.seed,
        latency=options.latency,
        tokens_per_second=options.tokens_per_second,
        concurrency_limit=options.concurrency_limit,
        on_request=_log if options.log_requests else None,
        host=options.host,
        port=options.port,
    )


def _welcome(emulator: Emulator, options: Arguments) -> str:
    # A key that was given is a secret, even here.
    key = "emulator" if options.api_key is None else "..."
    return f"""\
W&B Inference, emulated, on {emulator.base_url}. Ctrl-C ends it.

To lead clients here:

  export WANDB_API_BASE={emulator.base_url}
  export WANDB_API_KEY={key}
  export WANDB_PROJECT={options.project or "team/project"}
"""


def _log(request: RecordedRequest) -> None:
    about = [request.model or "", "stream" if request.stream else ""]
    print(" ".join([request.method, request.path, str(request.status), *filter(None, about)]), flush=True)


def _failed(message: str) -> int:
    print(f"wandb-inference emulator: {message}", file=sys.stderr)
    return 2
