"""What a simulated device knows how to do, operation by operation."""

from collections.abc import Callable, Iterable
from functools import partial
from xml.sax.saxutils import escape

from gateway.lab.onvif import answers, notices
from gateway.lab.onvif.answers import PATHS
from gateway.lab.onvif.device import SimulatedDevice
from gateway.lab.onvif.http import Exchange, Request
from gateway.lab.onvif.nameplate import MAIN, PRESETS
from gateway.lab.onvif.soap import Call, Fault, calendar_seconds, fault

Operation = Callable[[Call, Request, Exchange], str | None]
"""The Body of the answer; None where it comes later."""


def operations_of(device: SimulatedDevice) -> dict[str, Operation]:
    """What a device knows, by prefix and name."""
    plate = device.plate

    def known() -> Iterable[str]:
        skipped = {"tr2"} if not device.behaviour.media2 else set()
        if device.behaviour.events == "none":
            skipped.add("tev")
        return [prefix for prefix in PATHS if prefix not in skipped]

    def facts() -> dict[str, str]:
        return {
            "Manufacturer": plate.vendor,
            "Model": plate.model,
            "FirmwareVersion": plate.firmware,
            "SerialNumber": plate.serial,
            "HardwareId": f"lab-{plate.number}",
        }

    def clock() -> str:
        return answers.date_and_time(device.clock(), utc=not device.behaviour.local_time_only)

    def media1() -> str:
        return answers.media1_profiles(device.profiles, device.name, (MAIN.width, MAIN.height), ptz=True)

    def media2(call: Call) -> str:
        size, whole = (MAIN.width, MAIN.height), call.text("Type") is not None
        return answers.media2_profiles(device.profiles, device.name, size, ptz=True, whole=whole)

    plain: dict[str, Callable[[], str]] = {
        "tds:GetSystemDateAndTime": clock,
        "tds:GetServices": lambda: answers.services(device.base, known()),
        "tds:GetCapabilities": lambda: answers.capabilities(device.base, known(), plate.channels, plate.inputs),
        "tds:GetDeviceInformation": lambda: answers.information(facts()),
        "tds:GetScopes": lambda: answers.scopes(device.scopes),
        "tds:GetEndpointReference": lambda: answers.endpoint_reference(plate.endpoint),
        "tds:GetNetworkInterfaces": lambda: answers.network_interfaces(plate.mac, device.host),
        "tds:GetHostname": lambda: (
            "<tds:GetHostnameResponse><tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP><tt:Name>"
            f"{escape(device.name)}</tt:Name></tds:HostnameInformation></tds:GetHostnameResponse>"
        ),
        "tds:SetNTP": lambda: "<tds:SetNTPResponse/>",
        "trt:GetProfiles": media1,
        "trt:GetVideoSources": lambda: answers.video_sources(plate.channels, (MAIN.width, MAIN.height)),
        "tptz:GetNodes": lambda: answers.ptz_nodes(len(PRESETS)),
        "timg:GetImagingSettings": answers.imaging_settings,
        "tmd:GetDigitalInputs": lambda: answers.digital_inputs(plate.inputs),
        "tev:GetEventProperties": lambda: answers.event_properties(notices.topic_set(device.behaviour.dialect)),
    }
    asked: dict[str, Callable[[Call], str]] = {
        "tds:SetSystemDateAndTime": partial(_set_date_and_time, device),
        "tr2:GetProfiles": media2,
        "trt:GetStreamUri": partial(_media_uri, device),
        "trt:GetSnapshotUri": partial(_media_uri, device),
        "tr2:GetStreamUri": partial(_media_uri, device),
        "tr2:GetSnapshotUri": partial(_media_uri, device),
        "tptz:GetPresets": lambda call: answers.presets(PRESETS),
        "tptz:GotoPreset": partial(_go_to_preset, device),
        "tptz:ContinuousMove": partial(_move, device),
        "tptz:Stop": partial(_move, device),
        "tptz:GetStatus": partial(_ptz_status, device),
    }
    subscribed: dict[str, Callable[[Call, Request], str]] = {
        "tev:CreatePullPointSubscription": device.events.subscribe,
        "wsnt:Subscribe": device.events.subscribe,
        "tev:SetSynchronizationPoint": device.events.synchronise,
        "wsnt:Renew": device.events.renew,
        "wsnt:Unsubscribe": device.events.unsubscribe,
    }
    return (
        {name: _plain(answer) for name, answer in plain.items()}
        | {name: _asked(answer) for name, answer in asked.items()}
        | {name: _subscribed(answer) for name, answer in subscribed.items()}
        | {"tev:PullMessages": device.events.pull}
    )


def _plain(answer: Callable[[], str]) -> Operation:
    return lambda call, request, exchange: answer()


def _asked(answer: Callable[[Call], str]) -> Operation:
    return lambda call, request, exchange: answer(call)


def _subscribed(answer: Callable[[Call, Request], str]) -> Operation:
    return lambda call, request, exchange: answer(call, request)


def _source(device: SimulatedDevice, call: Call) -> int:
    """The number of the video source of the profile asked for."""
    token = call.text("ProfileToken")
    for one in device.profiles:
        if token == one.token:
            return one.source
    raise Fault(400, fault("Sender", "ter:InvalidArgVal", "ter:NoProfile", reason="no such profile"))


def _set_date_and_time(device: SimulatedDevice, call: Call) -> str:
    try:
        numbers = [int(call.text(name) or "") for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    except ValueError:
        if call.text("DateTimeType") == "NTP":
            device.follow_ntp()
            return "<tds:SetSystemDateAndTimeResponse/>"
        raise Fault(400, fault("Sender", "ter:InvalidArgVal", "ter:InvalidDateTime")) from None
    device.set_clock(calendar_seconds(numbers))
    return "<tds:SetSystemDateAndTimeResponse/>"


def _media_uri(device: SimulatedDevice, call: Call) -> str:
    source = _source(device, call)
    if call.operation.endswith("GetSnapshotUri"):
        return answers.media_uri(call.operation, f"{device.base}/snapshot/{source}.jpg")
    stream = "main" if (call.text("ProfileToken") or "").startswith("Main") else "sub"
    url = device.stream(device.channels[source - 1], stream)
    if device.behaviour.hosts == "nat":
        url = url.replace(f"//{device.host}", f"//{device.told_host}")
    return answers.media_uri(call.operation, url)


def _go_to_preset(device: SimulatedDevice, call: Call) -> str:
    source, token = _source(device, call), call.text("PresetToken") or ""
    if token not in PRESETS:
        raise Fault(400, fault("Sender", "ter:InvalidArgVal", "ter:NoToken", reason="no such preset"))
    device.preset[source] = token
    return "<tptz:GotoPresetResponse/>"


def _move(device: SimulatedDevice, call: Call) -> str:
    source = _source(device, call)
    pan, tilt = (float(call.attribute("PanTilt", axis) or 0) for axis in ("x", "y"))
    device.moves.append((source, pan, tilt, float(call.attribute("Zoom", "x") or 0)))
    return f"<{call.operation}Response/>"


def _ptz_status(device: SimulatedDevice, call: Call) -> str:
    source = _source(device, call)
    last = next((one for one in reversed(device.moves) if one[0] == source), (source, 0.0, 0.0, 0.0))
    return answers.ptz_status(*last[1:], moving=any(last[1:]), at=device.moment(device.clock()))
