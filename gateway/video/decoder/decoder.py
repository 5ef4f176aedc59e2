"""Pictures from a decoder child: one at a time, a deadline for each, a fresh child after a crash."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from gateway.errors import DeviceError
from gateway.model import Mask, Measures, Picture
from gateway.observability.logs import logger
from gateway.video.decoder import wire
from gateway.video.decoder.child import DecoderChild, Refusal
from gateway.video.decoder.child import child_environment as child_environment
from gateway.video.decoder.turns import Turns

DEADLINE_S = 5.0
"""For one picture; a 4K keyframe takes about 0.1 s."""
START_S = 20.0
"""Loading PyAV and OpenCV takes 0.4 s on an idle machine."""
LOOK_WIDTH = 640
"""What diagnosis measures is meant for pictures of this width."""
QUEUE = 128
"""Pictures that may wait (ten alerts with four cameras each ask for 80 at once): at 5 to 25 ms each all are served before
anyone's deadline."""


class Urgency(IntEnum):
    """Who goes first at the decoder."""

    PICTURE = 0
    CHECK = 1


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two keyframes differ, in grey levels (0 to 255) of small pictures: on average, and in the block that
    differs most."""

    mean: float
    block: float


@dataclass(frozen=True, slots=True)
class Measured:
    """``cpu_s``: what it took of the child. ``view``: the reference view that was wanted, else empty."""

    measures: Measures
    cpu_s: float
    view: bytes


class BadKeyframe(DeviceError):
    """This keyframe cannot be made into a picture; trying again would end the same way."""


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no figure")


class Decoder:
    """Decodes keyframes in a child process that may die of any of them.

    A crash or a missed deadline costs the one picture that caused it: it is not tried again, and the next one gets a new
    child. At most ``queue`` requests wait, pictures before checks; more are refused at once.
    """

    def __init__(self, *, deadline_s: float = DEADLINE_S, queue: int = QUEUE) -> None:
        self._deadline = deadline_s
        self._queue = queue
        self._turns = Turns()
        self._child: DecoderChild | None = None
        self._warming: asyncio.Task[None] | None = None
        self.decoded = 0
        self.failed = 0
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def picture(self, payload: bytes, codec: str, width: int, masks: Sequence[Mask] = ()) -> Picture:
        """The keyframe as a JPEG at most ``width`` wide, black within ``masks``. Raises BadKeyframe, or DeviceError when the decoder is at fault."""
        if codec not in wire.CODECS:
            raise BadKeyframe(f"pictures of {codec} cannot be made")
        parts = (wire.pack_masks(masks), payload)
        try:
            body, wide, high = await self._asked(Urgency.PICTURE, wire.PICTURE, codec, width, parts)
        except DeviceError:
            self.failed += 1
            raise
        self.decoded += 1
        return Picture(b"".join(body), wide, high)

    async def difference(self, one: bytes, other: bytes, codec: str) -> Difference:
        """How far two keyframes of a camera differ. Raises BadKeyframe, or DeviceError when the decoder is at fault."""
        if codec not in wire.CODECS:
            raise BadKeyframe(f"pictures of {codec} cannot be made")
        parts = (wire.FIRST_SIZE.pack(len(one)), one, other)
        body, _, _ = await self._asked(Urgency.CHECK, wire.DIFFERENCE, codec, 0, parts)
        try:
            return Difference(*wire.MEASURED.unpack(b"".join(body)))
        except struct.error:
            raise DeviceError("the decoder gave an answer that is none") from None

    async def measure(
        self,
        keyframes: Sequence[bytes],
        codec: str,
        masks: Sequence[Mask] = (),
        reference: bytes | None = None,
        *,
        wants_view: bool = False,
    ) -> Measured:
        """What the newest of some keyframes in a row (the last) shows, in numbers, without what ``masks`` hide. Raises
        BadKeyframe, or DeviceError when the decoder is at fault."""
        if codec not in wire.CODECS:
            raise BadKeyframe(f"pictures of {codec} cannot be made")
        parts = wire.pack_look(masks, reference, keyframes[-wire.MOST_LOOKED_AT :], wants_view=wants_view)
        body, _, _ = await self._asked(Urgency.CHECK, wire.MEASURE, codec, LOOK_WIDTH, parts)
        answer = b"".join(body)
        try:
            cpu_s, size = wire.COST.unpack_from(answer)
            found, view = answer[wire.COST.size :][:size], answer[wire.COST.size + size :]
            measures = Measures.from_json(json.loads(found, parse_constant=_no_number))
        except (struct.error, ValueError, KeyError, TypeError):
            raise DeviceError("the decoder gave an answer that is none") from None
        # A child taken over by its keyframe may claim anything; less than nothing would speed the patrol up.
        return Measured(measures, min(max(cpu_s, 0.0), self._deadline), view)

    async def warm(self) -> None:
        """Start the child now, so that the first picture does not wait for it. Raises DeviceError."""
        async with self._turns.turn(Urgency.PICTURE):
            await self._ready_child()

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        await self._bury()

    async def _asked(
        self, urgency: Urgency, operation: int, codec: str, width: int, parts: Sequence[bytes]
    ) -> tuple[list[bytes], int, int]:
        async with self._in_turn(urgency):
            return await self._exchange(operation, codec, width, parts)

    @contextlib.asynccontextmanager
    async def _in_turn(self, urgency: Urgency) -> AsyncIterator[None]:
        if self._turns.taken >= self._queue:
            raise DeviceError(f"the decoder is busy: {self._turns.taken} pictures are waiting; ask again later")
        async with self._turns.turn(urgency):
            yield

    async def _exchange(
        self, operation: int, codec: str, width: int, parts: Sequence[bytes]
    ) -> tuple[list[bytes], int, int]:
        child = await self._ready_child()
        try:
            async with asyncio.timeout(self._deadline):
                return await child.ask(operation, codec, width, parts)
        except Refusal as refusal:
            raise BadKeyframe(str(refusal)) from None
        except TimeoutError:
            await self._replace()
            raise BadKeyframe(f"the keyframe was not decoded within {self._deadline:g} s") from None
        except (EOFError, OSError):
            how = await self._replace()
            raise BadKeyframe(f"the decoder died of the keyframe ({how}); it was started again") from None
        except asyncio.CancelledError:
            # Half an exchange is on the wire: whoever came next would get this one's picture.
            child.kill()
            raise

    async def _ready_child(self) -> DecoderChild:
        if self._child is not None and self._child.alive:
            return self._child
        await self._bury()
        try:
            async with asyncio.timeout(START_S):
                self._child = await DecoderChild.start()
        except (TimeoutError, EOFError, OSError) as error:
            raise DeviceError(f"the decoder could not be started: {error or 'no sign of life'}") from None
        return self._child

    async def _replace(self) -> str:
        self.deaths += 1
        how = await self._bury()
        logger("video").warning("the decoder ended over a keyframe; starting another", how=how)
        if self._warming is None or self._warming.done():
            self._warming = asyncio.create_task(self._warm_again())
        return how

    async def _warm_again(self) -> None:
        with contextlib.suppress(DeviceError):  # the next picture tries again, and tells its asker
            await self.warm()

    async def _bury(self) -> str:
        child, self._child = self._child, None
        return "" if child is None else await child.end()
