"""What the gateway makes of every fault of the lab: one fleet of a video worker, a camera for each fault, real sockets.

The cameras run side by side for the whole module, with the deadlines of production; each test looks at one of them.
"""

import asyncio
import io
import math
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import av
import pytest
import pytest_asyncio

from gateway.errors import DeviceError
from gateway.lab.control import Control
from gateway.lab.encoder import Clip
from gateway.lab.faults import FAULTS, parse
from gateway.lab.feeds import ClipFeed
from gateway.lab.rtp import CLOCK_RATE
from gateway.lab.rtsp_server import RtspServer, loopback_hosts
from gateway.model import CameraHealth, CameraState, Credential
from gateway.supervision.clock import SystemClock
from gateway.video.cameras.connect import Connector
from gateway.video.cameras.fleet import Fleet
from gateway.video.clips.footage import KEYFRAME
from gateway.video.clips.recorder import SEGMENT_S, Recorder
from gateway.video.decoder.decoder import Decoder
from gateway.video.decoder.muxer import Muxer
from gateway.video.pictures.ring import KeyframeRing
from gateway.video.wire import CameraOrder

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(1200)]

ONLINE, OFFLINE, REFUSED = CameraState.ONLINE, CameraState.OFFLINE, CameraState.AUTH_FAILED
LOGIN = Credential("admin", "right")
WITHIN_S = 240.0
SPAN_S = 8.0
PICTURE = CLOCK_RATE // 25  # of the camera's clock, from one picture to the next
CLIPPED = ("clock_jump", "slices", "aggregated", "marker_missing", "intra_refresh", "h265", "sdp_no_sprop", "redirect")
JUMPS = {(PICTURE + sign * round((FAULTS["clock_jump"].usual or 0) * 3600) * CLOCK_RATE) % 2**32 for sign in (1, -1)}
NOT_THERE = re.compile("did not accept a connection within|gave no stream within")  # ours, and libav's


@dataclass(frozen=True, slots=True)
class Case:
    """A fault and how its camera is then. ``midway``: it comes upon a camera that was online.

    ``said`` is part of the reason; ``crowd``: viewers that were there before; ``also``: what else has to hold.
    """

    fault: str
    state: CameraState
    said: str = ""
    midway: bool = False
    password: str = LOGIN.password
    basic: bool = False
    crowd: int = 0
    shows: tuple[str, ...] = ()
    also: Callable[[CameraHealth], bool] = field(default=lambda health: True)

    def __str__(self) -> str:
        return f"{self.fault} midway" if self.midway else f"{self.fault} allowed" if self.basic else self.fault


