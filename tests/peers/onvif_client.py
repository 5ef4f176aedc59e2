"""An ONVIF client that nobody here wrote, onvif-zeep-async, in a process of its own: ``python onvif_client.py HOST PORT USER``.

The password comes on standard input. It asks a device for all that an enrolment and a listener need, subscribes, prints
``listening``, pulls until it has been told of something that changed, and prints one line of JSON with what it was answered.
"""

import asyncio
import json
import sys
from datetime import timedelta
from typing import Any

from onvif import ONVIFCamera
from zeep.helpers import serialize_object

PULLS = 20


async def ask(host: str, port: int, user: str, password: str) -> dict[str, Any]:
    camera = ONVIFCamera(host, port, user, password, adjust_time=True)
    try:
        await camera.update_xaddrs()
        device, media = await camera.create_devicemgmt_service(), await camera.create_media_service()
        profiles = await media.GetProfiles()
        stream = {"StreamSetup": {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}}
        ptz, imaging = await camera.create_ptz_service(), await camera.create_imaging_service()
        token, source = profiles[0].token, profiles[0].VideoSourceConfiguration.SourceToken
        await ptz.GotoPreset({"ProfileToken": token, "PresetToken": "2"})
        return {
            "information": plain(await device.GetDeviceInformation()),
            "network": [one.Info.HwAddress for one in await device.GetNetworkInterfaces()],
            "profiles": {one.token: one.VideoEncoderConfiguration.Encoding for one in profiles},
            "streams": [(await media.GetStreamUri({"ProfileToken": one.token} | stream)).Uri for one in profiles],
            "snapshot": await camera.get_snapshot_uri(token),
            "picture": ((await camera.get_snapshot(token)) or b"").hex()[:6],
            "presets": {one.token: one.Name for one in await ptz.GetPresets({"ProfileToken": token})},
            "imaging": (await imaging.GetImagingSettings({"VideoSourceToken": source})).Brightness,
            "events": await listen(camera),
        }
    finally:
        await camera.close()


async def listen(camera: ONVIFCamera) -> list[list[str]]:
    """Topic, operation and state of what it was told, up to the first that is no state of the beginning."""
    manager = await camera.create_pullpoint_manager(timedelta(seconds=60), lambda: None)
    point = manager.get_service()
    told: list[list[str]] = []
    try:
        await point.SetSynchronizationPoint()
        print("listening", flush=True)
        for _ in range(PULLS):
            answer = await point.PullMessages({"Timeout": timedelta(seconds=5), "MessageLimit": 100})
            told += [message(one) for one in answer.NotificationMessage]
            if any(operation != "Initialized" for _, operation, _ in told):
                return told
        return told
    finally:
        await manager.shutdown()


def message(one: Any) -> list[str]:
    inner = one.Message._value_1
    return [one.Topic._value_1, inner.PropertyOperation, inner.Data.SimpleItem[0].Value]


def plain(value: Any) -> Any:
    return serialize_object(value, dict)


if __name__ == "__main__":
    host, port, user = sys.argv[1:]
    print(json.dumps(asyncio.run(ask(host, int(port), user, sys.stdin.readline().rstrip("\n")))), flush=True)
