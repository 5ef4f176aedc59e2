"""H.264 and H.265 pictures for simulated cameras: a plain encoder, and a clip encoded once and served to many cameras."""

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
from gateway.lab.lenses import Lens
from gateway.lab.scenes import painter
from gateway.model import Scene

_NAL_IDR = 5
_NAL_SEI = 6
_NAL_SPS = 7
_NAL_PPS = 8
_SEI_USER_DATA = 5
_SEI_RECOVERY_POINT = 6
_H265_PREFIX_SEI = 39
_H265_IRAP = range(16, 22)  # BLA, IDR and CRA (H.265 table 7-1)
_H265_PARAMETER_SETS = (32, 33, 34)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a simulated camera encodes. ``gop`` in pictures, ``bitrate`` in bit/s.

    ``slices`` a picture. ``refresh``: a moving column of intra blocks in place of IDR pictures, as cameras on thin
    lines send it (H.264 only). ``quantiser``: a constant one in place of the bit rate (H.264 only).
    """

    width: int = 640
    height: int = 360
    fps: int = 15
    gop: int = 15
    bitrate: int = 512_000
    preset: str = "veryfast"
    codec: str = "h264"
    slices: int = 1
    refresh: bool = False
    quantiser: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """One access unit: its NAL units without start codes. A recovery point counts as a keyframe."""

    nals: tuple[bytes, ...] = field(repr=False)
    keyframe: bool
    codec: str = "h264"

    @property
    def size(self) -> int:
        return sum(len(nal) for nal in self.nals)


class Encoder:
    """libx264 or libx265 as cameras use them: no B-pictures, no delay, a closed GOP of fixed length.

    The parameter sets stand before every keyframe and, for the SDP, in ``parameter_sets``.
    """

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._context: VideoCodecContext = av.CodecContext.create(
            "libx265" if coding.codec == "h265" else "libx264", "w"
        )
        self._context.width, self._context.height = coding.width, coding.height
        self._context.pix_fmt = "yuv420p"
        self._context.framerate = Fraction(coding.fps)
        self._context.time_base = Fraction(1, coding.fps)
        self._context.bit_rate = coding.bitrate
        self._context.thread_count = 1
        self._context.options = _h265_options(coding) if coding.codec == "h265" else _h264_options(coding)
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
        codec = self.coding.codec
        nals = tuple(nal for nal in split_annex_b(bytes(packets[0])) if not _is_signature(codec, nal))
        keyframe = any(_is_key(codec, nal) for nal in nals)
        if keyframe and not self.parameter_sets:
            self.parameter_sets = tuple(nal for nal in nals if _is_parameter_set(codec, nal))
        return Encoded(nals, keyframe, codec)


def _h264_options(coding: Coding) -> dict[str, str]:
    constant = {"qp": str(coding.quantiser)} if coding.quantiser else {}
    return constant | {
        "preset": coding.preset,
        "tune": "zerolatency",
        "profile": "main",
        "g": str(coding.gop),
        "x264-params": f"{_gop(coding)}:repeat-headers=1:force-cfr=1:sync-lookahead=0:rc-lookahead=0"
        f":slices={coding.slices}:intra-refresh={int(coding.refresh)}",
    }


def _h265_options(coding: Coding) -> dict[str, str]:
    return {
        "preset": coding.preset,
        "tune": "zerolatency",
        "x265-params": f"{_gop(coding)}:repeat-headers=1:open-gop=0:bframes=0:pools=none:frame-threads=1:wpp=0"
        f":slices={coding.slices}:log-level=none",
    }


def _gop(coding: Coding) -> str:
    kilobits = coding.bitrate // 1000
    return f"keyint={coding.gop}:min-keyint={coding.gop}:scenecut=0:vbv-maxrate={kilobits}:vbv-bufsize={kilobits}"


def _is_signature(codec: str, nal: bytes) -> bool:
    """The encoder's own name and settings, as user data: no camera sends half a kilobyte of it."""
    if codec == "h265":
        return nal[0] >> 1 & 0x3F == _H265_PREFIX_SEI and nal[2] == _SEI_USER_DATA
    return nal[0] & 0x1F == _NAL_SEI and nal[1] == _SEI_USER_DATA


