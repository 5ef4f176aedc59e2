"""Drawn cameras: where they look, their lens and sensor, what they write on the picture, and how they encode it."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np

from gateway.lab.diagnosis_set.ground import Chance, Image, Plane

SIZES = ((640, 360), (640, 360), (640, 360), (640, 480), (704, 576), (352, 288), (960, 540), (1280, 720))
OVERSCAN = 1.45
"""Boards are drawn wider than a view, so that it can turn aside."""


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a camera looks on its board: shares of the view's width and height, degrees, and how near."""

    pan: float = 0.0
    tilt: float = 0.0
    turn: float = 0.0
    zoom: float = 1.0


class Camera:
    """One camera, the same at every moment. ``chance``: decides what it is like."""

    def __init__(self, chance: Chance) -> None:
        self.wide, self.high = SIZES[chance.integers(len(SIZES))]
        self.lens = chance.uniform(0.35, 0.75) * self.wide / 640
        self.noise = chance.uniform(0.6, 2.6)
        self.bars = chance.uniform() < 0.06
        self.captions = chance.uniform() < 0.85
        self._name = "".join(chr(chance.integers(65, 91)) for _ in range(chance.integers(4, 14)))
        self._corner = int(chance.integers(4))
        self._letter = chance.uniform(0.00085, 0.0016) * self.wide
        self._h264 = chance.uniform() < 0.5
        self._quality = int(chance.integers(45, 90))
        self._crf = int(chance.integers(22, 33))

    @property
    def board_size(self) -> tuple[int, int]:
        return round(self.wide * OVERSCAN), round(self.high * OVERSCAN)

    def aim(self, board: Image, aim: Aim) -> Plane:
        """The part of a board that is in view."""
        scale, angle = aim.zoom, math.radians(aim.turn)
        cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
        x, y = board.shape[1] / 2 + aim.pan * self.wide, board.shape[0] / 2 + aim.tilt * self.high
        back = np.array(
            [
                [cos, -sin, x - cos * self.wide / 2 + sin * self.high / 2],
                [sin, cos, y - sin * self.wide / 2 - cos * self.high / 2],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen: Plane = cv2.warpAffine(
            board, back, (self.wide, self.high), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return _plane(seen)

    def through_lens(self, light: Plane) -> Plane:
        return _plane(cv2.GaussianBlur(light, (0, 0), self.lens))

    def sensed(self, light: Plane, chance: Chance, night: bool) -> Plane:
        """With the sensor's own noise, which nobody would call a fault."""
        size = self.noise * (1.7 if night else 1.0)
        shot = chance.standard_normal(light.shape[:2], np.float32)[:, :, None]
        return _plane((light.clip(0, 255) + shot * np.float32(size)).clip(0, 255))

    def captioned(self, picture: Image, second: int) -> Image:
        if self.bars:
            bar = round(self.high * 0.1)
            picture[:bar] = 0
            picture[-bar:] = 0
        if self.captions:
            stamp = f"2026-0{1 + second % 9}-1{second % 9} {second % 24:02}:{second % 60:02}:{second * 7 % 60:02}"
            wide, high = self.wide, self.high
            top, bottom = round(high * 0.065), round(high * 0.965)
            left, right = round(wide * 0.02), round(wide * 0.58)
            places = ((left, top), (right, top), (right, bottom), (left, bottom))
            self._write(picture, stamp, places[self._corner])
            self._write(picture, self._name, places[(self._corner + 2) % 4])
        return picture

    def encoded(self, picture: Image) -> Image:
        """As its viewer gets it."""
        if self._h264:
            return _through_h264(picture, self._crf)
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        return cast(Image, cv2.imdecode(data, cv2.IMREAD_COLOR))

    def _write(self, picture: Image, words: str, at: tuple[int, int]) -> None:
        pen = max(1, round(self._letter * 1.6))
        for shade, thick in ((0, pen + 2), (255, pen)):
            cv2.putText(
                picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, self._letter * 0.55, (shade,) * 3, thick, cv2.LINE_AA
            )


def _plane(light: Any) -> Plane:
    plane: Plane = np.asarray(light, np.float32)
    return plane


def _through_h264(picture: Image, crf: int) -> Image:
    high, wide = (side // 2 * 2 for side in picture.shape[:2])
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = wide, high, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"preset": "superfast", "tune": "zerolatency", "crf": str(crf)}
    encoder.thread_count = 1
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:high, :wide]), format="bgr24")
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    frames = [shown for packet in packets for shown in decoder.decode(packet)] + list(decoder.decode(None))
    return frames[0].to_ndarray(format="bgr24")
