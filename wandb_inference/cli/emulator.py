"""`wandb-inference emulator`: the service on this machine."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from ._console import to_stderr

if TYPE_CHECKING:
    from ..testing import Emulator, RecordedRequest


class Options(NamedTuple):
    """The command's options."""

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


EXAMPLES = """\b
Examples:
  wandb-inference emulator
  wandb-inference emulator --port 0 --tokens-per-second 40 --log-requests
"""


@click.command("emulator", short_help="Run a W&B Inference on this machine.", epilog=EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 for a free one")
@click.option("--api-key", metavar="KEY", help="The only key to accept  [default: any]")
@click.option("--project", metavar="TEAM/PROJECT", help="The only project to accept  [default: any]")
@click.option(
    "--no-require-project",
    "require_project",
    flag_value=False,
    default=True,
    help="Answer without the OpenAI-Project header too, as other OpenAI-compatible servers do",
)
@click.option("--seed", default=0, show_default=True, help="Another seed gives other texts")
@click.option("--latency", default=0.0, metavar="SECONDS", help="Wait before each answer  [default: none]")
@click.option("--tokens-per-second", type=float, metavar="N", help="Pace of generation  [default: at once]")
@click.option("--concurrency-limit", type=int, metavar="N", help="Answer 429 beyond N requests in flight")
@click.option("--log-requests", is_flag=True, help="Print a line for each request")
def command(**options: Any) -> int:
    """Run a W&B Inference on this machine, for any client in any language. Needs no key and no network."""
    return run(Options(**options))


def run(options: Options) -> int:
    """Exit code, once Ctrl-C has ended it: 0, or 2 where it could not start."""
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


def _emulator(options: Options) -> Emulator:
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


def _welcome(emulator: Emulator, options: Options) -> str:
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
    to_stderr(f"wandb-inference emulator: {message}")
    return 2
