"""`wandb-inference gateway`: an address for models, configured as LiteLLM's proxy is."""

from __future__ import annotations

import errno
import logging
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ._options import Numbers

if TYPE_CHECKING:
    from ..gateway.config import GatewayConfig
    from ..gateway.server import Settings

EXAMPLES = """\b
Examples:
  wandb-inference gateway
  wandb-inference gateway --config config.yaml --check
  wandb-inference gateway --config config.yaml --host 0.0.0.0 --port 4000
"""

_EXTRA = "the gateway needs: pip install 'wandb-inference[gateway]'"


_NEEDED = ("yaml", "uvicorn", "httptools", *(() if sys.platform == "win32" else ("uvloop",)))


class Options(NamedTuple):
    """The command's options."""

    config: str | None
    host: str
    port: int
    workers: int
    check: bool
    reload: bool
    drain: float
    skip_foreign: bool
    api_base: str | None
    debug: bool


@click.command("gateway", short_help="Serve models to others.", epilog=EXAMPLES)
@click.option(
    "-c",
    "--config",
    envvar="CONFIG_FILE_PATH",
    metavar="FILE",
    help="A config.yaml, LiteLLM's or ours  [default: none, all models of the account]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on")
@click.option(
    "--port", default=4000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on; 0 for a free one"
)
@click.option(
    "--workers",
    "--num_workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Processes; each has a part of all limits",
)
@click.option(
    "--check",
    "--validate_config",
    is_flag=True,
    help="Say what is wrong with the configuration, or what it means, and end",
)
@click.option("--reload", is_flag=True, help="Read the configuration again when its files change; SIGHUP does it once")
@click.option(
    "--drain",
    default=30.0,
    show_default=True,
    type=Numbers(0),
    metavar="SECONDS",
    help="What requests have to finish after SIGTERM",
)
@click.option("--skip-foreign", is_flag=True, help="Leave out models of other providers instead of refusing them")
@click.option(
    "--api-base",
    metavar="URL",
    help="In place of W&B's address everywhere, for tests  [default: WANDB_INFERENCE_GATEWAY_API_BASE]",
)
@click.option("--debug", "--detailed_debug", is_flag=True, help="Log more")
def command(**options: Any) -> int:
    """Serve models to any client of OpenAI's API, as a LiteLLM config.yaml says."""
    return run(Options(**options))


def run(options: Options) -> int:
    """Exit code, once a signal has ended it: 0, or 2 where it could not start."""
    if any(find_spec(name) is None for name in _NEEDED):
        return _failed(_EXTRA)
    return _check(options) if options.check else _serve(options)


def _check(options: Options) -> int:
    from ..gateway.config import ConfigFileError, Finding, check, from_environment, render

    findings: tuple[Finding, ...] = ()
    resolved: GatewayConfig | None
    if options.config is None:
        try:
            resolved = from_environment(host=options.host, api_base=options.api_base)
            findings = resolved.warnings
        except ConfigFileError as error:
            return _failed(str(error))
    else:
        report = check(options.config, host=options.host, skip_foreign=options.skip_foreign, api_base=options.api_base)
        findings, resolved = report.findings, report.resolved
    for finding in findings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    if resolved is None:
        return 2
    print(render(resolved), end="")
    return 0


def _serve(options: Options) -> int:
    from ..gateway.config import ConfigFileError
    from ..gateway.logs import set_up_log
    from ..gateway.server import Settings, Source, listen, serve
    from ..gateway.workers import Workers

    source = Source(options.config, options.host, options.skip_foreign, options.api_base)
    try:
        config = source.load()
    except ConfigFileError as error:
        return _failed(str(error))
    if "otel" in config.server.callbacks and _has_no_exporter():
        return _failed("the callback otel needs: pip install 'wandb-inference[gateway,otel]'")
    set_up_log(json_lines=config.server.json_logs, level=logging.DEBUG if options.debug else logging.INFO)
    settings = Settings(source, options.workers, options.drain, options.reload)
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _failed(f"port {options.port} is taken; choose another with --port, or --port 0 for a free one")
        return _failed(f"can't listen on {options.host}:{options.port}: {error.strerror}")
    for finding in config.warnings:
        print(f"warning: {finding}", file=sys.stderr)
    with listener:
        print(_welcome(config, settings, listener.getsockname()), flush=True)
        if options.workers > 1:
            return Workers(config, settings, listener).run()
        return serve(config, settings, listener)


def _has_no_exporter() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is None
    except ModuleNotFoundError:  # of a package above it
        return True


def _welcome(config: GatewayConfig, settings: Settings, address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    shown = f"[{host}]" if ":" in host else host
    models = f"{len(config.groups)} model{'s' if len(config.groups) != 1 else ''}"
    lines = [f"W&B Inference gateway on http://{shown}:{port}/v1, {models}. Ctrl-C ends it."]
    if settings.workers > 1:
        lines.append(f"{settings.workers} workers: each holds 1/{settings.workers} of every limit and budget.")
    return "\n".join(lines)


def _failed(message: str) -> int:
    print(f"wandb-inference gateway: {message}", file=sys.stderr)
    return 2
