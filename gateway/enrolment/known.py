"""What is enrolled already, and what never may be: refused before anything is written."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from adapters.onvif.discovery.probes import normal_identity
from gateway.config import Settings
from gateway.config.forbidden_places import refusal
from gateway.config.sections.devices import CameraSettings
from gateway.console.registrar import AlreadyEnrolled
from gateway.enrolment.records import address_of
from gateway.errors import UsageError
from gateway.model import OnvifAddress

_ONVIF_PLACE, _RTSP_PLACE = ("host", "port", "tls"), ("main", "sub", "allow_basic")
"""Keys that say where a password goes, and whether it may go readable."""


def refuse_showing(before: CameraSettings, patch: Mapping[str, Any]) -> None:
    """A kept password is sent readable to no address that it was not given for: over TLS, or with ``allow_basic``, whoever
    poses as the camera may ask for it. Raises UsageError; with the password in the patch there is nothing to refuse."""
    for room, keys in (("onvif", _ONVIF_PLACE), ("rtsp", _RTSP_PLACE)):
        kept, wanted = getattr(before, room), patch.get(room)
        if kept is None or kept.password is None or not isinstance(wanted, Mapping) or wanted.get("password"):
            continue
        after = {key: wanted[key] if key in wanted else getattr(kept, key) for key in keys}
        urls = [after[key] or "" for key in ("main", "sub") if key in after]
        readable = after.get("tls") or after.get("allow_basic") or any(url.startswith("rtsps:") for url in urls)
        if readable and _places(after) != _places({key: getattr(kept, key) for key in keys}):
            raise UsageError(
                f"camera {before.id}: the password would be sent readable to an address that it was not given for; say "
                f"{room}.password again with the change"
            )


def _places(told: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    if "host" in told:
        return {(told["host"], told["port"], bool(told["tls"]))}
    urls = [urlsplit(told[key]) for key in ("main", "sub") if told[key]]
    return {(url.scheme, url.netloc.rpartition("@")[2], bool(told["allow_basic"])) for url in urls}


def identity_of(camera: CameraSettings) -> str:
    return "" if camera.onvif is None else normal_identity(camera.onvif.identity or "")


def hosts(camera: CameraSettings) -> set[str]:
    urls = () if camera.rtsp is None else (camera.rtsp.main, camera.rtsp.sub)
    hosts = {urlsplit(url).hostname or "" for url in urls if url}
    return hosts | ({camera.onvif.host} if camera.onvif is not None else set())


def refuse_same_address(address: OnvifAddress, settings: Settings) -> None:
    """Before the password is tried at a device that is known."""
    at = [
        each.id
        for each in settings.cameras
        if each.onvif is not None
        and (each.onvif.host, each.onvif.port) == (address.host, address.port)
        and (each.onvif.source is None or each.onvif.source == address.source)
    ]
    if at:
        raise AlreadyEnrolled(f"{address.host}:{address.port} is enrolled as camera {', '.join(at)}", at)


def refuse_enrolled(camera: Mapping[str, Any], settings: Settings) -> None:
    if any(each.id == camera["id"] for each in settings.cameras):
        raise AlreadyEnrolled(f"there is a camera {camera['id']} already", [camera["id"]])
    onvif = camera.get("onvif")
    if onvif is None:
        return
    refuse_same_address(address_of(onvif), settings)
    identity = normal_identity(onvif.get("identity") or "")
    same = [
        each
        for each in settings.cameras
        if identity
        and each.onvif is not None
        and identity_of(each) == identity
        and each.onvif.source == onvif.get("source")
    ]
    if same:
        raise AlreadyEnrolled(
            f"the device {identity} is enrolled as camera {same[0].id} at {_hosts_text(same[0])}; if this is another device "
            'that was made with the same identity, say onvif.identity: "", and it is known by its address alone',
            [each.id for each in same],
        )


def _hosts_text(camera: CameraSettings) -> str:
    return "" if camera.onvif is None else f"{camera.onvif.host}:{camera.onvif.port}"


def refuse_forbidden(camera: Mapping[str, Any]) -> None:
    reason = refusal(str(camera.get("name") or ""), (camera.get("place") or {}).get("type"))
    if reason is not None:
        raise UsageError(reason)
