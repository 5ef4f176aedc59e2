"""What may stand in the configuration (CONTRACT "Configuration"), as pydantic models; its sections have rooms of their own."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gateway.config.sections.alerts import AlertSettings
from gateway.config.sections.console import ConsoleSettings, LiveSettings
from gateway.config.sections.devices import CameraSettings, TerminalModelSettings, TerminalSettings
from gateway.config.sections.node import HttpSettings, MetricsSettings, NodeSettings
from gateway.config.sections.upkeep import (
    AllowSettings,
    DiagnosisSettings,
    FiguresSettings,
    HeartbeatSettings,
    MaintenanceSettings,
    OutageSettings,
    RetentionSettings,
)
from gateway.config.sections.video import DiscoverySettings, VideoSettings
from gateway.settings import RelativePath, Strict


class ReloadSettings(Strict):
    """``most_removed``: the share of cameras (or terminals) that a reload may take away without being told ``--yes``."""

    most_removed: float = Field(0.2, ge=0, le=1)


def _named(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise ValueError("name a directory of the node's own, such as ./var/NODE")
    return value


class Settings(Strict):
    """One node. ``sources`` and ``sinks`` hold the adapters' own settings types."""

    node: NodeSettings
    data_dir: Annotated[RelativePath, BeforeValidator(_named)]
    http: HttpSettings = HttpSettings()
    metrics: MetricsSettings | None = None
    sources: tuple[Any, ...] = ()
    cameras: tuple[CameraSettings, ...] = ()
    cameras_file: RelativePath | None = None
    terminals: tuple[TerminalSettings, ...] = ()
    terminals_file: RelativePath | None = None
    terminal_models: dict[str, TerminalModelSettings] = Field(default_factory=dict)
    sinks: tuple[Any, ...] = ()
    alerts: AlertSettings = AlertSettings()
    video: VideoSettings = VideoSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    reload: ReloadSettings = ReloadSettings()
    console: ConsoleSettings = ConsoleSettings()
    live: LiveSettings = LiveSettings()
    diagnosis: DiagnosisSettings = DiagnosisSettings()
    outages: OutageSettings = OutageSettings()
    maintenance: tuple[MaintenanceSettings, ...] = Field((), max_length=256)
    figures: FiguresSettings = FiguresSettings()
    retention: RetentionSettings = RetentionSettings()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    allow: AllowSettings = AllowSettings()
