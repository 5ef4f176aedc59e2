"""From what libav demuxes to access units of one form: Annex B with the parameter sets first, or a JPEG. No I/O."""

from collections.abc import Iterator

START_CODE = b"\x00\x00\x00\x01"

_H264_SETS = {7: 0, 8: 1}  # SPS, PPS (ITU-T H.264 table 7-1), in the order in which they are written
_H265_SETS = {32: 0, 33: 1, 34: 2}  # VPS, SPS, PPS (ITU-T H.265 table 7-1)
_H264_DELIMITER, _H265_DELIMITER = 9, 35
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # SOF0…SOF15 (ITU-T T.81 table B.1)


def nal_units(payload: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream, without their start codes of three or four bytes (ITU-T H.264 §B.1)."""
    at = payload.find(b"\x00\x00\x01")
    while at >= 0:
        begin = at + 3
        at = payload.find(b"\x00\x00\x01", begin)
        # A NAL unit never ends in a zero: those belong to the next start code.
        nal = payload[begin : at if at >= 0 else len(payload)].rstrip(b"\x00")
        if nal:
            yield nal


class AnnexB:
    """Access units of H.264 or H.265, each keyframe with the newest parameter sets before it.

    ``extradata`` are the sets that came outside the stream; those within it replace them.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        self._h265 = codec == "h265"
        self._order = _H265_SETS if self._h265 else _H264_SETS
        self._delimiter = _H265_DELIMITER if self._h265 else _H264_DELIMITER
        self._sets: list[bytes] = []
        self._learn([nal for nal in nal_units(extradata) if self._kind(nal) in self._order])

    def unit(self, payload: bytes, keyframe: bool) -> tuple[bytes, bool] | None:
        """(access unit, is it a keyframe), or None where there is nothing to show in it or no parameter set yet."""
        nals = [nal for nal in nal_units(payload) if self._kind(nal) != self._delimiter]
        sets = [nal for nal in nals if self._kind(nal) in self._order]
        pictures = [nal for nal in nals if self._kind(nal) not in self._order]
        self._learn(sets)
        if not any(self._is_slice(nal) for nal in pictures):
            return None
        if keyframe:
            if {self._kind(nal) for nal in self._sets} != set(self._order):
                return None
            pictures = [*self._sets, *pictures]
        return b"".join(START_CODE + nal for nal in pictures), keyframe

    def _learn(self, sets: list[bytes]) -> None:
        """New sets of a kind replace all of that kind: a stream that repeats one repeats them all."""
        kinds = {self._kind(nal) for nal in sets}
        if kinds:
            kept = [nal for nal in self._sets if self._kind(nal) not in kinds]
            self._sets = sorted(dict.fromkeys([*kept, *sets]), key=lambda nal: self._order[self._kind(nal)])

    def _kind(self, nal: bytes) -> int:
        return nal[0] >> 1 & 0x3F if self._h265 else nal[0] & 0x1F

    def _is_slice(self, nal: bytes) -> bool:
        return self._kind(nal) < 32 if self._h265 else 1 <= self._kind(nal) <= 5


class Jpeg:
    """Pictures of MJPEG: each is a keyframe."""

    def unit(self, payload: bytes, keyframe: bool) -> tuple[bytes, bool] | None:
        """The picture from its first byte to its last; None where it was cut off."""
        end = payload.rfind(_JPEG_END)
        if not payload.startswith(_JPEG_START) or end < 0:
            return None
        return payload[: end + 2], True


def jpeg_size(picture: bytes) -> tuple[int, int]:
    """(width, height) from the frame header (ITU-T T.81 §B.2.2); (0, 0) where it has none."""
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        marker = picture[at + 1]
        if marker in _JPEG_FRAMES:
            return int.from_bytes(picture[at + 7 : at + 9]), int.from_bytes(picture[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 + int.from_bytes(picture[at + 2 : at + 4])
    return 0, 0
