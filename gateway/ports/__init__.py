"""The narrow protocols between the rooms. Adapters implement or receive them; tests have hand-written doubles.

Alerts are awaited and never dropped; frames are never awaited and may be dropped, but counted. Everybody imports from here.
"""

from gateway.ports.borders import Outlet, Sink, Source
from gateway.ports.clock import Clock
from gateway.ports.figures import (
    FIGURE_STAGES,
    AlertFigure,
    FigureKeeping,
    FigureLooks,
    Outage,
    Tally,
    TerminalTest,
    WatchedCamera,
)
from gateway.ports.ledger import (
    AlertFilter,
    AuditFilter,
    AuditRecord,
    ChainVerdict,
    FeedEntry,
    Ledger,
    PressRecord,
    Reaction,
    Reader,
    SealedLine,
    StoredAlert,
    Transaction,
)
from gateway.ports.levels import Arrival, Digest, Exchange, Report, Reporting, Tokens, Upper
from gateway.ports.live import LiveService, Uplinks, Views, ViewsFromAbove
from gateway.ports.media import MediaFile, MediaKeeping, MediaStore, StoredMedia
from gateway.ports.retention import Expired, KeptFacts
from gateway.ports.upkeep import Button, Maintenance, PressHeard
from gateway.ports.video import AccessUnit, DeviceService, VideoOutlet, VideoService, VideoSource

__all__ = [
    "FIGURE_STAGES",
    "AccessUnit",
    "AlertFigure",
    "AlertFilter",
    "Arrival",
    "AuditFilter",
    "AuditRecord",
    "Button",
    "ChainVerdict",
    "Clock",
    "DeviceService",
    "Digest",
    "Exchange",
    "Expired",
    "FeedEntry",
    "FigureKeeping",
    "FigureLooks",
    "KeptFacts",
    "Ledger",
    "LiveService",
    "Maintenance",
    "MediaFile",
    "MediaKeeping",
    "MediaStore",
    "Outage",
    "Outlet",
    "PressHeard",
    "PressRecord",
    "Reaction",
    "Reader",
    "Report",
    "Reporting",
    "SealedLine",
    "Sink",
    "Source",
    "StoredAlert",
    "StoredMedia",
    "Tally",
    "TerminalTest",
    "Tokens",
    "Transaction",
    "Uplinks",
    "Upper",
    "VideoOutlet",
    "VideoService",
    "VideoSource",
    "Views",
    "ViewsFromAbove",
    "WatchedCamera",
]
