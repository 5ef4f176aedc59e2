"""One client watching one stream, in step from a keyframe on, with what the camera's faults make of the packets."""

import struct
from collections.abc import Callable
from typing import Protocol

from gateway.lab.faults import Behaviour
from gateway.lab.feeds import Feed
from gateway.lab.line import Line
from gateway.lab.rtp import CLOCK_RATE, RTCP_CHANNEL, RTP_CHANNEL, Rewriting, frames
from gateway.lab.udp_pair import UdpPair

_JUMP_EVERY = 50  # pictures between two jumps of the clock
_STRAY = b"\x00\x17\xff\r\n\x80\x03 stray \x00"  # no '$' in it, and no RTSP
_SLOW_BACKLOG = 2.0  # seconds of a slow line's rate: beyond, a camera's encoder leaves out pictures
_HOUR = 3600 * CLOCK_RATE


class Owner(Protocol):
    """The connection it belongs to."""

    def reset(self) -> None: ...

    def cut_off(self) -> None: ...


class Viewing:
    """Sends a feed's blocks down a line, or as datagrams: unchanged and at once where the camera has no fault."""

    def __init__(self, owner: Owner, line: Line, udp: UdpPair | None) -> None:
        self._owner, self._line, self._udp = owner, line, udp
        self._behaviour = Behaviour()
        self._feed: Feed | None = None
        self._rewriting: Rewriting | None = None
        self._channels = (RTP_CHANNEL, RTCP_CHANNEL)
        self._then: Callable[[], object] | None = None
        self._in_step = False  # a keyframe has been sent
        self._plain = False  # blocks go out as they are
        self._sent = 0
        self._limit = self._behaviour.backlog_limit
        self._last: tuple[int, int] | None = None  # the sequence number and time to go on from, after a change of feed

    def show(
        self,
        feed: Feed | None,
        behaviour: Behaviour,
        channels: tuple[int, int],
        then: Callable[[], object] | None = None,
    ) -> None:
        """Show ``feed`` (None: nothing) from now on; ``then`` is called after the first block."""
        if behaviour.media == "none":
            feed = None
        before, self._behaviour, self._channels, self._then = self._feed, behaviour, channels, then
        self._limit, self._plain = behaviour.backlog_limit, False
        self._line.slow_down(behaviour.kbit * 125, behaviour.delay)
        if before is not None and feed is not before and self._sent:
            self._remember(before)
        self._rewriting = self._needed_rewriting(behaviour)
        if feed is before:
            return
        self.pause()
        self._feed = feed
        if feed is not None:
            feed.join(self)

    def pause(self) -> None:
        """Show nothing until ``show`` is called anew."""
        if self._feed is not None:
            self._feed.leave(self)
        self._feed = None
        self._in_step = self._plain = False

    def end(self) -> None:
        self.pause()

    def send(self, block: bytes, keyframe: bool) -> None:
        """Called by the feed with each picture."""
        if self._plain:
            line = self._line
            line.send(block)
            if line.backlog > self._limit:
                self._owner.cut_off()
            return
        if self._comes_into_step(block, keyframe):
            self._send_changed(block, keyframe)

    def _comes_into_step(self, block: bytes, keyframe: bool) -> bool:
        if self._behaviour.media == "no_keyframes":
            return not keyframe
        if self._in_step or not keyframe:
            return self._in_step
        self._in_step = True
        if self._last is not None:
            self._go_on_from(self._last, block)
            self._last = None
        return True

    def _send_changed(self, block: bytes, keyframe: bool) -> None:
        behaviour = self._behaviour
        self._sent += 1
        if behaviour.reset_after and self._sent > behaviour.reset_after:
            self._owner.reset()
            return
        if behaviour.kbit and self._line.backlog > behaviour.kbit * 125 * _SLOW_BACKLOG:
            self._in_step = False
            return
        if behaviour.clock_jump and self._sent % _JUMP_EVERY == 0 and self._rewriting is not None:
            self._rewriting.time = 0 if self._rewriting.time else round(behaviour.clock_jump * _HOUR)
        if self._rewriting is not None:
            block = self._rewriting(block)
        if self._udp is not None:
            self._udp.send(block)
        else:
            self._line.send(block + _STRAY if behaviour.garbage and keyframe else block)
        self._after_sending()

    def _after_sending(self) -> None:
        if self._then is not None:
            self._then()
            self._then = None
        if self._line.backlog > self._limit:
            self._owner.cut_off()
            return
        behaviour = self._behaviour
        odd = behaviour.reset_after or behaviour.kbit or behaviour.garbage or behaviour.media not in ("all", "sound")
        self._plain = self._in_step and self._udp is None and self._rewriting is None and not odd

    def _needed_rewriting(self, behaviour: Behaviour) -> Rewriting | None:
        before = self._rewriting
        wanted = Rewriting(self._channels, marker=behaviour.marker)
        if before is not None:
            wanted.sequence, wanted.time, wanted.ssrc = before.sequence, before.time, before.ssrc
        same = wanted == Rewriting() and not behaviour.clock_jump
        return None if same else wanted

    def _remember(self, feed: Feed) -> None:
        """Note where the stream of packets ends, so that another feed's can be numbered on."""
        shift = self._rewriting = self._rewriting or Rewriting()
        shift.ssrc = feed.ssrc if shift.ssrc is None else shift.ssrc
        self._last = feed.sequence + shift.sequence, feed.timestamp + shift.time

    def _go_on_from(self, last: tuple[int, int], block: bytes) -> None:
        """Number the new feed's packets on from the old one's: the camera is still the same."""
        rewriting = self._rewriting = self._rewriting or Rewriting(self._channels)
        start = next(start for channel, start, _ in frames(block) if channel == RTP_CHANNEL)
        sequence, time = struct.unpack_from("!HI", block, start + 6)
        step = CLOCK_RATE // self._feed.coding.fps if self._feed is not None else 0
        rewriting.sequence, rewriting.time = last[0] - sequence, last[1] + step - time
