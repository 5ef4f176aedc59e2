"""What is commonly done, as a yardstick: ``python onvif_peer.py`` pulls events by onvif-zeep-async or by onvif-zeep.

Both call themselves ``onvif``; which one it is depends on what the interpreter finds first, so this file imports nothing of
the gateway and is run by its path. One line of JSON on standard input says what to do: ``{"library": "async"|"blocking",
"devices": [[host, port], …], "username", "password", "seconds": of a pull}``. It prints ``{"ready": true}`` once the library
is loaded and one camera object was made of the first device, ``{"listening": n}`` once all pull, and then, for every line
it is sent, ``{"pulls": n, "messages": n}``; it ends when its standard input is closed.
"""

import asyncio
import datetime
import json
import logging
import sys
import threading
from typing import Any


class Count:
    """Pulls answered and messages in them."""

    def __init__(self) -> None:
        self.pulls = self.messages = 0

    def add(self, answer: Any) -> None:
        self.pulls += 1
        self.messages += len(answer.NotificationMessage or ())


def tell(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def pull_async(wanted: dict[str, Any], count: Count) -> None:
    from onvif import ONVIFCamera

    lease, timeout = datetime.timedelta(seconds=600), datetime.timedelta(seconds=wanted["seconds"])

    async def pull(service: Any) -> None:
        while True:
            count.add(await service.PullMessages({"MessageLimit": 100, "Timeout": timeout}))

    managers, pulling = [], []
    for number, (host, port) in enumerate(wanted["devices"]):
        camera = ONVIFCamera(host, port, wanted["username"], wanted["password"])
        await camera.update_xaddrs()
        manager = await camera.create_pullpoint_manager(lease, lambda: None)
        managers.append((camera, manager))
        if number == 0:
            tell({"ready": True})
            await asyncio.to_thread(sys.stdin.readline)
        pulling.append(asyncio.create_task(pull(manager.get_service())))
    tell({"listening": len(pulling)})
    await asyncio.to_thread(obey, count)
    for task in pulling:
        task.cancel()
    await asyncio.gather(*pulling, return_exceptions=True)
    for camera, manager in managers:
        await manager.shutdown()
        await camera.close()


def pull_blocking(wanted: dict[str, Any], count: Count) -> None:
    from onvif import ONVIFCamera

    timeout = datetime.timedelta(seconds=wanted["seconds"])

    def pull(camera: Any) -> None:
        service = camera.create_pullpoint_service()
        while True:
            count.add(service.PullMessages({"MessageLimit": 100, "Timeout": timeout}))

    for number, (host, port) in enumerate(wanted["devices"]):
        camera = ONVIFCamera(host, port, wanted["username"], wanted["password"])
        if number == 0:
            tell({"ready": True})
            sys.stdin.readline()
        threading.Thread(target=pull, args=(camera,), daemon=True).start()
    tell({"listening": len(wanted["devices"])})
    obey(count)


def obey(count: Count) -> None:
    while sys.stdin.readline():
        tell({"pulls": count.pulls, "messages": count.messages})


def main() -> int:
    logging.disable(logging.CRITICAL)
    wanted, count = json.loads(sys.stdin.readline()), Count()
    if wanted["library"] == "async":
        asyncio.run(pull_async(wanted, count))
    else:
        pull_blocking(wanted, count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
