import asyncio
import inspect
import os
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
import uvloop

from adapters.rtsp import ReceiveBuffer, RtspSource, Timeouts
from gateway.errors import AuthFailed, Busy, NotSpoken, ProtocolFault, Unreachable
from gateway.model import Credential

CALM = Timeouts(connect=60.0, answer=60.0, silence=60.0, keyframe=60.0, teardown=1.0)
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


async def until(condition, seconds=60.0):
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
    source = RtspSource("street", url, None if auth == "none" else VIEWER, allow_basic=True, timeouts=CALM)
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
        await RtspSource("street", url, VIEWER, timeouts=CALM).run(outlet)
    assert "hidden-word" not in str(failure.value)
    assert outlet.codecs == []


REAL = [("h264", ("--lower", "udp")), ("h265", ("--codec", "h265")), ("h265", ("--lower", "udp", "--codec", "h265"))]


@pytest.mark.parametrize(("codec", "options"), REAL, ids=["udp", "h265", "udp h265"])
async def test_a_real_server_is_received_by_udp_and_in_h265(gst_server, outlet, codec, options):
    url = await asyncio.to_thread(gst_server, *options, auth="digest", password="hidden-word")
    source = RtspSource("street", url, VIEWER, timeouts=CALM)
    task = asyncio.create_task(source.run(outlet))
    await until(lambda: len(outlet.units) >= 2 or task.done())
    assert not task.done(), task.exception()
    assert (outlet.codecs, outlet.plays) == ([codec], 1)
    assert (source.width, source.height, source.lost) == (640, 360, 0)
    outlet.wants_all = True
    keyframes = len(outlet.units)
    await until(lambda: sum(not unit.keyframe for unit in outlet.units[keyframes:]) > 5)
    await end(task)


@pytest.mark.parametrize("lower", ["tcp", "udp"])
@on_both_loops
async def test_a_real_server_is_received_over_tls(gst_server, outlet, certificate, lower):
    options = ("--certificate", str(certificate), "--lower", lower)
    url = await asyncio.to_thread(gst_server, *options, auth="basic", password="hidden-word")
    assert url.startswith("rtsps://")
    task = asyncio.create_task(RtspSource("c", url, VIEWER, allow_basic=False, timeouts=CALM).run(outlet))
    await until(lambda: len(outlet.units) >= 2 or task.done())
    assert not task.done(), task.exception()
    await end(task)


async def test_motion_jpeg_of_a_real_server_is_left_to_another_adapter(gst_server, outlet):
    url = await asyncio.to_thread(gst_server, "--codec", "jpeg")
    with pytest.raises(NotSpoken, match=r"127\.0\.0\.1:\d+ offers video as JPEG"):
        await RtspSource("c", url, None, timeouts=CALM).run(outlet)


# ------------------------------------------------------------------------------------------------ playing


@on_both_loops
async def test_keyframes_come_and_bytes_are_told(wire, outlet):
    async with wire.Camera(stream=pictures(wire, 5)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
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
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: len(outlet.units) == 2)
        await end(task)


async def test_other_channels_than_asked_for_are_followed(wire, outlet):
    def other(camera, request):
        return wire.answer(request, "Transport: RTP/AVP/TCP;interleaved=6-7", "Session: 1")

    packets = wire.Packetiser(channel=6).nals(0, wire.slice_nal(500, idr=True))
    async with wire.Camera({"SETUP": other}, stream=[packets]) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: outlet.units)
        await end(task)


@on_both_loops
async def test_one_buffer_serves_many_cameras_cut_anywhere(wire):
    """Bytes of several cameras come interleaved in time, in pieces that end anywhere."""
    stream = b"".join(pictures(wire, 9))
    buffer = ReceiveBuffer()
    cameras = [wire.Camera() for _ in range(4)]
    outlets = [
        type(
            "Outlet",
            (),
            {"wants_all": True, "playing": lambda *_: None, "online": lambda *_: None, "received": lambda *_: None},
        )()
        for _ in cameras
    ]
    got = [[] for _ in cameras]
    for each, units in zip(outlets, got, strict=True):
        each.unit = units.append
    tasks = []
    for camera, each in zip(cameras, outlets, strict=True):
        await camera.__aenter__()
        source = RtspSource("c", camera.url, None, timeouts=CALM, buffer=buffer)
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


