"""Live views end to end: a real worker, the real live process, and a receiver that decodes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.config.sections.console import LiveSettings
from gateway.errors import NotSpoken, Unreachable
from gateway.model import LowerFeed, OwnFeed
from gateway.observability.metrics import REGISTRY
from gateway.video.live.desk import LiveDesk
from gateway.video.live.frames import KEYFRAME, Frame, encode
from gateway.video.live.views import WorkerViews
from gateway.video.live.worker_feed import frames
from gateway.video.wire import CameraOrder

Eventually = Callable[[Callable[[], Awaitable[object]]], Awaitable[None]]
CAMERA = OwnFeed("c1")


async def test_a_recorded_camera_is_seen_from_its_newest_gop_on(worker, desk, browser, stream, eventually) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}", record_s=30))
    await eventually(lambda: _kept(worker))
    viewer = browser()
    session = await viewer.open(desk, CAMERA)
    assert (session.codec, session.start) == ("h264", "gop")
    pictures = await viewer.sees(40)
    times = [picture.pts for picture in pictures]
    assert times == sorted(set(times)), "RTP times rise strictly"
    assert (pictures[0].width, pictures[0].height) == (160, 120)
    assert await worker.readers() == 1


async def _kept(worker) -> bool:  # type: ignore[no-untyped-def]
    return bool((await worker.client.figures())["recorder"]["bytes"])


async def test_another_camera_is_seen_from_the_next_keyframe_and_who_comes_later_at_once(  # type: ignore[no-untyped-def]
    worker, desk, browser, stream, tmp_path
) -> None:
    path = tmp_path / "waiting.h264"
    path.write_bytes(stream.read_bytes())
    await worker.show(CameraOrder("c1", sub=f"stream://{path}"))
    await desk.warm()
    first, second = browser(), browser()
    held = path.with_suffix(".held")
    held.touch()  # the next keyframe is to come when the view is open, however long that takes
    assert (await first.open(desk, CAMERA)).start == "idr"
    held.unlink()
    await first.sees(5)
    session = await second.open(desk, CAMERA, viewer="other")
    assert session.start == "gop", "the feed kept the GOP for whoever comes next"
    await second.sees(5)
    figures = await desk.figures()
    assert (figures["sessions"], figures["feeds"], figures["dropped"]) == (2, 1, 0)
    assert await worker.readers() == 1, "one reader at the worker, however many watch"
    assert await desk.close(session.id)
    assert not await desk.close(session.id)
    await first.sees(5)


async def test_the_views_of_a_viewer_end_with_the_login_and_the_reading_with_the_last(  # type: ignore[no-untyped-def]
    worker, desk, browser, stream, eventually
) -> None:
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    viewer = browser()
    session = await viewer.open(desk, CAMERA, viewer="a")
    await viewer.sees(1)
    await desk.end_of("somebody else")
    assert (await desk.figures())["sessions"] == 1
    await desk.end_of("a")
    assert (await desk.figures())["sessions"] == 0
    assert not await desk.trickle(session.id, "")

    async def unread() -> bool:
        return int(await worker.readers()) == 0

    await eventually(unread)


async def test_views_are_counted(worker, desk, browser, stream, eventually) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    await desk.warm()
    assert desk.pid is not None
    before = REGISTRY.get_sample_value("gateway_live_first_frame_seconds_count") or 0.0

    async def counted() -> bool:
        sessions = REGISTRY.get_sample_value("gateway_live_sessions", {"protocol": "webrtc"})
        return sessions == 1 and REGISTRY.get_sample_value("gateway_live_first_frame_seconds_count") == before + 1

    viewer = browser()
    await viewer.open(desk, CAMERA)
    await viewer.sees(1)
    await eventually(counted)


async def test_a_browser_that_vanishes_is_noticed(worker, desk, browser, stream, eventually) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    viewer = browser()
    await viewer.open(desk, CAMERA)
    await viewer.sees(1)
    await viewer.close()

    async def ended() -> bool:
        return int((await desk.figures())["sessions"]) == 0

    await eventually(ended)


async def test_a_worker_that_dies_and_returns_goes_on_in_the_same_view(worker, desk, browser, stream) -> None:  # type: ignore[no-untyped-def]
    order = CameraOrder("c1", sub=f"stream://{stream}")
    await worker.show(order)
    viewer = browser()
    await viewer.open(desk, CAMERA)
    await viewer.sees(3)
    worker.kill()
    await worker.start()
    await worker.show(order)
    before = viewer.frames[-1].pts
    assert all(picture.pts > before for picture in await viewer.sees(30))


async def test_a_camera_that_dies_and_returns_goes_on_in_the_same_view(  # type: ignore[no-untyped-def]
    worker, desk, browser, stream, tmp_path
) -> None:
    path = tmp_path / "dying.h264"
    path.write_bytes(stream.read_bytes())
    await worker.show(CameraOrder("c1", sub=f"stream://{path}"))
    viewer = browser()
    await viewer.open(desk, CAMERA)
    await viewer.sees(3)
    off = path.with_suffix(".off")
    off.touch()
    async with asyncio.timeout(60):
        while (await worker.client.figures())["taps"]["readers"] and not await _broken(worker):
            await asyncio.sleep(0.05)
    off.unlink()
    before = viewer.frames[-1].pts
    assert all(picture.pts > before for picture in await viewer.sees(30))
    assert (await desk.figures())["sessions"] == 1


async def _broken(worker) -> bool:  # type: ignore[no-untyped-def]
    report = await worker.client.health(-1, 0)
    return any(camera.reason for camera in report.cameras)


async def test_a_browser_that_lost_something_is_given_the_gop_anew(  # type: ignore[no-untyped-def]
    worker, desk, browser, stream, eventually
) -> None:
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    viewer = browser()
    session = await viewer.open(desk, CAMERA)
    await viewer.sees(5)
    ssrc = int(re.findall(r"a=ssrc:(\d+) ", session.answer)[0])
    await viewer.peer.getReceivers()[0]._send_rtcp_pli(ssrc)

    async def repaired() -> bool:
        return int((await desk.figures())["repairs"]) == 1

    await eventually(repaired)
    await viewer.sees(30)
    times = [picture.pts for picture in viewer.frames]
    assert times == sorted(set(times))


async def test_ports_and_addresses_are_as_configured(worker, browser, stream, short_dir) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    settings = LiveSettings(ports="42000-42999", addresses=("203.0.113.9",))
    desk = LiveDesk(short_dir, settings, lambda _: [worker.socket])
    try:
        viewer = browser()
        session = await viewer.open(desk, CAMERA)
        await viewer.sees(1)
    finally:
        await desk.stop()
    lines = [line.split() for line in session.answer.splitlines() if line.startswith("a=candidate:")]
    assert {line[4] for line in lines} > {"203.0.113.9"}
    assert all(42000 <= int(line[5]) <= 42999 for line in lines)


async def test_a_main_stream_is_opened_for_the_view(worker, desk, browser, stream) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", main=f"stream://{stream}", sub=f"stream:///{stream}"))
    viewer = browser()
    await viewer.open(desk, OwnFeed("c1", "main"))
    await viewer.sees(3)


async def test_what_is_not_to_be_seen_is_said(worker, desk, browser, stream, keyframe, tmp_path) -> None:  # type: ignore[no-untyped-def]
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"\xff\xd8 a picture \xff\xd9")
    gone = CameraOrder("gone", sub="gone://")
    await worker.client.put_cameras([gone, CameraOrder("mjpeg", sub=f"mjpeg://{picture}")])
    viewer = browser()
    offer = await viewer.offer()
    async with asyncio.timeout(60):
        while (await worker.client.figures())["cameras"].get("online") != 1:
            await asyncio.sleep(0.05)
    with pytest.raises(Unreachable, match="camera gone is offline: connection refused"):
        await desk.open(OwnFeed("gone"), offer, viewer="a")
    with pytest.raises(Unreachable, match="camera unknown is with no video worker"):
        await desk.open(OwnFeed("unknown"), offer, viewer="a")
    with pytest.raises(NotSpoken, match=r"sub-stream of camera mjpeg is MJPEG.*set that stream to H\.264"):
        await desk.open(OwnFeed("mjpeg"), offer, viewer="a")
    with pytest.raises(Unreachable, match="nothing comes from the lower node"):
        await desk.open(LowerFeed("nobody"), offer, viewer="a")


async def test_an_offer_that_is_none_is_refused_in_words(worker, desk, browser, stream) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    for offer, words in (("", "offer"), ("v=0\r\nm=video x\r\n", "cannot be read")):
        with pytest.raises(NotSpoken, match=words):
            await desk.open(CAMERA, offer, viewer="a")
    whole = await browser().offer()
    with pytest.raises(NotSpoken, match=r"offer has no H\.264"):
        await desk.open(CAMERA, whole.replace("H264", "X264"), viewer="a")
    assert (await desk.figures())["sessions"] == 0


async def test_no_more_views_than_allowed(worker, desk, browser, stream) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    offer = await browser().offer()
    opened = await asyncio.gather(*(desk.open(CAMERA, offer, viewer=each) for each in "abcd"))
    with pytest.raises(Unreachable, match="4 live views are open"):
        await desk.open(CAMERA, offer, viewer="e")
    assert await desk.close(opened[0].id)
    await desk.open(CAMERA, offer, viewer="e")


async def test_a_lower_nodes_camera_is_pushed_and_its_end_is_told(desk, browser, encode_stream) -> None:  # type: ignore[no-untyped-def]
    units = encode_stream(50)
    number = 0

    async def pushed() -> AsyncIterator[bytes]:
        nonlocal number
        while True:
            payload, keyframe = units[number % len(units)]
            yield encode(Frame(KEYFRAME if keyframe else 0, "h264", number * 3600, payload))
            number += 1
            await asyncio.sleep(0.02)

    pushing = asyncio.create_task(desk.feed("uplink-1", pushed()))
    viewer = browser()
    session = await viewer.open(desk, LowerFeed("uplink-1"))
    await viewer.sees(30)
    assert await desk.close(session.id)
    async with asyncio.timeout(30):
        await pushing  # nobody watches any more


async def test_another_process_is_started_after_a_death_and_none_is_left(  # type: ignore[no-untyped-def]
    worker, desk, browser, stream, short_dir, strays
) -> None:
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    assert desk.pid is None, "nothing runs before somebody looks"
    await browser().open(desk, CAMERA)
    first = desk.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    viewer = browser()
    async with asyncio.timeout(30):
        while desk.pid is not None:
            await asyncio.sleep(0.02)
    await viewer.open(desk, CAMERA)
    await viewer.sees(1)
    assert desk.pid not in (None, first)
    await desk.stop()
    assert strays(short_dir / "run" / "live.sock") == []
    with pytest.raises(Unreachable, match="is stopping"):
        await desk.open(CAMERA, "", viewer="a")


CORE = """
import asyncio, pathlib, sys
from gateway.config.sections.console import LiveSettings
from gateway.video.live.desk import LiveDesk
async def main():
    desk = LiveDesk(pathlib.Path(sys.argv[1]), LiveSettings(), lambda _: [])
    await desk.warm()
    print(desk.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_a_core_that_is_killed_leaves_no_live_process(short_dir, strays) -> None:  # type: ignore[no-untyped-def]
    core = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", CORE, str(short_dir)), stdout=asyncio.subprocess.PIPE
    )
    assert core.stdout is not None
    async with asyncio.timeout(60):
        while not (line := (await core.stdout.readline()).strip()).isdigit():
            assert line
    pid = int(line)
    assert pid in strays(short_dir / "run" / "live.sock")
    core.kill()
    await core.wait()
    async with asyncio.timeout(30):
        while pid in strays(short_dir / "run" / "live.sock"):
            await asyncio.sleep(0.05)


async def test_a_stream_that_is_neither_is_refused(worker, stream) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    with pytest.raises(Unreachable, match="stream is sub or main"):
        await anext(frames([str(worker.socket)], "c1", "third"))


async def test_a_view_from_above_reads_the_same_frames(worker, stream) -> None:  # type: ignore[no-untyped-def]
    await worker.show(CameraOrder("c1", sub=f"stream://{stream}"))
    views = WorkerViews(None, lambda _: [worker.socket])  # type: ignore[arg-type]
    units = views.units("c1", "sub")
    first = await anext(units)
    assert first[1] & KEYFRAME
    await units.aclose()  # type: ignore[attr-defined]
    with pytest.raises(Unreachable, match="no video worker"):
        await anext(views.units("c2", "sub"))


def test_neither_core_nor_worker_loads_the_library() -> None:
    for module in ("gateway.video.worker", "gateway.node", "gateway.video.live.desk", "gateway.video.live.views"):
        code = f"import sys, {module}; sys.exit('aiortc' in sys.modules or 'aioice' in sys.modules)"
        assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0, module