CASES = (
    Case("silent_after_accept", OFFLINE, "did not answer OPTIONS"),
    Case("silent_after_describe", OFFLINE, "did not answer SETUP"),
    Case("silent_after_play", OFFLINE, "sent no video for 10 s after PLAY"),
    Case("silent_after_play", OFFLINE, "sent no video for 10 s; the camera hangs", midway=True),
    Case("half_open", OFFLINE, "did not answer OPTIONS"),
    Case("half_open", OFFLINE, "did not answer OPTIONS", midway=True),
    Case("stopped", OFFLINE, "did not answer OPTIONS"),
    Case("stopped", OFFLINE, "did not answer OPTIONS", midway=True),
    Case("audio_only", OFFLINE, "sent no video for 10 s after PLAY"),
    Case("no_keyframes", OFFLINE, "without a usable keyframe"),
    Case("no_keyframes", OFFLINE, "without a usable keyframe", midway=True),
    Case("drip", OFFLINE, "did not answer OPTIONS"),
    Case("black", ONLINE, midway=True),
    Case("covered", ONLINE, midway=True),
    Case("blurred", ONLINE, midway=True),
    Case("moved", ONLINE, midway=True),
    Case("overexposed", ONLINE, midway=True),
    Case("colour_cast", ONLINE, midway=True),
    Case("frozen_picture", ONLINE, shows=("frozen",)),
    Case("frozen_picture", ONLINE, shows=("frozen",), midway=True),
    Case("frozen_bytes", ONLINE, shows=("frozen",)),
    Case("slices", ONLINE),
    Case("aggregated", ONLINE),
    Case("intra_refresh", ONLINE),
    Case("marker_missing", ONLINE),
    Case("h265", ONLINE, also=lambda health: health.codec == "h265"),
    Case("mjpeg_only", ONLINE, also=lambda health: health.codec == "mjpeg"),
    Case("clock_jump", ONLINE),
    Case("reset_at_connect", OFFLINE, "broke the connection"),
    Case("reset_after_play", OFFLINE, "broke the connection"),
    Case("reset=40", ONLINE, also=lambda health: health.reconnects >= 2),
    Case("slow_network", ONLINE),
    Case("garbage_between", ONLINE),
    Case("huge_header", OFFLINE, "header fields exceed"),
    Case("not_rtsp", OFFLINE, "is not RTSP"),
    Case("wrong_password", REFUSED, "refuses the user name or the password"),
    Case("lockout", REFUSED, "refuses the user name or the password", password="wrong"),
    Case("lockout", ONLINE),
    Case("sha256_only", ONLINE),
    Case("basic_only", REFUSED, "allow_basic: true"),
    Case("basic_only", ONLINE, basic=True),
    Case("many_challenges", ONLINE),
    Case("stale_nonce", ONLINE),
    Case("nonce_each_request", ONLINE),
    Case("two_sessions", OFFLINE, "close other viewers", crowd=2),
    Case("two_sessions_no_media", OFFLINE, "already serves as many viewers as it can", crowd=2),
    Case("one_session", OFFLINE, "close other viewers", crowd=1),
    Case("busy_503", OFFLINE, "serves as many viewers as it can"),
    Case("session_id_changes", ONLINE),
    Case("session_timeout=4", ONLINE, also=lambda health: health.reconnects == 0),
    Case("other_channels", ONLINE),
    Case("udp_only", ONLINE),
    Case("tcp_only", ONLINE),
    Case("redirect", ONLINE),
    Case("media_before_answer", ONLINE),
    Case("rtp_info_zero", ONLINE),
    Case("sdp_no_sprop", ONLINE),
    Case("sdp_wrong_sprop", ONLINE, also=lambda health: health.width == 320),
    Case("sdp_annexb_sprop", ONLINE),
    Case("sdp_repeated_media", ONLINE),
    Case("sdp_no_control", ONLINE),
    Case("sdp_absolute_control", ONLINE),
    Case("sdp_schemeless_base", ONLINE),
    Case("sdp_no_content_type", ONLINE),
    Case("sdp_trailing_spaces", ONLINE),
    Case("sdp_backchannel", ONLINE),
    Case("sdp_html", OFFLINE, "no description of a stream"),
)
CAMERAS = {case: number for number, case in enumerate(CASES, 1)}


class Village:
    """The lab's cameras and the fleet that watches them."""

    def __init__(self, server: RtspServer, fleet: Fleet) -> None:
        self.server, self.fleet, self.began = server, fleet, time.monotonic()
        self._told: defaultdict[str, set[tuple[CameraState, str]]] = defaultdict(set)

    async def remember(self) -> None:
        """For ever: what each camera was, and why. The first reason may have given way to that of the next attempt before its
        test looks."""
        while True:
            for health in self.fleet.health():
                self._told[health.camera_id].add((health.state, health.reason or ""))
            await asyncio.sleep(0.05)

    def was(self, case: Case) -> bool:
        return any(state is case.state and case.said in reason for state, reason in self._told[str(CAMERAS[case])])

    def health(self, case: Case) -> CameraHealth:
        wanted = str(CAMERAS[case])
        return next(health for health in self.fleet.health() if health.camera_id == wanted)

    def recorded_since(self, camera: str) -> float:
        """From when on this camera's video is kept for clips."""
        try:
            return self.fleet.recorder.cut(camera, -math.inf, math.inf).received[0]
        except DeviceError:
            return math.inf

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds(condition):
                await asyncio.sleep(0.05)


def holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except (LookupError, StopIteration):  # what it looks at is not there yet
        return False


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def village(small_clip: Clip) -> AsyncIterator[Village]:
    server = RtspServer(credential=LOGIN, hosts=loopback_hosts(len(CASES)))
    control = Control(server, random.Random(1))
    for number, feed in enumerate(ClipFeed.family(small_clip, len(CASES)), 1):
        server.mount(f"/cam/{number}", feed, number)
    for case, number in CAMERAS.items():
        if not case.midway:
            await control.assign(parse(f"{case.fault}:{number}"))
        for _ in range(case.crowd):
            server.cameras[number].begin_session()
    await server.start()
    decoder = Decoder()
    fleet = Fleet(
        Connector(), KeyframeRing(64 << 20), SystemClock(), recorder=Recorder(64 << 20), differ=decoder.difference
    )
    one = Village(server, fleet)
    watching = [asyncio.create_task(fleet.watch()), asyncio.create_task(one.remember())]
    try:
        await fleet.apply(
            [
                CameraOrder(
                    str(number),
                    server.url(f"/cam/{number}"),
                    credential=Credential("admin", case.password),
                    record_s=2 * SPAN_S if case.fault in CLIPPED else 0.0,
                    allow_basic=case.basic,
                )
                for case, number in CAMERAS.items()
            ]
        )
        midway = [case for case in CASES if case.midway]
        await one.until(lambda: all(one.health(case).state is ONLINE for case in midway))
        for case in midway:
            await server.set_fault(FAULTS[case.fault], [CAMERAS[case]])
        yield one
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        await fleet.close()
        await decoder.close()
        await server.stop()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_outcome(village: Village, case: Case) -> None:
    def as_expected() -> bool:
        health = village.health(case)
        settled = health.state is case.state and health.faults == case.shows
        return settled and village.was(case) and case.also(health)

    try:
        await village.until(as_expected)
    except TimeoutError:
        pytest.fail(f"{case} is wanted to be {case.state} ({case.said}), and is {village.health(case)}")


