"""Live views: what a browser watches, and where its access units come from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OwnFeed:
    """A stream of a camera of this node: ``sub`` or ``main``, read from its video worker."""

    camera_id: str
    stream: str = "sub"


@dataclass(frozen=True, slots=True)
class LowerFeed:
    """A stream that a lower node sends up: ``id`` names its uplink."""

    id: str


FeedSource = OwnFeed | LowerFeed


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A browser's view (WHEP). ``answer``: SDP. ``start``: ``gop`` where the whole current GOP was sent at once, ``idr`` where
    moving pictures begin with the next keyframe. ``codec``: h264."""

    id: str
    answer: str
    etag: str
    codec: str
    start: str


@dataclass(frozen=True, slots=True)
class ViewFromAbove:
    """What an upper node asks to be shown. ``camera_id``: of this node, or ``node:id`` of one below it. ``stream``: sub, main
    or still. ``node``: who asks, as this node calls it; ``viewer``: who watches there, and ``reason`` why."""

    camera_id: str
    stream: str
    node: str
    viewer: str
    reason: str
