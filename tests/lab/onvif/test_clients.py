"""The lab's devices against a client that nobody here wrote: what they speak is ONVIF, and not merely what we understand."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.lab.onvif.device import SimulatedDevice
from gateway.lab.onvif.faults import FAULTS
from gateway.lab.onvif.park import OnvifPark

CLIENT = Path(__file__).parents[2] / "peers" / "onvif_client.py"
WITHIN_S = 120


async def asked(device: SimulatedDevice, password: str) -> dict[str, Any]:
    """What the client was answered, with the device's input pressed once it listens."""
    client = await asyncio.create_subprocess_exec(
        sys.executable, str(CLIENT), device.host, str(device.port), "admin",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert client.stdin is not None and client.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            client.stdin.write(password.encode() + b"\n")
            said = await client.stdout.readline()
            if said == b"listening\n":
                device.fire("input")
            rest, errors = await client.communicate()
            assert client.returncode == 0, errors.decode()
            return dict(json.loads(rest))
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()


@pytest.mark.parametrize("fault", ["", "wrong_clock"])
async def test_another_client_enrols_a_device_and_hears_it(
    open_park: Callable[..., Awaitable[OnvifPark]], fault: str
) -> None:
    park = await open_park()
    device = park.devices[1]
    if fault:
        park.set_fault(FAULTS[fault])
    answered = await asked(device, "s3cret")
    assert answered["information"] == {
        "Manufacturer": "Lab",
        "Model": "Simulated 1",
        "FirmwareVersion": "1.0",
        "SerialNumber": device.plate.serial,
        "HardwareId": "lab-1",
    }
    assert answered["network"] == [device.plate.mac]
    assert answered["profiles"] == {"Main1": "H264", "Sub1": "H264"}
    assert answered["streams"] == [f"rtsp://{device.host}:554/cam/1/{stream}" for stream in ("main", "sub")]
    assert answered["snapshot"] == f"http://{device.host}:{device.port}/snapshot/1.jpg"
    assert answered["picture"] == "ffd8ff"
    assert answered["presets"] == {"1": "gate", "2": "家门口", "3": "crossing"}
    assert device.preset == {1: "2"}
    *states, change = answered["events"]
    assert {operation for _, operation, _ in states} == {"Initialized"}
    assert change == ["tns1:Device/Trigger/DigitalInput", "Changed", "true"]
    assert (device.figures.failed_logins, device.figures.created, len(device.subscriptions)) == (0, 1, 0)
