import asyncio
import inspect
import socket
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
import uvloop

from adapters.rtsp import ReceiveBuffer, RtspSource, Timeouts
from gateway.errors import AuthFailed, ProtocolFault, Unreachable
from gateway.model import Credential

QUICK = Timeouts(connect=5.0, answer=5.0, silence=5.0, keyframe=10.0, teardown=1.0)
VIEWER = Credential("viewer", "hidden-word")
DIGEST = 'WWW-Authenticate: Digest realm="r", nonce="{}"'


def on_both_loops(test):
    """Run an async test on asyncio's loop and on uvloop, whose transports are not the same code."""

    @pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
    def run(loop, **fixtures):
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(**fixtures))

    parameters = inspect.signature(test).parameters.values()
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = inspect.Signature([*parameters, loop])
    return run


async def until(condition, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def end(task):
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def pictures(wire, count=3):
    camera = wire.Packetiser(mtu=1400)
    return [camera.nals(time * 3600, wire.slice_nal(5000, idr=time % 2 == 0, seed=time)) for time in range(count)]


# ------------------------------------------------------------------------------------------------ a real server


@pytest.mark.parametrize("auth", ["none", "basic", "digest"])
async def test_a_real_server_is_received(gst_server, outlet, auth):
    url = await asyncio.to_thread(gst_server, auth=auth, password="hidden-word")
    source = RtspSource("street", url, None if auth == "none" else VIEWER, timeouts=QUICK)
    task = asyncio.create_task(source.run(outlet))
    await until(lambda: len(outlet.units) >= 2 or task.done())
    assert not task.done(), task.exception()
    assert outlet.codecs == ["h264"]
    assert all(unit.keyframe and unit.camera_id == "street" for unit in outlet.units)
    assert outlet.units[0].payload.startswith(b"\x00\x00\x00\x01\x67")
    assert (source.width, source.height, source.dropped) == (640, 360, 0)
    outlet.wants_all = True
    keyframes = len(outlet.units)
    await until(lambda: sum(not unit.keyframe for unit in outlet.units[keyframes:]) > 5)
    await end(task)


async def test_a_real_server_refuses_a_wrong_password(gst_server, outlet):
    url = await asyncio.to_thread(gst_server, auth="digest", password="another")
    with pytest.raises(AuthFailed) as failure:
        await RtspSource("street", url, VIEWER, timeouts=QUICK).run(outlet)
    assert "hidden-word" not in str(failure.value)
    assert outlet.codecs == []


# ------------------------------------------------------------------------------------------------ playing


@on_both_loops
async def test_keyframes_come_and_bytes_are_told(wire, outlet):
    async with wire.Camera(stream=pictures(wire, 5)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet))
        await until(lambda: len(outlet.units) == 3 and sum(outlet.sizes) > 25000)
        assert [unit.rtp_time for unit in outlet.units] == [0, 7200, 14400]
        await end(task)
        await camera.closed.wait()
    assert camera.methods() == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert camera.requests[-1].headers["session"] == "4711"


async def test_media_ahead_of_the_answer_to_play_is_received(wire, outlet):
    def early(camera, request):
        first, *rest = pictures(wire)
        return first + wire.answer(request, "Session: 4711") + b"".join(rest)

    async with wire.Camera({"PLAY": early}) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet))
        await until(lambda: len(outlet.units) == 2)
        await end(task)


async def test_other_channels_than_asked_for_are_followed(wire, outlet):
    def other(camera, request):
        return wire.answer(request, "Transport: RTP/AVP/TCP;interleaved=6-7", "Session: 1")

    packets = wire.Packetiser(channel=6).nals(0, wire.slice_nal(500, idr=True))
    async with wire.Camera({"SETUP": other}, stream=[packets]) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet))
        await until(lambda: outlet.units)
        await end(task)


@on_both_loops
async def test_one_buffer_serves_many_cameras_cut_anywhere(wire):
    """Bytes of several cameras come interleaved in time, in pieces that end anywhere."""
    stream = b"".join(pictures(wire, 9))
    buffer = ReceiveBuffer()
    cameras = [wire.Camera() for _ in range(4)]
    outlets = [
        type("Outlet", (), {"wants_all": True, "online": lambda *_: None, "received": lambda *_: None})()
        for _ in cameras
    ]
    got = [[] for _ in cameras]
    for each, units in zip(outlets, got, strict=True):
        each.unit = units.append
    tasks = []
    for camera, each in zip(cameras, outlets, strict=True):
        await camera.__aenter__()
        source = RtspSource("c", camera.url, None, timeouts=QUICK, buffer=buffer)
        tasks.append(asyncio.create_task(source.run(each)))
    await until(lambda: all("PLAY" in camera.methods() for camera in cameras))
    for at in range(0, len(stream), 997):
        for camera in cameras:
            camera.writer.write(stream[at : at + 997])
            await camera.writer.drain()
        await asyncio.sleep(0)
    await until(lambda: all(len(units) == 9 for units in got))
    assert all([unit.payload for unit in units] == [unit.payload for unit in got[0]] for units in got)
    for task in tasks:
        await end(task)
    for camera in cameras:
        await camera.__aexit__()


