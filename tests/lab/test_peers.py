"""Healthy cameras, and those whose fault a good client reads around, played by programs that nobody here wrote."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.lab.control import Control
from gateway.lab.encoder import Clip, encode_clip
from gateway.lab.faults import parse
from gateway.lab.feeds import ClipFeed
from gateway.lab.rtsp_server import RtspServer
from gateway.model import Scene

# GStreamer's bindings belong to the system's Python.
GSTREAMER = """
import sys, gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
pipeline = Gst.parse_launch(sys.argv[1])
pipeline.set_state(Gst.State.PLAYING)
heard = pipeline.get_bus().timed_pop_filtered(50 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
pipeline.set_state(Gst.State.NULL)
if heard is None:
    sys.exit("nothing came")
print("end of stream" if heard.type == Gst.MessageType.EOS else heard.parse_error())
"""


@pytest.fixture(scope="module")
def h265_clip(small_clip: Clip) -> Clip:
    return encode_clip(Scene.STREET, replace(small_clip.coding, codec="h265"), 1.0)


@asynccontextmanager
async def camera(clip: Clip, *faults: str) -> AsyncIterator[RtspServer]:
    server = RtspServer()
    server.mount("/cam/1", ClipFeed.family(clip, 1)[0], 1)
    for fault in faults:
        await Control(server, random.Random(1)).assign(parse(fault))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def output_of(*command: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            output, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(), complaint.decode()


async def probed(url: str, transport: str) -> dict[str, object]:
    code, output, complaint = await output_of(
        *("ffprobe", "-v", "error", "-rtsp_transport", transport, "-read_intervals", "%+#30"),
        *("-show_entries", "stream=codec_name,width:packet=flags", "-of", "json", url),
    )
    assert code == 0, complaint
    found = json.loads(output)
    return found["streams"][0] | {"keyframes": sum(one["flags"].startswith("K") for one in found["packets"])}


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_ffprobe(small_clip: Clip, h265_clip: Clip, transport: str, codec: str) -> None:
    clip = {"h264": small_clip, "h265": h265_clip}[codec]
    async with camera(clip) as server:
        found = await probed(server.url("/cam/1"), transport)
        assert (found["codec_name"], found["width"]) == ({"h265": "hevc"}.get(codec, codec), 320)
        assert found["keyframes"] == 2, "the first and one GOP later"


@pytest.mark.parametrize("protocols", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
async def test_gstreamer(small_clip: Clip, h265_clip: Clip, protocols: str, codec: str) -> None:
    clip = {"h264": small_clip, "h265": h265_clip}[codec]
    async with camera(clip) as server:
        pipeline = (
            f"rtspsrc location={server.url('/cam/1')} protocols={protocols} latency=100 ! rtp{codec}depay"
            f" ! {codec}parse ! identity eos-after=40 ! fakesink"
        )
        code, output, complaint = await output_of("/usr/bin/python3", "-c", GSTREAMER, pipeline)
    assert (code, output.strip()) == (0, "end of stream"), complaint


READ_AROUND = (
    *("slices", "aggregated", "marker_missing", "h265", "mjpeg_only", "udp_only", "tcp_only", "redirect"),
    *("sdp_no_sprop", "sdp_annexb_sprop", "sdp_trailing_spaces", "session_timeout=2", "media_before_answer"),
)


@pytest.mark.parametrize("fault", READ_AROUND)
async def test_ffprobe_reads_around(small_clip: Clip, fault: str) -> None:
    async with camera(small_clip, fault) as server:
        found = await probed(server.url("/cam/1"), "udp" if fault == "udp_only" else "tcp")
    assert found["codec_name"] == {"h265": "hevc", "mjpeg_only": "mjpeg"}.get(fault, "h264")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_receiver_reports_over_udp_are_heard(small_clip: Clip) -> None:
    async with camera(small_clip) as server:
        process = await asyncio.create_subprocess_exec(
            *("ffmpeg", "-v", "error", "-rtsp_transport", "udp", "-i", server.url("/cam/1"), "-c", "copy"),
            *("-f", "null", "-"),
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            await until(lambda: server.figures.reports > 0)
        finally:
            process.kill()
            await process.wait()
