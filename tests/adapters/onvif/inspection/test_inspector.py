"""The inspecting process: started for work, ended without, and hurt by nobody's answers but for that one inspection."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from adapters.onvif import soap
from adapters.onvif.inspection.inspector import Inspection, Inspector
from gateway.errors import AuthFailed, DeviceError, ProtocolFault, Unreachable
from gateway.model import Credential, OnvifAddress

SECRET = "pa55-of-the-camera"
TDS, TRT, TT = (soap.NS[prefix] for prefix in ("tds", "trt", "tt"))
SERVICES = (
    f'<GetServicesResponse xmlns="{TDS}"><Service><Namespace>{TRT}</Namespace><XAddr>http://10.0.0.1/media</XAddr>'
    "</Service></GetServicesResponse>"
)
PROFILES = (
    f'<GetProfilesResponse xmlns="{TRT}" xmlns:tt="{TT}"><Profiles token="p"><tt:Name>村口</tt:Name>'
    '<tt:VideoEncoderConfiguration token="e"><tt:Encoding>H264</tt:Encoding></tt:VideoEncoderConfiguration>'
    "</Profiles></GetProfilesResponse>"
)
URI = "<{0}Response><MediaUri><Uri>rtsp://10.0.0.1/1</Uri></MediaUri></{0}Response>"


@pytest.fixture
async def inspectors() -> AsyncIterator[Callable[..., Inspector]]:
    made: list[Inspector] = []

    def make(**options: float) -> Inspector:
        made.append(Inspector(**options))
        return made[-1]

    yield make
    for inspector in made:
        await inspector.close()


@pytest.fixture
def camera(device: Any) -> Any:
    device.answers = {
        "GetServices": SERVICES,
        "GetProfiles": PROFILES,
        "GetStreamUri": URI.format("GetStreamUri"),
        "GetSnapshotUri": URI.format("GetSnapshotUri"),
    }
    return device


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def forks_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Held:
    """A call that the device answers when it is let go."""

    def __init__(self, answer: Callable[..., web.Response], body: str) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self._answer, self._body = answer, body

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.set()
        await self.go.wait()
        return self._answer(self._body)


async def test_an_inspection_comes_back_whole(camera: Any, inspectors: Callable[..., Inspector]) -> None:
    inspector = inspectors()
    found = await inspector.inspect(camera.address())
    assert isinstance(found, Inspection)
    (channel,) = found.channels
    assert (channel.main.name, channel.main.encoding, channel.main.stream_url) == ("村口", "h264", "rtsp://127.0.0.1/1")
    assert found.services.media == f"http://127.0.0.1:{camera.port}/media"
    assert found.clock is not None
    assert found.clock.at.tzinfo is not None


async def test_many_at_once_share_one_process(camera: Any, inspectors: Callable[..., Inspector]) -> None:
    inspector = inspectors()
    found = await asyncio.gather(*(inspector.inspect(camera.address()) for _ in range(12)))
    assert len({one.channels for one in found}) == 1
    assert inspector.pid is not None


async def test_a_wrong_password_is_tried_once_and_told_as_such(
    camera: Any, inspectors: Callable[..., Inspector]
) -> None:
    with pytest.raises(AuthFailed, match="refuses the user name or the password"):
        await inspectors().inspect(camera.address(password="wrong"))
    assert camera.failed == 1


async def test_the_password_stands_nowhere_in_the_processes(
    camera: Any,
    soap_bodies: dict[str, Callable[..., web.Response]],
    inspectors: Callable[..., Inspector],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAMERA_PASSWORD", SECRET)
    camera.password = SECRET
    camera.answers["GetProfiles"] = held = Held(soap_bodies["answer"], PROFILES)
    inspector = inspectors()
    task = asyncio.create_task(inspector.inspect(camera.address(password=SECRET)))
    await held.asked.wait()
    assert inspector.pid is not None
    (fork,) = forks_of(inspector.pid)
    for pid in (inspector.pid, fork):
        for file in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
        assert all(os.readlink(f"/proc/{pid}/fd/{n}") == "/dev/null" for n in (0, 1, 2))
    held.go.set()
    await task


async def test_it_ends_without_work_and_starts_again_with_it(camera: Any, inspectors: Callable[..., Inspector]) -> None:
    inspector = inspectors(idle_s=0.05)
    await inspector.inspect(camera.address())
    first = inspector.pid
    await until(lambda: inspector.pid is None)
    assert first is None or not is_alive(first) or await _ended(first)
    await inspector.inspect(camera.address())


async def _ended(pid: int) -> bool:
    await until(lambda: not is_alive(pid))
    return True


async def test_close_ends_what_is_under_way_and_leaves_nothing(
    camera: Any, soap_bodies: dict[str, Callable[..., web.Response]], inspectors: Callable[..., Inspector]
) -> None:
    camera.answers["GetProfiles"] = held = Held(soap_bodies["answer"], PROFILES)
    inspector = inspectors()
    task = asyncio.create_task(inspector.inspect(camera.address()))
    await held.asked.wait()
    assert inspector.pid is not None
    processes = [inspector.pid, *forks_of(inspector.pid)]
    assert len(processes) == 2
    await inspector.close()
    with pytest.raises(Unreachable, match="the gateway is stopping"):
        await task
    await until(lambda: not any(map(is_alive, processes)))
    with pytest.raises(Unreachable, match="the gateway is stopping"):
        await inspector.inspect(camera.address())
    held.go.set()


async def test_a_fork_that_dies_takes_no_other_inspection_with_it(
    camera: Any, soap_bodies: dict[str, Callable[..., web.Response]], inspectors: Callable[..., Inspector]
) -> None:
    camera.answers["GetProfiles"] = held = Held(soap_bodies["answer"], PROFILES)
    inspector = inspectors()
    doomed = asyncio.create_task(inspector.inspect(camera.address()))
    await held.asked.wait()
    assert inspector.pid is not None
    (victim,) = forks_of(inspector.pid)
    other = asyncio.create_task(inspector.inspect(camera.address()))
    await until(lambda: len(forks_of(inspector.pid or 0)) == 2)
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(ProtocolFault, match=f"127.0.0.1:{camera.port}: reading its answers took more"):
        await doomed
    held.go.set()
    assert (await other).channels
    assert (await inspector.inspect(camera.address())).channels


async def test_a_process_that_was_killed_is_started_again(camera: Any, inspectors: Callable[..., Inspector]) -> None:
    inspector = inspectors()
    await inspector.inspect(camera.address())
    first = inspector.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await _ended(first)
    await inspector.inspect(camera.address())
    assert inspector.pid not in (None, first)


async def test_a_device_that_hangs_costs_the_deadline_and_no_more(
    camera: Any, soap_bodies: dict[str, Callable[..., web.Response]], inspectors: Callable[..., Inspector]
) -> None:
    camera.answers["GetServices"] = held = Held(soap_bodies["answer"], SERVICES)
    with pytest.raises(Unreachable, match="answers too slowly to be inspected; 1 s were not enough"):
        await inspectors(deadline_s=1.0).inspect(camera.address())
    held.go.set()


async def test_a_process_that_hangs_is_ended_by_the_kernel(
    camera: Any, soap_bodies: dict[str, Callable[..., web.Response]], inspectors: Callable[..., Inspector]
) -> None:
    camera.answers["GetServices"] = held = Held(soap_bodies["answer"], SERVICES)
    inspector = inspectors(deadline_s=4.0)
    task = asyncio.create_task(inspector.inspect(camera.address()))
    await held.asked.wait()
    assert inspector.pid is not None
    (fork,) = forks_of(inspector.pid)
    os.kill(fork, signal.SIGSTOP)  # as good as busy for ever: it looks at no deadline of its own
    with pytest.raises(Unreachable, match=r"was not inspected within 4 s"):
        await task
    os.kill(fork, signal.SIGCONT)
    await _ended(fork)
    held.go.set()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff\xfe nonsense"])
async def test_an_endless_or_senseless_answer_is_a_fault(
    raw_device: Callable[..., Awaitable[int]], inspectors: Callable[..., Inspector], answer: bytes
) -> None:
    port = await raw_device(answer, endless=bool(answer))
    with pytest.raises(DeviceError, match=f"127.0.0.1:{port}"):
        await inspectors().inspect(OnvifAddress("127.0.0.1", port, Credential("u", "p")))


async def test_a_very_long_answer_costs_one_inspection_at_most(
    camera: Any, inspectors: Callable[..., Inspector]
) -> None:
    profile = PROFILES[PROFILES.index("<Profiles") : PROFILES.index("</GetProfilesResponse>")]
    bomb = PROFILES.replace(profile, profile * (1_000_000 // len(profile)))
    whole = camera.answers["GetProfiles"]
    camera.answers["GetProfiles"] = bomb
    inspector = inspectors()
    try:
        await inspector.inspect(camera.address())
    except DeviceError as error:
        assert f"127.0.0.1:{camera.port}" in str(error)
    camera.answers["GetProfiles"] = whole
    assert (await inspector.inspect(camera.address())).channels


def test_neither_core_nor_worker_loads_zeep() -> None:
    program = (
        "import sys, gateway.node, gateway.video.worker, adapters.onvif.inspection.inspector\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(names & {'onvif', 'zeep', 'requests', 'isodate'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
