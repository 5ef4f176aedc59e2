"""Domes: their presets and their moves (ONVIF PTZ §5.3, §5.4)."""

from lxml import etree

from adapters.onvif import soap
from adapters.onvif.client import SoapClient
from adapters.onvif.faults import printable
from gateway.errors import ProtocolFault
from gateway.model import Preset, PtzMove

_TPTZ = soap.NS["tptz"]
_TT = soap.NS["tt"]
_MAX_PRESETS = 300
_WITHIN = 5.0
_LONGEST_ANSWER = 512 * 1024
_LONGEST_MOVE = 60.0


async def get_presets(client: SoapClient, ptz_url: str, profile: str) -> tuple[Preset, ...]:
    """The presets of a media profile, in the device's order. Raises DeviceError."""
    body = f'<GetPresets xmlns="{_TPTZ}">'.encode() + _profile(profile) + b"</GetPresets>"
    return read_presets(await _call(client, ptz_url, "GetPresets", body))


def read_presets(answer: etree._Element) -> tuple[Preset, ...]:
    """The presets of a GetPresetsResponse; one without a name is called by its token."""
    found: list[Preset] = []
    for preset in soap.children(answer, "Preset"):
        token = (soap.attribute(preset, "token") or "").strip()
        if token and len(found) < _MAX_PRESETS:
            found.append(Preset(token, printable(soap.text(preset, "Name") or "", 80) or token))
    return tuple(found)


async def go_to_preset(client: SoapClient, ptz_url: str, profile: str, preset: str) -> None:
    """Turn to a preset, named by its token or by its name; returns once the device has agreed. Raises DeviceError.

    A token counts before a name, a name as it is written before one in other letters. One that the device does
    not list is a ProtocolFault.
    """
    token = chosen(await get_presets(client, ptz_url, profile), preset)
    if token is None:
        raise ProtocolFault(f"{client.device} has no preset {printable(preset, 60)!r}")
    body = f'<GotoPreset xmlns="{_TPTZ}">'.encode() + _profile(profile)
    body += b"<PresetToken>" + soap.escape(token) + b"</PresetToken></GotoPreset>"
    await _call(client, ptz_url, "GotoPreset", body)


def chosen(presets: tuple[Preset, ...], wanted: str) -> str | None:
    """The token that is meant by a token or a name."""
    ranks = (
        {preset.token: preset.token for preset in presets},
        {preset.name: preset.token for preset in reversed(presets)},
        {preset.name.casefold(): preset.token for preset in reversed(presets)},
    )
    for rank, name in zip(ranks, (wanted, wanted, wanted.strip().casefold()), strict=True):
        if name in rank:
            return rank[name]
    return None


async def continuous_move(client: SoapClient, ptz_url: str, profile: str, move: PtzMove) -> None:
    """Begin to move; the device ends it after ``move.seconds``, at most 60, by its own clock. Raises DeviceError.

    Several devices ignore the Timeout: whoever must be sure sends ``stop`` as well.
    """
    await _call(client, ptz_url, "ContinuousMove", move_request(profile, move))


def move_request(profile: str, move: PtzMove) -> bytes:
    """A ContinuousMove with only those axes that are to move: fixed lenses answer a Zoom of 0 with a fault."""
    pan_tilt = (
        f'<PanTilt x="{_speed(move.pan)}" y="{_speed(move.tilt)}" xmlns="{_TT}"/>' if move.pan or move.tilt else ""
    )
    zoom = f'<Zoom x="{_speed(move.zoom)}" xmlns="{_TT}"/>' if move.zoom else ""
    seconds = min(max(move.seconds, 0.1), _LONGEST_MOVE)
    return (
        f'<ContinuousMove xmlns="{_TPTZ}">'.encode()
        + _profile(profile)
        + f"<Velocity>{pan_tilt}{zoom}</Velocity><Timeout>PT{seconds:.1f}S</Timeout></ContinuousMove>".encode()
    )


async def stop(client: SoapClient, ptz_url: str, profile: str) -> None:
    """End whatever move there is. Raises DeviceError."""
    body = f'<Stop xmlns="{_TPTZ}">'.encode() + _profile(profile)
    await _call(client, ptz_url, "Stop", body + b"<PanTilt>true</PanTilt><Zoom>true</Zoom></Stop>")


async def has_ptz(client: SoapClient, ptz_url: str) -> bool:
    """Whether there is anything to move: many devices have the service and no node. Raises DeviceError."""
    answer = await _call(client, ptz_url, "GetNodes", f'<GetNodes xmlns="{_TPTZ}"/>'.encode())
    return soap.child(answer, "PTZNode") is not None


async def _call(client: SoapClient, ptz_url: str, operation: str, body: bytes) -> etree._Element:
    return await client.call(
        ptz_url, f"{_TPTZ}/{operation}", body, operation=operation, timeout=_WITHIN, limit=_LONGEST_ANSWER
    )


def _profile(token: str) -> bytes:
    return b"<ProfileToken>" + soap.escape(token) + b"</ProfileToken>"


def _speed(value: float) -> str:
    return f"{min(max(value, -1.0), 1.0):.3f}"
