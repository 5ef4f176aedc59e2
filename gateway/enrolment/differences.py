"""What a row says otherwise than what stands there. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.config.csv_table import flattened
from gateway.config.sections.devices import CameraSettings
from gateway.console.registers import Difference

_ROOMS = ("onvif", "rtsp")


def differences(stands: Mapping[str, Any], said: Mapping[str, Any]) -> list[Difference]:
    """``stands``: the whole record, defaults too. Blanks around a text are no difference. Passwords are looked at apart."""
    before, after = flattened(stands), flattened(_with_gone(said))
    if (said.get("presets") or {}).items() <= (stands.get("presets") or {}).items():
        after.pop("presets", None)  # those that are not said stay
    return [
        Difference(key, before.get(key, ""), text)
        for key, text in after.items()
        if ".password" not in key and key != "id" and before.get(key, "").strip() != text.strip()
    ]


def without_known_passwords(camera: CameraSettings, said: Mapping[str, Any]) -> dict[str, Any]:
    """A password that is the camera's already is none to be written."""
    made = dict(said)
    for room in _ROOMS:
        within, known = said.get(room), getattr(camera, room)
        if not within or "password" not in within or known is None or known.password is None:
            continue
        if known.password.get_secret_value() == within["password"]:
            made[room] = {key: value for key, value in within.items() if key != "password"}
    return made


def new_passwords(said: Mapping[str, Any]) -> Iterator[Difference]:
    """Never what they are."""
    for room in _ROOMS:
        if "password" in (said.get(room) or {}):
            yield Difference(f"{room}.password", "", "•••")


def _with_gone(said: Mapping[str, Any]) -> dict[str, Any]:
    """A key that is taken away, as an empty text."""
    return {
        key: _with_gone(value) if isinstance(value, Mapping) and key != "presets" else "" if value is None else value
        for key, value in said.items()
    }