@on_both_loops
async def test_many_cameras_over_tls_share_one_buffer(wire, certificate):
    """The TLS layers of both loops decrypt into our buffer: bytes of several connections must never meet there."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    stream, buffer, got, tasks = b"".join(pictures(wire, 9)), ReceiveBuffer(), [], []
    cameras = [wire.Camera(tls=server) for _ in range(3)]
    for camera in cameras:
        await camera.__aenter__()
        units = []
        each = type("Outlet", (), dict.fromkeys(("playing", "online", "received"), lambda *_: None))()
        each.wants_all, each.unit = True, units.append
        got.append(units)
        tasks.append(asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM, buffer=buffer).run(each)))
    await until(lambda: all("PLAY" in camera.methods() for camera in cameras))
    for at in range(0, len(stream), 997):
        for camera in cameras:
            camera.writer.write(stream[at : at + 997])
        await asyncio.sleep(0)
    await until(lambda: all(len(units) == 9 for units in got))
    assert all([unit.payload for unit in units] == [unit.payload for unit in got[0]] for units in got)
    for task in tasks:
        await end(task)
    for camera in cameras:
        assert camera.methods()[-1] == "TEARDOWN"
        await camera.__aexit__()


async def test_receiver_reports_go_back_within_the_connection(wire, outlet):
    packets = pictures(wire, 40)
    async with wire.Camera(stream=packets) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: outlet.units)
        while not camera.frames:  # a report tells of a packet that comes after it fell due
            camera.writer.write(packets[0])
            await asyncio.sleep(0.05)
        channel, report = camera.frames[0]
        assert (channel, report[0], report[1]) == (1, 0x81, 201)
        assert report[8:12] == b"\x00\x00\x12\x34"  # the stream's SSRC
        await end(task)
        await camera.closed.wait()
    assert camera.methods()[-1] == "TEARDOWN"


class ByUdp:
    """Reactions of a camera that sends by UDP only; ``packets`` go out after PLAY."""

    def __init__(self, wire, packets, refusal="461 Unsupported Transport"):
        self.wire, self.packets, self.refusal = wire, packets, refusal
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.reactions = {"SETUP": self.set_up, "PLAY": self.play}
        self.client = 0

    def set_up(self, camera, request):
        asked = request.headers["transport"]
        if "client_port" not in asked:
            if self.refusal:
                return self.wire.answer(request, status=self.refusal)
            asked = "RTP/AVP;unicast;client_port=54060-54061"
        else:
            self.client = int(asked.split("client_port=")[1].split("-")[0])
        port = self.sock.getsockname()[1]
        return self.wire.answer(request, f"Transport: {asked};server_port={port}-{port + 1}", "Session: 4711")

    def play(self, camera, request):
        for packet in self.packets:
            self.sock.sendto(packet, ("127.0.0.1", self.client))
        return self.wire.answer(request, "Session: 4711")


@pytest.fixture
def by_udp(wire):
    made = []

    def make(**options):
        packets = [wire.rtp(wire.slice_nal(900, idr=True, seed=at), seq=at, time=at, marker=True) for at in range(3)]
        made.append(ByUdp(wire, packets, **options))
        return made[-1]

    yield make
    for each in made:
        each.sock.close()


@on_both_loops
async def test_a_camera_that_refuses_tcp_is_received_by_udp(wire, outlet, by_udp):
    camera_side = by_udp()
    async with wire.Camera(camera_side.reactions) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: len(outlet.units) == 3 or task.done())
        assert not task.done(), task.exception()
        await until(lambda: sum(outlet.sizes) > 2700)
        await end(task)
        await camera.closed.wait()
    assert camera.methods() == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", camera_side.client))


async def test_a_camera_that_sets_up_udp_unasked_is_dialled_anew_for_it(wire, outlet, by_udp):
    async with wire.Camera(by_udp(refusal=None).reactions) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: len(outlet.units) == 3 or task.done())
        assert not task.done(), task.exception()
        assert camera.accepted == 2
        assert camera.methods()[:5] == ["OPTIONS", "DESCRIBE", "SETUP", "TEARDOWN", "OPTIONS"]
        await end(task)


async def test_silence_by_udp_is_noticed_too(wire, outlet, by_udp):
    camera_side = by_udp()
    camera_side.packets = []
    async with wire.Camera(camera_side.reactions) as camera:
        source = RtspSource("c", camera.url, None, transport="udp", timeouts=replace(CALM, silence=0.3))
        with pytest.raises(Unreachable, match=r"sent no video for 0\.3 s"):
            await source.run(outlet)
    assert camera.methods() == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]


def test_a_transport_that_nobody_knows_is_a_mistake():
    with pytest.raises(ValueError, match="auto, tcp, udp"):
        RtspSource("c", "rtsp://10.0.0.5/", None, transport="carrier pigeon")


async def test_the_session_is_kept_alive(wire, outlet):
    async with wire.Camera(stream=pictures(wire), timeout=2) as camera:
        source = RtspSource("c", camera.url, None, timeouts=CALM)
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
        await RtspSource("c", "rtsp://camera.invalid/", None, timeouts=CALM).run(outlet)


async def test_silence_after_accept(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: None}) as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(CALM, answer=0.3))
        with pytest.raises(Unreachable, match=r"did not answer OPTIONS within 0\.3 s"):
            await source.run(outlet)


@on_both_loops
async def test_silence_after_play(wire, outlet):
    async with wire.Camera() as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(CALM, silence=0.3))
        with pytest.raises(Unreachable, match=r"sent no video for 0\.3 s"):
            await source.run(outlet)
    assert camera.methods()[-1] == "TEARDOWN"
    assert outlet.codecs == []


async def test_video_without_a_keyframe(wire, outlet):
    async with wire.Camera(stream=[wire.Packetiser().nals(0, wire.slice_nal(500))]) as camera:
        source = RtspSource("c", camera.url, None, timeouts=replace(CALM, keyframe=0.3))
        with pytest.raises(Unreachable, match=r"keyframe for 0\.3 s"):
            await source.run(outlet)


async def test_a_wrong_password_is_tried_once(wire, outlet):
    def refuse(camera, request):
        return wire.answer(request, DIGEST.format("a"), status="401 Unauthorized")

    async with wire.Camera({"DESCRIBE": refuse}) as camera:
        with pytest.raises(AuthFailed, match="refuses the user name or the password"):
            await RtspSource("c", camera.url, VIEWER, timeouts=CALM).run(outlet)
    assert len([request for request in camera.requests if "authorization" in request.headers]) == 1


async def test_a_stale_nonce_is_renewed(wire, outlet):
    nonces = iter(["a", "b"])

    def challenge(camera, request):
        if 'nonce="b"' in request.headers.get("authorization", ""):
            return camera.react(request)
        return wire.answer(request, DIGEST.format(next(nonces)) + ", stale=true", status="401 Unauthorized")

    async with wire.Camera({"DESCRIBE": challenge}, stream=pictures(wire)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, VIEWER, timeouts=CALM).run(outlet))
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
        task = asyncio.create_task(RtspSource("c", camera.url, VIEWER, timeouts=CALM).run(outlet))
        await until(lambda: outlet.units or task.done())
        assert not task.done(), task.exception()
        await end(task)


@on_both_loops
async def test_a_reset_in_the_middle_of_the_stream(wire, outlet):
    async with wire.Camera(stream=pictures(wire)) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
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
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)


@on_both_loops
async def test_a_junk_answer(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: b"HTTP/1.1 400 Bad Request\r\n\r\n"}) as camera:
        with pytest.raises(ProtocolFault, match=r"127.0.0.1:\d+ sent something that is not RTSP: “HTTP/1.1 400"):
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)


@on_both_loops
async def test_a_camera_that_never_answers_teardown_does_not_hold_us(wire, outlet):
    async with wire.Camera({"TEARDOWN": lambda *_: None}, stream=pictures(wire)) as camera:
        quick = replace(CALM, teardown=0.2)
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=quick).run(outlet))
        await until(lambda: outlet.units)
        async with asyncio.timeout(60):
            await end(task)
        await camera.closed.wait()
    assert camera.methods()[-1] == "TEARDOWN"


@on_both_loops
async def test_a_cancelled_connect_leaves_nothing_behind(wire, outlet):
    async with wire.Camera({"OPTIONS": lambda *_: None}) as camera:
        task = asyncio.create_task(RtspSource("c", camera.url, None, timeouts=CALM).run(outlet))
        await until(lambda: camera.requests)
        await end(task)
        await camera.closed.wait()
    assert camera.methods() == ["OPTIONS"]


@on_both_loops
async def test_a_port_that_does_not_speak_tls(wire, outlet):
    async with wire.Camera() as camera:
        url = camera.url.replace("rtsp:", "rtsps:")
        with pytest.raises((ProtocolFault, Unreachable), match=r"127\.0\.0\.1:\d+ "):
            await RtspSource("c", url, None, timeouts=replace(CALM, connect=1.0)).run(outlet)


@on_both_loops
async def test_a_port_that_speaks_only_tls(wire, outlet, certificate):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    async with wire.Camera(tls=server) as camera:
        with pytest.raises((ProtocolFault, Unreachable), match=r"127\.0\.0\.1:\d+ "):
            await RtspSource("c", camera.url.replace("rtsps:", "rtsp:"), None, timeouts=CALM).run(outlet)


async def test_a_tls_handshake_that_never_ends(outlet):
    gone = asyncio.Event()

    async def listen_only(reader, writer):
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        gone.set()

    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable, match=r"did not accept a connection within 0\.3 s"):
        await RtspSource("c", f"rtsps://127.0.0.1:{port}/", None, timeouts=replace(CALM, connect=0.3)).run(outlet)
    await gone.wait()
    silent.close()


@pytest.mark.parametrize("status", ["453 Not Enough Bandwidth", "503 Service Unavailable"])
async def test_a_busy_camera_says_for_how_long(wire, outlet, status):
    def refuse(camera, request):
        return wire.answer(request, "Retry-After: 20", status=status)

    async with wire.Camera({"SETUP": refuse}) as camera:
        with pytest.raises(Busy) as busy:
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)
    assert busy.value.after == 20 and outlet.plays == 0


async def test_audio_alone_is_said(wire, outlet):
    sound = "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:audio\r\n"
    async with wire.Camera(description=sound) as camera:
        with pytest.raises(ProtocolFault, match="offers no video, only audio") as fault:
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)
    assert not isinstance(fault.value, NotSpoken)
    assert camera.methods() == ["OPTIONS", "DESCRIBE"]


async def test_a_codec_that_is_not_spoken_opens_no_session(wire, outlet):
    async with wire.Camera(description=wire.sdp(encoding="JPEG")) as camera:
        with pytest.raises(NotSpoken, match="JPEG"):
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)
    assert camera.methods() == ["OPTIONS", "DESCRIBE"]


# ------------------------------------------------------------------------------------------------ redirections


def to(wire, url, status="302 Moved Temporarily"):
    return lambda camera, request: wire.answer(request, f"Location: {url}", status=status)


def guarded(wire):
    def challenge(camera, request):
        if "authorization" in request.headers:
            return camera.react(request)
        return wire.answer(request, DIGEST.format("a"), status="401 Unauthorized")

    return {"DESCRIBE": challenge}


async def test_a_redirection_is_followed_and_the_same_host_trusted(wire, outlet):
    async with (
        wire.Camera(guarded(wire), stream=pictures(wire)) as second,
        wire.Camera({"DESCRIBE": to(wire, second.url)}) as first,
    ):
        task = asyncio.create_task(RtspSource("c", first.url, VIEWER, timeouts=CALM).run(outlet))
        await until(lambda: outlet.units or task.done())
        assert not task.done(), task.exception()
        await end(task)
    assert second.methods()[-1] == "TEARDOWN"


async def test_another_host_never_sees_the_credential(wire, outlet):
    async with (
        wire.Camera(guarded(wire)) as second,
        wire.Camera({"DESCRIBE": to(wire, second.url.replace("127.0.0.1", "localhost"))}) as first,
    ):
        with pytest.raises(ProtocolFault, match=r"redirects to another host, which wants a login: localhost:\d+"):
            await RtspSource("c", first.url, VIEWER, timeouts=CALM).run(outlet)
    assert second.methods() == ["OPTIONS", "DESCRIBE"]
    assert all("authorization" not in request.headers for request in second.requests)


async def test_a_circle_of_redirections_ends(wire, outlet):
    async with wire.Camera() as camera:
        camera.reactions["OPTIONS"] = to(wire, camera.url)
        with pytest.raises(ProtocolFault, match="again and again"):
            await RtspSource("c", camera.url, None, timeouts=CALM).run(outlet)
        assert camera.accepted == 4


async def test_a_camera_that_sends_us_elsewhere_while_it_plays(wire, outlet):
    async with wire.Camera(stream=pictures(wire)) as second, wire.Camera(stream=pictures(wire)) as first:
        task = asyncio.create_task(RtspSource("c", first.url, None, timeouts=CALM).run(outlet))
        await until(lambda: len(outlet.units) == 2)
        first.writer.write(f"REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: {second.url}\r\n\r\n".encode())
        await until(lambda: len(outlet.units) == 4)
        assert first.methods()[-1] == "TEARDOWN"
        await end(task)


# ------------------------------------------------------------------------------------------------ nothing is left


@on_both_loops
async def test_no_descriptor_is_left_behind(wire, outlet, by_udp):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    async with wire.Camera(by_udp().reactions) as camera:
        before = None
        for _ in range(4):
            source = RtspSource("c", camera.url, None, timeouts=replace(CALM, teardown=5.0))
            plays = outlet.plays
            camera.closed.clear()
            task = asyncio.create_task(source.run(outlet))
            await until(lambda plays=plays: outlet.plays > plays)
            await end(task)
            await camera.closed.wait()
            if before is None:
                await asyncio.sleep(0.05)
                before = descriptors()
            await until(lambda most=before: descriptors() <= most)