async def test_every_fault_has_an_outcome() -> None:
    assert set(FAULTS) - {case.fault.partition("=")[0] for case in CASES} == set()


async def test_a_refused_password_is_tried_once_and_a_full_camera_left_alone(village: Village) -> None:
    refused, statuses = village.server.figures.wrong_passwords, village.server.figures.statuses
    await village.until(lambda: sum(refused.values()) >= 2 and statuses[453] + statuses[503] >= 3)
    assert refused == {CAMERAS[case]: 1 for case in CASES if case.said.startswith("refuses")}
    times = 1 + (time.monotonic() - village.began) // 30
    assert statuses[453] + statuses[503] <= 3 * times, "three cameras, at most once in each 30 s"


@pytest.mark.parametrize("case", [case for case in CASES if case.fault in CLIPPED and not case.midway], ids=str)
async def test_a_clip_has_every_picture_and_lasts_as_long_as_it_took(village: Village, case: Case) -> None:
    """Held against what came when, not against the clock: on a busy machine the lab's cameras fall behind and catch up."""
    camera, recorder, muxer = str(CAMERAS[case]), village.fleet.recorder, Muxer()
    await village.until(lambda: village.recorded_since(camera) <= time.monotonic() - SPAN_S)
    until = time.monotonic()
    cut, whole = recorder.cut(camera, until - SPAN_S, until), recorder.cut(camera, -math.inf, until)
    try:
        clip = await muxer.clip(lambda: cut)
    finally:
        await muxer.close()
    taken = cut.received
    starts = [at for at, flag in zip(taken, cut.flags, strict=True) if flag & KEYFRAME and at >= taken[0] + SEGMENT_S]
    assert until - SPAN_S < starts[0], "from the last keyframe before the span"
    # the span may begin between the last picture of a GOP and the keyframe of the next, with which the clip begins then
    assert [at for at in whole.received if until - SPAN_S <= at < taken[0]] == [], "no picture of the span is left out"
    steps = {(after - before) % 2**32 for before, after in pairwise(cut.rtp_times)}
    assert PICTURE in steps
    allowed = {PICTURE, *(JUMPS if case.fault == "clock_jump" else ())}
    assert steps <= allowed, "none was lost on the way"
    if (
        taken[0] > until - SPAN_S
    ):  # and none between the GOP before the span and the keyframe with which the clip begins
        first = whole.received.index(taken[0])
        assert first > 0
        assert (whole.rtp_times[first] - whole.rtp_times[first - 1]) % 2**32 in allowed
    film = b"".join(clip.pieces)
    with av.open(io.BytesIO(film)) as container:
        times = sorted(
            float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None
        )
    assert len(times) == len(taken)
    assert (clip.from_mono, clip.to_mono) == (taken[0], taken[-1])
    late = [at - taken[0] - number * PICTURE / CLOCK_RATE for number, at in enumerate(taken)]
    lasts = times[-1] - times[0] - (len(times) - 1) * PICTURE / CLOCK_RATE
    assert min(late) - 0.05 <= lasts <= max(late) + 0.05, "between the camera's clock and ours"
    with av.open(io.BytesIO(film)) as container:
        shown = sum(1 for _ in container.decode(video=0))
    assert shown >= len(times) - 25, "all pictures, but those before an intra refresh has gone through once"


async def test_after_a_power_cut_all_are_as_they_were(village: Village) -> None:
    well = [case for case in CASES if case.state is ONLINE and not case.fault.startswith("reset")]
    village.server.power(False)
    await village.until(lambda: all(village.health(case).state is OFFLINE for case in well))
    await village.until(lambda: all(NOT_THERE.search(village.health(case).reason or "") for case in well))
    village.server.power(True)
    await village.until(lambda: all(village.health(case).state is ONLINE for case in well))
