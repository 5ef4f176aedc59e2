"""Telling simulated devices what to do while they run: the orders of the cameras' control, for devices and their cameras."""

import asyncio
import ipaddress
import json
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gateway.errors import ListenFailed, UsageError
from gateway.lab import faults as stream_faults
from gateway.lab.faults import select
from gateway.lab.onvif import faults as device_faults
from gateway.lab.onvif.notices import topics_of
from gateway.lab.onvif.park import OnvifPark
from gateway.model import Credential

Order = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

MIXED = "mixed"
_MIXTURE = (("input", 1), ("input", 2), ("tamper", 1), ("video_loss", 1), ("intrusion", 1))
"""So that nothing of one device changes so often that it would count as flapping."""
_FIRED_KEPT = 200_000
_FIRED_AT_ONCE = 500


class DeviceControl:
    """Carries out orders (see the lab's README). ``draw`` chooses where a share of the devices is asked for."""

    def __init__(self, park: OnvifPark, draw: random.Random) -> None:
        self._park, self._draw = park, draw
        self._traffic: asyncio.Task[None] | None = None
        # device, active, CLOCK_MONOTONIC, event
        self._fired: deque[tuple[int, bool, float, str]] = deque(maxlen=_FIRED_KEPT)

    async def order(self, line: str) -> dict[str, Any]:
        """One order and its answer: ``{"ok": true, …}`` or ``{"error": a sentence}``."""
        try:
            wanted = json.loads(line)
        except ValueError:
            return {"error": f"an order is one line of JSON, not {line[:60]!r}"}
        if not isinstance(wanted, dict):
            return {"error": "an order is a JSON object"}
        try:
            for key, carry_out in self._orders().items():
                if key in wanted:
                    return {"ok": True} | await carry_out(wanted)
        except (UsageError, ListenFailed) as error:
            return {"error": str(error)}
        return {"error": f"an order has one of the keys {', '.join(self._orders())}"}

    async def assign(self, text: str) -> int:
        """Give devices, and their cameras, the faults of this name (``NAME[=ARGUMENT][:DEVICES]``); how many devices have
        it now. Raises UsageError."""
        known, name = False, text.partition(":")[0].partition("=")[0].strip()
        chosen = self._devices(text.partition(":")[2] or "all")
        if name in device_faults.FAULTS:
            known, wanted = True, device_faults.parse(text)
            self._park.set_fault(wanted.fault, chosen, wanted.argument)
        rtsp = self._park.rtsp
        if name in stream_faults.FAULTS and rtsp is not None:
            known, stream = True, stream_faults.parse(text)
            await rtsp.set_fault(stream.fault, self._cameras(chosen), stream.argument)
        if not known:
            raise UsageError(f"--fault {text}: there is no fault {name!r}; --list-faults names them all")
        return len(chosen)

    async def close(self) -> None:
        await self._end_traffic()

    # ----------------------------------------------------------------------------------------------------------- orders

    def _orders(self) -> dict[str, Order]:
        return {
            "set": self._set,
            "clear": self._clear,
            "power": self._power,
            "event": self._event,
            "move": self._move,
            "password": self._password,
            "traffic": self._make_traffic,
            "fired": self._tell_fired,
            "figures": self._figures,
        }

    async def _set(self, wanted: dict[str, Any]) -> dict[str, Any]:
        return {"devices": await self.assign(f"{wanted['set']}:{wanted.get('devices', 'all')}")}

    async def _clear(self, wanted: dict[str, Any]) -> dict[str, Any]:
        chosen = self._devices(str(wanted["clear"]))
        self._park.clear(chosen)
        if self._park.rtsp is not None:
            self._park.rtsp.clear(self._cameras(chosen))
        return {"devices": len(chosen)}

    async def _power(self, wanted: dict[str, Any]) -> dict[str, Any]:
        if wanted["power"] not in ("on", "off"):
            raise UsageError('"power" is "on" or "off"')
        chosen = self._chosen(wanted)
        self._park.power(wanted["power"] == "on", chosen)
        return {"devices": len(chosen)}

    async def _event(self, wanted: dict[str, Any]) -> dict[str, Any]:
        chosen, active, place = self._chosen(wanted), wanted.get("active", True), wanted.get("place", 1)
        if not isinstance(active, bool) or not isinstance(place, int):
            raise UsageError('"active" is true or false, "place" the number of an input or a channel')
        event, at = str(wanted["event"]), time.monotonic()
        self._park.fire(event, chosen, active=active, place=place)
        self._fired.extend((number, active, at, event) for number in chosen)
        return {"devices": len(chosen), "at_mono": at}

    async def _move(self, wanted: dict[str, Any]) -> dict[str, Any]:
        number, host = wanted["move"], str(wanted.get("host", ""))
        if number not in self._park.devices:
            raise UsageError(f'"move" is the number of a device, 1 to {len(self._park.devices)}')
        try:
            loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise UsageError(f"{host!r} is no address of 127/8, where the devices are")
        await self._park.move(number, host)
        return {"url": self._park.url(number)}

    async def _password(self, wanted: dict[str, Any]) -> dict[str, Any]:
        chosen = self._chosen(wanted)
        for number in chosen:
            old = self._park.devices[number].door.credential
            changed = Credential(old.username if old else "admin", str(wanted["password"]))
            self._park.change_credential(changed, [number])
            if self._park.rtsp is not None and len(chosen) == len(self._park.devices):
                self._park.rtsp.credential = changed
        return {"devices": len(chosen)}

    async def _make_traffic(self, wanted: dict[str, Any]) -> dict[str, Any]:
        rate, event = wanted["traffic"], str(wanted.get("of", MIXED))
        if not isinstance(rate, int | float) or not 0 <= rate <= 5000:
            raise UsageError('"traffic" is how many events a second all devices have together, 0 to 5000')
        if event != MIXED:
            topics_of(event, "generic")
        await self._end_traffic()
        if rate:
            self._traffic = asyncio.create_task(self._fire_on(_MIXTURE if event == MIXED else ((event, 1),), rate))
        return {}

    async def _tell_fired(self, wanted: dict[str, Any]) -> dict[str, Any]:
        start = wanted["fired"]
        if not isinstance(start, int) or start < 0:
            raise UsageError('"fired" is the number of the first event wanted, from 0')
        told = [list(one) for one in list(self._fired)[start : start + _FIRED_AT_ONCE]]
        return {"fired": told, "next": start + len(told)}

    async def _figures(self, wanted: dict[str, Any]) -> dict[str, Any]:
        counts = self._park.counts()
        each = counts.pop("each")
        answer: dict[str, Any] = {"onvif": counts}
        streams: Counter[int] = Counter()
        if self._park.rtsp is not None:
            answer["rtsp"] = self._park.rtsp.counts()
            streams = self._park.rtsp.figures.wrong_passwords
        if wanted["figures"] is not True:
            chosen = self._devices(str(wanted["figures"]))
            answer["each"] = {str(number): each[str(number)] for number in chosen}
        answer["failed_logins"] = {
            str(number): failed
            for number, device in self._park.devices.items()
            if (failed := device.figures.failed_logins + sum(streams[camera] for camera in device.channels))
        }
        return answer

    # ------------------------------------------------------------------------------------------------------------ parts

    async def _fire_on(self, events: Sequence[tuple[str, int]], rate: float) -> None:
        """For ever: one device after the other; of its events one after the other, all on and then all off."""
        began, count, numbers = time.monotonic(), 0, sorted(self._park.devices)
        while True:
            turn = count // len(numbers)
            event, place = events[turn % len(events)]
            active, number, at = turn // len(events) % 2 == 0, numbers[count % len(numbers)], time.monotonic()
            self._park.fire(event, [number], active=active, place=place)
            self._fired.append((number, active, at, event))
            count += 1
            await asyncio.sleep(max(0.0, began + count / rate - time.monotonic()))

    async def _end_traffic(self) -> None:
        task, self._traffic = self._traffic, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _chosen(self, wanted: dict[str, Any]) -> list[int]:
        return self._devices(str(wanted.get("devices", "all")))

    def _devices(self, text: str) -> list[int]:
        return select(text, len(self._park.devices), self._draw)

    def _cameras(self, devices: Sequence[int]) -> list[int]:
        return [camera for number in devices for camera in self._park.devices[number].channels]


def fault_table() -> Sequence[tuple[str, str]]:
    """Every fault of the devices as ``NAME[=usual argument]`` and what it does."""
    return [
        (fault.name if fault.usual is None else f"{fault.name}={fault.usual:g}", fault.text)
        for fault in device_faults.FAULTS.values()
    ]
