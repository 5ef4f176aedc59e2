"""What the command line does without running a node; it loads only what that takes."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from adapters.kinds import SINKS, SOURCES
from adapters.mqtt.settings import MqttSettings
from gateway.config import Loaded, Settings, json_schema, load
from gateway.console.accounts import Accounts
from gateway.errors import RunningError, UsageError
from gateway.ledger.audit import verify_file
from gateway.ledger.audit_trail import links_of
from gateway.open_files import shortage

if TYPE_CHECKING:
    from gateway.console.bundle_check import Checked

_AS_IT_IS: Mapping[Path, str] = MappingProxyType({})


def read_config(path: Path, instead: Mapping[Path, str] = _AS_IT_IS) -> Loaded:
    """Read and validate a configuration; ``instead`` as in ``load``. Raises ConfigError with every fault."""
    return load(path, sources=SOURCES, sinks=SINKS, instead=instead)


def warnings_here(settings: Settings) -> list[str]:
    """What this machine, as it is set up, is too small for."""
    from gateway.video.workers.pool import suggested_workers  # loads a lot, for the other commands in vain

    cameras = len(settings.cameras)
    short = shortage(cameras, settings.video.workers or suggested_workers(cameras))
    return [short] if short else []


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


def verify_bundle(bundle: Path, config: Path | None) -> "Checked":
    """``config``: of the node that made it, whose own record it is then held against. Raises NotWhole, UsageError."""
    from gateway.console.bundle_check import Own, check
    from gateway.console.node_key import FILE, public_of

    if config is None:
        return check(bundle)
    settings = read_config(config).settings
    ledger = settings.data_dir / "ledger.db"
    if not ledger.exists():
        raise UsageError(f"{ledger}: there is no ledger yet; is {config} that of the node that made the bundle?")
    public = public_of(settings.data_dir / FILE)
    return check(bundle, Own(settings.node.id, public, lambda numbers: links_of(ledger, numbers)))


def verify_audit(path: Path) -> str | None:
    """None if the ledger's chain is whole, else the first broken line in words."""
    ledger = read_config(path).settings.data_dir / "ledger.db"
    if not ledger.exists():
        raise UsageError(f"{ledger}: there is no ledger yet; run the node first")
    broken = verify_file(ledger).broken
    return None if broken is None else f"line {broken.n}: {broken.reason}"