async def test_the_session_is_kept_alive(wire, outlet):
    async with wire.Camera(stream=pictures(wire), timeout=2) as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(QUICK, silence=60.0, keyframe=60.0))
        task = asyncio.create_task(source.run(outlet))
        await until(lambda: "GET_PARAMETER" in camera.methods())
        await end(task)


# ------------------------------------------------------------------------------------------------ faults


@on_both_loops
async def test_nobody_listens(outlet, free_port):
    with pytest.raises(Unreachable, match="cannot be connected"):
        await RtspSource("c", f"rtsp://127.0.0.1:{free_port()}/", None).run(outlet)


async def test_a_host_that_does_not_exist(outlet):
    with pytest.raises(Unreachable, match="cannot be connected"):
        await RtspSource("c", "rtsp://camera.invalid/", None).run(outlet)


async def test_silence_after_accept(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: None}) as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(QUICK, answer=0.3))
        with pytest.raises(Unreachable, match=r"did not answer OPTIONS within 0\.3 s"):
            await source.run(outlet)


@on_both_loops
async def test_silence_after_play(wire, outlet):
    async with wire.Camera() as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(QUICK, silence=0.3))
        with pytest.raises(Unreachable, match=r"sent no video for 0\.3 s"):
            await source.run(outlet)
    assert camera.methods()[-1] == "TEARDOWN"
    assert outlet.codecs == []


async def test_video_without_a_keyframe(wire, outlet):
    async with wire.Camera(stream=[wire.Packetiser().nals(0, wire.slice_nal(500))]) as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(QUICK, keyframe=0.3))
        with pytest.raises(Unreachable, match=r"keyframe for 0\.3 s"):
            await source.run(outlet)


async def test_a_wrong_password_is_tried_once(wire, outlet):
    def refuse(camera, request):
        return wire.answer(request, DIGEST.format("a"), status="401 Unauthorized")

    async with wire.Camera({"DESCRIBE": refuse}) as camera:
        with pytest.raises(AuthFailed, match="refuses the user name or the password"):
            await RtspSource("c", camera.url, VIEWER, timeouts=QUICK).run(outlet)
    assert len([request for request in camera.requests if "authorization" in request.headers]) == 1


async def test_a_stale_nonce_is_renewed(wire, outlet):
    nonces = iter(["a", "b"])

    def challenge(camera, request):
        if 'nonce="b"' in request.headers.get("authorization", ""):
            return camera.react(request)
        return wire.answer(request, DIGEST.format(next(nonces)) + ", stale=true", status="401 Unauthorized")

    async with wire.Camera({"DESCRIBE": challenge}, stream=pictures(wire)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, VIEWER, timeouts=QUICK).run(outlet))
        await until(lambda: outlet.units or task.done())
        assert not task.done(), task.exception()
        await end(task)


async def test_a_camera_that_only_knows_sha_256(wire, outlet):
    def challenge(camera, request):
        if "algorithm=SHA-256" in request.headers.get("authorization", ""):
            return camera.react(request)
        field = DIGEST.format("a") + ', algorithm=SHA-256, qop="auth"'
        return wire.answer(request, field, status="401 Unauthorized")

    async with wire.Camera({"DESCRIBE": challenge}, stream=pictures(wire)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, VIEWER, timeouts=QUICK).run(outlet))
        await until(lambda: outlet.units or task.done())
        assert not task.done(), task.exception()
        await end(task)


@on_both_loops
async def test_a_reset_in_the_middle_of_the_stream(wire, outlet):
    async with wire.Camera(stream=pictures(wire)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet))
        await until(lambda: outlet.units)
        sock = camera.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        camera.writer.transport.abort()
        with pytest.raises(Unreachable, match=r"broke the connection .* while playing"):
            await task


@on_both_loops
async def test_a_camera_that_hangs_up(wire, outlet):
    async with wire.Camera({"DESCRIBE": lambda camera, request: camera.writer.close()}) as camera:
        with pytest.raises(Unreachable, match="closed the connection before playing"):
            await RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet)


@on_both_loops
async def test_a_junk_answer(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n"}) as camera:
        with pytest.raises(ProtocolFault, match=r"127.0.0.1:\d+ sent something that is not RTSP: “HTTP/1.1 400"):
            await RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet)


@on_both_loops
async def test_a_camera_that_never_answers_teardown_does_not_hold_us(wire, outlet):
    async with wire.Camera({"TEARDOWN": lambda *_: None}, stream=pictures(wire)) as camera:
        quick = replace(QUICK, teardown=0.2)
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=quick).run(outlet))
        await until(lambda: outlet.units)
        async with asyncio.timeout(10):
            await end(task)
        await camera.closed.wait()
    assert camera.methods()[-1] == "TEARDOWN"


@on_both_loops
async def test_a_cancelled_connect_leaves_nothing_behind(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: None}) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=QUICK).run(outlet))
        await until(lambda: camera.requests)
        await end(task)
        await camera.closed.wait()
    assert camera.methods() == ["OPTIONS"]
