"""H.264 pictures for simulated cameras: a plain encoder, and a clip that is encoded once and served to many cameras."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from gateway.lab.canvas import Image
from gateway.lab.scenes import painter
from gateway.model import Scene

_NAL_IDR = 5
_NAL_SPS = 7
_NAL_PPS = 8


@dataclass(frozen=True, slots=True)
class Coding:
    """How a simulated camera encodes. ``gop`` in pictures, ``bitrate`` in bit/s."""

    width: int = 640
    height: int = 360
    fps: int = 15
    gop: int = 15
    bitrate: int = 512_000
    preset: str = "veryfast"


@dataclass(frozen=True, slots=True)
class Encoded:
    """One access unit: its NAL units without start codes."""

    nals: tuple[bytes, ...] = field(repr=False)
    keyframe: bool

    @property
    def size(self) -> int:
        return sum(len(nal) for nal in self.nals)


class Encoder:
    """libx264 as cameras use it: no B-pictures, no delay, one slice a picture, a closed GOP of fixed length.

    SPS and PPS stand before every keyframe and, for the SDP, in ``parameter_sets``.
    """

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._context: VideoCodecContext = av.CodecContext.create("libx264", "w")
        self._context.width, self._context.height = coding.width, coding.height
        self._context.pix_fmt = "yuv420p"
        self._context.framerate = Fraction(coding.fps)
        self._context.time_base = Fraction(1, coding.fps)
        self._context.bit_rate = coding.bitrate
        self._context.thread_count = 1
        kilobits = coding.bitrate // 1000
        self._context.options = {
            "preset": coding.preset,
            "tune": "zerolatency",
            "profile": "main",
            "g": str(coding.gop),
            "x264-params": f"keyint={coding.gop}:min-keyint={coding.gop}:scenecut=0:repeat-headers=1:force-cfr=1"
            f":sync-lookahead=0:rc-lookahead=0:vbv-maxrate={kilobits}:vbv-bufsize={kilobits}",
        }
        self._count = 0
        self.parameter_sets: tuple[bytes, ...] = ()

    def encode(self, image: Image) -> Encoded:
        """Encode the next picture (BGR)."""
        return self.encode_planes(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420))  # type: ignore[arg-type]

    def encode_planes(self, planes: NDArray[np.uint8]) -> Encoded:
        """Encode the next picture, given as I420 planes (height × 3/2 rows)."""
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = self._count
        self._count += 1
        packets = self._context.encode(frame)
        if len(packets) != 1:
            raise RuntimeError(f"libx264 gave {len(packets)} packets for one picture, though it was set to zero delay")
        nals = split_annex_b(bytes(packets[0]))
        keyframe = any(nal[0] & 0x1F == _NAL_IDR for nal in nals)
        if keyframe and not self.parameter_sets:
            self.parameter_sets = tuple(nal for nal in nals if nal[0] & 0x1F in (_NAL_SPS, _NAL_PPS))
        return Encoded(nals, keyframe)


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures encoded once, to be played round and round. Its length is a whole number of GOPs."""

    coding: Coding
    pictures: tuple[Encoded, ...] = field(repr=False)
    parameter_sets: tuple[bytes, ...] = field(repr=False)

    @property
    def bitrate(self) -> float:
        """What it really came to, in bit/s."""
        return sum(picture.size for picture in self.pictures) * 8 * self.coding.fps / len(self.pictures)


def encode_clip(
    scene: Scene, coding: Coding, seconds: float, progress: Callable[[float], None] = lambda share: None
) -> Clip:
    """Draw and encode about ``seconds`` of a scene, noisy enough to need its whole bit rate.

    ``progress`` is told the share done, 0 to 1.
    """
    gops = max(1, round(seconds * coding.fps / coding.gop))
    count = gops * coding.gop
    encoder, artist = Encoder(coding), painter(scene, coding.width, coding.height, f"LAB {scene.value.upper()}")
    noise = _SensorNoise(coding, seed=count)
    start = datetime.now().astimezone()
    pictures = []
    for index in range(count):
        age = index / coding.fps
        pictures.append(encoder.encode_planes(noise.on(artist.frame(age, start + timedelta(seconds=age)))))
        progress((index + 1) / count)
    return Clip(coding, tuple(pictures), encoder.parameter_sets)


def split_annex_b(stream: bytes) -> tuple[bytes, ...]:
    """The NAL units between the start codes of an Annex B byte stream (H.264 Annex B.1)."""
    pieces = stream.split(b"\x00\x00\x01")[1:]
    last = len(pieces) - 1
    # A start code of four bytes leaves its first zero at the end of the NAL unit before it.
    return tuple(piece if index == last else piece.removesuffix(b"\x00") for index, piece in enumerate(pieces))


class _SensorNoise:
    """Grain that differs in every picture, as a cheap sensor at dusk has it: drawn scenes alone compress to nothing."""

    _STRENGTH = 18
    _SLACK = 64

    def __init__(self, coding: Coding, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        shape = (coding.height + self._SLACK, coding.width + self._SLACK)
        self._grain = self._random.integers(0, self._STRENGTH, shape, dtype=np.uint8)
        self._height, self._width = coding.height, coding.width

    def on(self, image: Image) -> NDArray[np.uint8]:
        """The picture (BGR) with grain on its luma, as I420 planes."""
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
        top, left = self._random.integers(0, self._SLACK, 2)
        luma = planes[: self._height]
        cv2.add(luma, self._grain[top : top + self._height, left : left + self._width], dst=luma)
        return planes
