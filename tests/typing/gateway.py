"""What type checkers make of the gateway's configuration. Checked, never run."""

from __future__ import annotations

from typing_extensions import assert_type

from wandb_inference.gateway.config import (
    Deployment,
    Finding,
    GatewayConfig,
    Match,
    Report,
    Secret,
    check,
    from_environment,
    load,
    render,
)

config = load("config.yaml", environ={}, host="127.0.0.1", skip_foreign=True)
assert_type(config, GatewayConfig)
assert_type(from_environment(), GatewayConfig)
assert_type(render(config), str)
assert_type(check("config.yaml"), Report)
assert_type(check("config.yaml").findings, tuple[Finding, ...])
assert_type(config.match("fast"), Match | None)
assert_type(config.groups["fast"].deployments[0], Deployment)
assert_type(config.master_key, Secret | None)
config.router.timeout = 3.0  # type: ignore[misc]
load("config.yaml", hots="127.0.0.1")  # type: ignore[call-arg]
