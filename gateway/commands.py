"""What the command line does without running a node; it loads only what that takes."""

from pathlib import Path
from typing import Any

from adapters.kinds import SINKS, SOURCES
from adapters.mqtt.settings import MqttSettings
from gateway.config import Loaded, json_schema, load
from gateway.console.accounts import Accounts
from gateway.errors import RunningError, UsageError
from gateway.ledger.audit import verify_file


def read_config(path: Path) -> Loaded:
    """Read and validate a configuration. Raises ConfigError with every fault."""
    return load(path, sources=SOURCES, sinks=SINKS)


def config_schema() -> dict[str, Any]:
    return json_schema(sources=SOURCES, sinks=SINKS)


def open_accounts(path: Path) -> Accounts:
    """The node's users and tokens; works while the node runs and while it does not."""
    data_dir = read_config(path).settings.data_dir
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RunningError(f"data_dir {data_dir} cannot be made: {error.strerror}") from None
    return Accounts(data_dir / "accounts.db")


def broker_of(path: Path) -> MqttSettings:
    """The first MQTT source of a configuration."""
    for source in read_config(path).settings.sources:
        if isinstance(source, MqttSettings):
            return source
    raise UsageError(f"{path}: sources: there is no mqtt source, so there is no broker to press through")


def verify_audit(path: Path) -> str | None:
    """None if the ledger's chain is whole, else the first broken line in words."""
    ledger = read_config(path).settings.data_dir / "ledger.db"
    if not ledger.exists():
        raise UsageError(f"{ledger}: there is no ledger yet; run the node first")
    broken = verify_file(ledger).broken
    return None if broken is None else f"line {broken.n}: {broken.reason}"
