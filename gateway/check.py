"""``gateway check``: is the configuration well, and what would a reload of it change?"""

import json
import sys
from pathlib import Path
from typing import Any

from gateway.commands import read_config, warnings_here
from gateway.config import Settings
from gateway.config.in_force import approve, read_record
from gateway.config.plan import Plan, PlanRefused, plan, record
from gateway.errors import UsageError


def run_check(config: Path, *, plan: bool, yes: bool, as_json: bool) -> None:
    """Print what is found. Raises ConfigError with every fault, and PlanRefused where ``yes`` is not said but needed."""
    if yes and not plan:
        raise UsageError("--yes approves a plan: say gateway check --plan --yes")
    loaded = read_config(config)
    warnings = (*loaded.warnings, *warnings_here(loaded.settings))
    for warning in warnings:
        sys.stderr.write(f"warning: {warning}\n")
    settings = loaded.settings
    if not plan:
        _say({"well": True, "warnings": list(warnings)} if as_json else f"{config}: well")
        return
    changes = _planned(settings)
    refusal = changes and changes.refusal()
    if as_json:
        _say({"node": settings.node.id, "plan": changes and changes.to_json(), "approved": bool(refusal and yes)})
    else:
        _tell(settings, changes)
    if changes and refusal:
        if not yes:
            raise PlanRefused(changes, refusal)
        approve(settings.data_dir, changes.digest)
    if not as_json:
        _say("approved: the next reload takes this plan" if refusal else f"{config}: well")


def _planned(settings: Settings) -> Plan | None:
    """None where no node has run with this data_dir: everything is new then."""
    before = read_record(settings.data_dir)
    if before is None:
        return None
    return plan(before, record(settings, before.key), settings.reload.most_removed)


def _tell(settings: Settings, changes: Plan | None) -> None:
    _say(f"node {settings.node.id} ({settings.node.level.value}), data in {settings.data_dir}")
    for source in settings.sources:
        _say(f"source {source.id} ({source.kind})")
    _say(f"{len(settings.cameras)} cameras, {len(settings.terminals)} terminals")
    for sink in settings.sinks:
        _say(f"sink {sink.id} ({sink.kind})")
    if changes is None:
        _say("the node has not run with this data_dir yet: all of it is new")
    else:
        for line in changes.lines():
            _say(line)


def _say(what: str | dict[str, Any]) -> None:
    sys.stdout.write((what if isinstance(what, str) else json.dumps(what, ensure_ascii=False, indent=2)) + "\n")
