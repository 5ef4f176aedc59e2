"""Who may see a camera, and when a household's own camera is open at all."""

from datetime import date
from typing import Protocol

from gateway.console.auth import Caller, covers
from gateway.console.below import split
from gateway.console.inventory import Inventory
from gateway.console.problems import Problem
from gateway.console.services import Services
from gateway.model import OPEN, Camera, Consent, Scene
from gateway.ports import AlertFilter, Clock, Ledger
from gateway.ports import Reader as LedgerReader
from gateway.reporting.holding import HeldCamera


def visible_camera(house: Services, camera_id: str, found: Caller) -> Camera:
    """A camera of this node. Raises Problem 404, the same for a camera that is not there and for one of somebody else's
    area, and 501 for one of a lower node."""
    elsewhere = lower_camera(house, camera_id, found)
    if elsewhere is not None:
        node, _ = elsewhere
        raise Problem(
            501,
            f"Camera {camera_id} is at node {node}: it can be looked through from here; turn it and change it there.",
        )
    wanted = house.inventory.camera(camera_id)
    if wanted is None or not covers(found.principal, wanted.place.area_code):
        raise Problem(404, f"There is no camera {camera_id} here.")
    return wanted


def lower_camera(house: Services, camera_id: str, found: Caller) -> tuple[str, HeldCamera] | None:
    """(node, camera) where the id names a lower node's camera that the caller may see."""
    named = split(camera_id)
    held = None if named is None or house.below is None else house.below.camera(*named)
    if named is None or held is None or not covers(found.principal, held.area_code):
        return None
    return named[0], held


class Registers(Protocol):
    """What tells whether a household's camera is open."""

    @property
    def inventory(self) -> Inventory: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def clock(self) -> Clock: ...


async def require_open(house: Registers, camera: Camera) -> str | None:
    """What the audit says besides of the look: whose consent it rests on; None where it rests on none. Raises Problem 403
    for a household's camera without an open alert of that household and without its consent in force."""
    if camera.scene is not Scene.HOUSEHOLD or await _alarm_opens(house, camera):
        return None
    consent = camera.consent
    if consent is not None and _in_force(consent, house.clock.now().astimezone().date()):
        return f"consent of {consent.given_by}"
    raise Problem(
        403, "A household's camera opens only while an alert of that household is open, or with its consent on record."
    )


async def require_look(house: Services, camera_id: str, found: Caller) -> str | None:
    """The same for a look through a camera of this node, or of a lower one, whose own rules hold beside. Raises Problem 404
    or 403."""
    if lower_camera(house, camera_id, found) is not None:
        return None
    return await require_open(house, visible_camera(house, camera_id, found))


async def may_look(house: Services, camera_id: str, found: Caller) -> bool:
    """Whether ``require_look`` lets the caller pass now."""
    try:
        await require_look(house, camera_id, found)
    except Problem:
        return False
    return True


def _in_force(consent: Consent, today: date) -> bool:
    """Both days are within it, by this node's calendar."""
    return consent.given_on <= today and (consent.until is None or today <= consent.until)


async def _alarm_opens(house: Registers, camera: Camera) -> bool:
    """Whether an open alert of the camera's own household links it."""
    households = [terminal.id for terminal in house.inventory.terminals() if camera.id in terminal.cameras]
    return await house.ledger.read(lambda reader: any(_linked(reader, camera.id, each) for each in households))


def _linked(reader: LedgerReader, camera_id: str, terminal_id: str) -> bool:
    cursor: str | None = None
    while True:
        alerts, cursor = reader.alerts(AlertFilter(workflow=OPEN, q=terminal_id), cursor, 100)
        for stored in alerts:
            alert = stored.alert
            own = alert.source.type == "terminal" and alert.source.id == terminal_id
            if own and any(linked.id == camera_id for linked in alert.cameras):
                return True
        if cursor is None:
            return False
