"""Why a stream could not be read, as the gateway's errors: sentences that name the place and never a credential."""

from adapters.libav.wire import Reason
from gateway.errors import AuthFailed, Busy, DeviceError, ProtocolFault, Unreachable

_STALE_SESSION_S = 60.0  # RFC 2326 §12.37: what a camera waits for a viewer that vanished, unless it says otherwise
_LONGEST_DETAIL = 120
_FULL = "has no place for another viewer, or a fault of its own (5xx); close others"


class Blame:
    """Makes errors for one stream. ``place``: host and port, or a file's path; ``has_credential``: one is configured."""

    def __init__(self, scheme: str, place: str, *, has_credential: bool, open_s: float, silence_s: float) -> None:
        self._rtsp = scheme in ("rtsp", "rtsps")
        self._file = scheme == "file"
        self._rtp = scheme == "rtp"
        self._place = place
        self._has_credential = has_credential
        self._open_s = open_s
        self._silence_s = silence_s

    def error(self, reason: Reason, detail: str, *, opened: bool) -> DeviceError:
        """For what the child said. ``opened``: it had already been reading."""
        detail = printable(detail)
        match reason:
            case Reason.UNAUTHORISED:
                return self._unauthorised()
            case Reason.REFUSED:
                return ProtocolFault(
                    f"{self._place} answered with {detail}; look at the path of the stream address and at the user's rights"
                )
            case Reason.BUSY if self._rtsp:
                return Busy(f"{self._place} {_FULL}", _STALE_SESSION_S)
            case Reason.BUSY:
                return Unreachable(f"{self._place} {_FULL}")
            case Reason.SILENT:
                return self.silent() if opened else self.not_opened()
            case Reason.ENDED:
                return Unreachable(f"{self._place} ended the stream" if opened else f"{self._place} sent no stream")
            case Reason.CODEC:
                return ProtocolFault(
                    f"{self._place} offers {f'video as {detail}' if detail else 'no video'}; H.264, H.265 and MJPEG are "
                    "received: change the camera's encoding"
                )
            case Reason.NETWORK if not detail:
                return Unreachable(
                    f"{self._place} broke the stream off"
                    if opened
                    else f"{self._place} cannot be connected; look at its name or address, at port and power"
                )
            case Reason.NETWORK if self._file:
                return Unreachable(f"{self._place} cannot be read: {detail}")
            case Reason.NETWORK if opened:
                return Unreachable(f"{self._place} broke the connection: {detail}")
            case Reason.NETWORK:
                return Unreachable(f"{self._place} cannot be connected: {detail}; look at address, port and power")
            case Reason.OURS:
                return ProtocolFault(f"a fault of the gateway's own while reading {self._place}: {detail}")
            case _:
                return self.unreadable(detail)

    def not_opened(self) -> Unreachable:
        return Unreachable(f"{self._place} gave no stream within {self._open_s:g} s; if the camera hangs, restart it")

    def silent(self) -> Unreachable:
        return Unreachable(f"{self._place} sent no video for {self._silence_s:g} s; if the camera hangs, restart it")

    def without_keyframe(self, seconds: float) -> Unreachable:
        return Unreachable(
            f"{self._place} sent video without a usable keyframe for {seconds:g} s; set its I-frame interval to a few "
            "seconds"
        )

    def unreadable(self, detail: str) -> ProtocolFault:
        why = f" ({detail})" if detail else ""
        if self._rtp:
            return ProtocolFault(
                f"{self._place} sends no RTP that says by itself what it is{why}: MPEG-TS and JPEG do; for other streams give "
                "the device's rtsp:// address"
            )
        return ProtocolFault(
            f"{self._place} sent something that is no stream we can read{why}; look at the stream's address and format"
        )

    def child_died(self, how: str) -> ProtocolFault:
        return ProtocolFault(
            f"the reader of {self._place} died of what it was sent ({how}); look at what the device is"
        )

    def not_started(self, why: str) -> Unreachable:
        return Unreachable(f"the reader of {self._place} could not be started: {why}")

    def _unauthorised(self) -> AuthFailed:
        if not self._has_credential:
            return AuthFailed(f"{self._place} wants a user name and a password, and none is configured")
        # libav does Basic and Digest with MD5, never SHA-256: such a camera refuses it with the right password too.
        return AuthFailed(
            f"{self._place} refuses the user name or the password; correct them, or set the camera to Digest with MD5 if it "
            "accepts SHA-256 alone: its stream has a form that we read by a library without that"
        )


def printable(text: str) -> str:
    """What a child said, on one line and cut short: it may have been taken over by its stream."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: _LONGEST_DETAIL + 1]).strip()
    return kept if len(kept) <= _LONGEST_DETAIL else kept[:_LONGEST_DETAIL] + "…"
