"""The JSON of reports: ``gateway.inventory.v1`` and ``gateway.health.v1`` as they travel, and back. Pure.

Reading is lenient, for other programs speak this too: what is missing or makes no sense is left out, and a device
without a sound id is passed over. Texts are cut, so that a device has a known largest size.
"""

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from gateway.codec import consent_json, masks_json, optional_time, place_json
from gateway.model import (
    Camera,
    CameraHealth,
    CameraState,
    Consent,
    Household,
    Mask,
    Place,
    Scene,
    Terminal,
    TerminalState,
    rfc3339,
    said_time,
)
from gateway.reporting.holding import HeldCamera, HeldTerminal, NodeCard

INVENTORY = "gateway.inventory.v1"
HEALTH = "gateway.health.v1"
MAX_FIGURES = 64
_MAX_NAME = 200
_MAX_PLACE_TYPE = 64
_MAX_WORDS = 300
_MAX_INSTRUCTIONS = 500
_MAX_FAULTS = 16
_MAX_MASKS = 16
_MAX_CORNERS = 32
_ALL: Mask = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LEVELS = frozenset({"village", "township", "county", "city"})
_SCENES = frozenset(Scene)
_STATES = frozenset(CameraState)
_NO_PRESETS: Mapping[str, str] = MappingProxyType({})
_ONLINE = {"online": True, "offline": False}


# ---------------------------------------------------------------------------------------------- writing


def card_json(card: NodeCard) -> dict[str, Any]:
    return {
        "node": card.id,
        "name": card.name,
        "level": card.level,
        "area_code": card.area_code,
        "version": card.version,
        "parent": card.parent or None,
    }


def camera_json(held: HeldCamera) -> dict[str, Any]:
    camera = held.camera
    return {
        **camera_state_json(held),
        "name": camera.name[:_MAX_NAME],
        "scene": camera.scene.value,
        "place": place_json(camera.place),
        "masks": masks_json(camera.masks),
        "consent": None if camera.consent is None else consent_json(camera.consent),
        **({} if camera.place_type is None else {"place_type": camera.place_type[:_MAX_PLACE_TYPE]}),
    }


def camera_state_json(held: HeldCamera) -> dict[str, Any]:
    """With what its stream is: at a start the whole picture goes up before any camera has shown one."""
    health = held.health
    return {
        "id": held.id,
        "state": held.state,
        "reason": None if health is None or health.reason is None else health.reason[:_MAX_WORDS],
        "since": None if health is None else rfc3339(health.since),
        "last_keyframe_at": None if health is None else optional_time(health.last_keyframe_at),
        "codec": None if health is None else health.codec,
        "width": None if health is None else health.width,
        "height": None if health is None else health.height,
        "faults": [] if health is None else list(health.faults),
    }


def terminal_json(held: HeldTerminal) -> dict[str, Any]:
    household = held.terminal.household
    return {
        **terminal_state_json(held),
        "household": household.as_detail(),
        "place": place_json(held.terminal.place),
    }


def terminal_state_json(held: HeldTerminal) -> dict[str, Any]:
    return {
        "id": held.id,
        "state": held.state,
        "last_seen": optional_time(held.presence.last_seen),
        "last_press": optional_time(held.presence.last_press),
    }


# ---------------------------------------------------------------------------------------------- reading


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def ids(value: object) -> Iterator[str]:
    return (each for each in items(value) if isinstance(each, str) and _ID.fullmatch(each))


def id_of(value: Mapping[str, Any]) -> str | None:
    found = value.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def node_id(told: Mapping[str, Any], key: str) -> str:
    """A node's id under that key; "" where there is none."""
    return _node(told.get(key))


def read_card(node: str, data: Mapping[str, Any], known: NodeCard) -> NodeCard:
    """What the report says of its node; what it does not say stays as it was known."""
    level = data.get("level")
    return NodeCard(
        node,
        _text(data.get("name"), _MAX_NAME) or known.name,
        level if isinstance(level, str) and level in _LEVELS else known.level,
        _text(data.get("area_code"), 32) or known.area_code,
        _text(data.get("version"), 64) or known.version,
        _node(data.get("parent")) or known.parent,
    )


def read_camera(value: object, at: datetime) -> HeldCamera | None:
    """A camera of an inventory; None where it has no sound id. ``at``: when its state is first known, if it says not."""
    told = mapping(value)
    id_ = id_of(told)
    if id_ is None:
        return None
    scene = told.get("scene")
    state = told.get("state")
    camera = Camera(
        id_,
        _text(told.get("name"), _MAX_NAME) or id_,
        Scene(scene) if isinstance(scene, str) and scene in _SCENES else Scene.STREET,
        _place(told.get("place")),
        enabled=state != "disabled",
        masks=_masks(told.get("masks")),
        consent=_consent(told.get("consent")),
        place_type=_text(told.get("place_type"), _MAX_PLACE_TYPE),
    )
    return HeldCamera(camera, _health(id_, told, None, at) if isinstance(state, str) else None)


def read_camera_state(value: object, before: HeldCamera, at: datetime) -> HeldCamera:
    """The camera with what a health report says of it."""
    told = mapping(value)
    enabled = told.get("state", before.state) != "disabled"
    camera = before.camera
    if camera.enabled != enabled:
        camera = replace(camera, enabled=enabled)
    return HeldCamera(camera, _health(before.id, told, before.health, at))