def _is_key(codec: str, nal: bytes) -> bool:
    if codec == "h265":
        return nal[0] >> 1 & 0x3F in _H265_IRAP
    kind = nal[0] & 0x1F
    return kind == _NAL_IDR or (kind == _NAL_SEI and nal[1] == _SEI_RECOVERY_POINT)


def _is_parameter_set(codec: str, nal: bytes) -> bool:
    if codec == "h265":
        return nal[0] >> 1 & 0x3F in _H265_PARAMETER_SETS
    return nal[0] & 0x1F in (_NAL_SPS, _NAL_PPS)


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


_GRAINY = 18
_CALM = 4
"""Grey levels of grain: enough to need the whole bit rate, and what a sensor of today has, where its picture is what matters."""


def encode_clip(
    scene: Scene,
    coding: Coding,
    seconds: float,
    progress: Callable[[float], None] = lambda share: None,
    *,
    frozen: bool = False,
    lens: Lens | None = None,
) -> Clip:
    """Draw and encode about ``seconds`` of a scene, noisy enough to need its whole bit rate.

    ``progress`` is told the share done, 0 to 1. ``frozen``: one picture again and again, without noise. ``lens``: what
    becomes of each picture.
    """
    gops = max(1, round(seconds * coding.fps / coding.gop))
    # With intra refresh the first picture is the one IDR: a GOP more is encoded, and the first is left out, so that
    # whoever joins has to begin at a recovery point, as with a camera that has been running for a week.
    count, left_out = (gops + coding.refresh) * coding.gop, coding.refresh * coding.gop
    encoder, artist = Encoder(coding), painter(scene, coding.width, coding.height, f"LAB {scene.value.upper()}")
    noise, seen = _SensorNoise(coding, seed=count, strength=_CALM if lens else _GRAINY), lens or (lambda image: image)
    start = datetime.now().astimezone()
    still = cv2.cvtColor(artist.frame(0.0, start), cv2.COLOR_BGR2YUV_I420) if frozen else None
    pictures = []
    for index in range(count):
        age = index / coding.fps
        planes = still if still is not None else noise.on(seen(artist.frame(age, start + timedelta(seconds=age))))
        pictures.append(encoder.encode_planes(np.asarray(planes, np.uint8)))
        progress((index + 1) / count)
    return Clip(coding, tuple(pictures[left_out:]), encoder.parameter_sets)


def split_annex_b(stream: bytes) -> tuple[bytes, ...]:
    """The NAL units between the start codes of an Annex B byte stream (H.264 Annex B.1)."""
    pieces = stream.split(b"\x00\x00\x01")[1:]
    last = len(pieces) - 1
    # A start code of four bytes leaves its first zero at the end of the NAL unit before it.
    return tuple(piece if index == last else piece.removesuffix(b"\x00") for index, piece in enumerate(pieces))


class _SensorNoise:
    """Grain that differs in every picture, as a cheap sensor at dusk has it: drawn scenes alone compress to nothing."""

    _SLACK = 64

    def __init__(self, coding: Coding, seed: int, strength: int) -> None:
        self._random = np.random.default_rng(seed)
        shape = (coding.height + self._SLACK, coding.width + self._SLACK)
        self._grain = self._random.integers(0, strength, shape, dtype=np.uint8)
        self._height, self._width = coding.height, coding.width

    def on(self, image: Image) -> NDArray[np.uint8]:
        """The picture (BGR) with grain on its luma, as I420 planes."""
        planes = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)
        top, left = self._random.integers(0, self._SLACK, 2)
        luma = planes[: self._height]
        cv2.add(luma, self._grain[top : top + self._height, left : left + self._width], dst=luma)
        return planes