def _health(id_: str, told: Mapping[str, Any], before: CameraHealth | None, at: datetime) -> CameraHealth:
    word = told.get("state")
    reason = _text(told.get("reason"), _MAX_WORDS)
    if isinstance(word, str) and word in _STATES:
        state = CameraState(word)
    elif word is None and before is not None:
        state = before.state
    else:
        state, reason = CameraState.OFFLINE, f"its node tells of a state that is not known here: {str(word)[:40]!r}"
    same = before is not None and before.state is state
    kept = before or CameraHealth(id_, state, at)
    faults = told.get("faults")
    return CameraHealth(
        id_,
        state,
        said_time(told.get("since")) or (kept.since if same else at),
        reason,
        said_time(told.get("last_keyframe_at")) or kept.last_keyframe_at,
        _shared(told.get("codec"), 16) or kept.codec,
        _size(told.get("width")) or kept.width,
        _size(told.get("height")) or kept.height,
        faults=kept.faults if faults is None else tuple(_faults(faults)),
    )


def read_terminal(value: object) -> HeldTerminal | None:
    told = mapping(value)
    id_ = id_of(told)
    if id_ is None:
        return None
    named = mapping(told.get("household"))
    household = Household(
        _text(named.get("name"), _MAX_NAME),
        _text(named.get("phone"), 40),
        _text(named.get("address"), _MAX_WORDS),
        _text(named.get("instructions"), _MAX_INSTRUCTIONS),
    )
    terminal = Terminal(id_, household, _place(told.get("place")), presets=_NO_PRESETS)
    blank = HeldTerminal(terminal, TerminalState(id_))
    return read_terminal_state(told, blank)


def read_terminal_state(value: object, before: HeldTerminal) -> HeldTerminal:
    told = mapping(value)
    word, kept = told.get("state"), before.presence
    presence = TerminalState(
        before.id,
        kept.online if word is None else _ONLINE.get(word) if isinstance(word, str) else None,
        None,
        said_time(told.get("last_seen")) or kept.last_seen,
        said_time(told.get("last_press")) or kept.last_press,
    )
    return HeldTerminal(before.terminal, presence)


def read_figures(value: object) -> dict[str, float]:
    """Finite numbers under names that a metric may have; the first of them, where there are too many."""
    found: dict[str, float] = {}
    for name, figure in mapping(value).items():
        number = isinstance(figure, int | float) and not isinstance(figure, bool) and abs(figure) < 1e300
        if number and math.isfinite(figure) and isinstance(name, str) and _FIGURE.fullmatch(name):
            found[name] = float(figure)
        if len(found) == MAX_FIGURES:
            break
    return found


def weight(held: HeldCamera | HeldTerminal) -> int:
    """About how many bytes it takes in memory: what measured ones had, and its texts."""
    if isinstance(held, HeldCamera):
        health = held.health
        place, texts = held.camera.place, [held.camera.name, held.camera.place_type or ""]
        texts += [] if health is None else [health.reason or "", *health.faults]
        corners = sum(map(len, held.camera.masks))
    else:
        place, household = held.terminal.place, held.terminal.household
        corners = 0
        texts = [household.name or "", household.phone or "", household.address or "", household.instructions or ""]
    return 700 + 120 * corners + 2 * sum(map(len, [*texts, place.address or "", place.area_code or ""]))


def _text(value: object, limit: int) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return value[:limit].encode("utf-8", "replace").decode()


def _shared(value: object, limit: int) -> str | None:
    """A text that thousands of devices have alike, kept once."""
    found = _text(value, limit)
    return None if found is None else sys.intern(found)


def _node(value: object) -> str:
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _place(value: object) -> Place:
    told = mapping(value)
    return Place(
        _degrees(told.get("lon"), 180),
        _degrees(told.get("lat"), 90),
        _text(told.get("address"), _MAX_WORDS),
        _shared(told.get("area_code"), 32),
    )


def _masks(value: object) -> tuple[Mask, ...]:
    """A mask that cannot be read hides the whole picture: what was to be hidden is never shown."""
    told = items(value)
    if len(told) > _MAX_MASKS or not isinstance(value, list | None):
        return (_ALL,)
    return tuple(_mask(each) for each in told)


def _mask(value: object) -> Mask:
    corners = tuple(
        (float(corner[0]), float(corner[1]))
        for corner in items(value)
        if isinstance(corner, list) and len(corner) == 2 and all(_is_part(each) for each in corner)
    )
    whole = len(corners) == len(items(value)) and 3 <= len(corners) <= _MAX_CORNERS
    return corners if whole else _ALL


def _is_part(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _consent(value: object) -> Consent | None:
    told = mapping(value)
    by, on, until = _text(told.get("given_by"), 64), _day(told.get("given_on")), _day(told.get("until"))
    if by is None or on is None or (told.get("until") is not None and until is None):
        return None
    return Consent(by, on, until)


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _degrees(value: object, limit: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -limit <= value <= limit:
        return None
    return float(value)


def _size(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100_000 else None


def _faults(value: object) -> Iterable[str]:
    return (word for each in items(value)[:_MAX_FAULTS] if (word := _text(each, 40)) is not None)
