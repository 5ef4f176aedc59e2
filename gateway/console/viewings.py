"""Who is looking at which clip: a player asks for it in many ranges, which are one viewing in the audit."""

_LASTS_S = 600.0  # of silence between two ranges; who asks later looks again
_MOST = 1000


class Viewings:
    """The viewings that stand in the audit already. In memory: after a restart one more line is written, never one less."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def known(self, viewer: str, what: str, now_mono: float) -> bool:
        """Whether this is part of a viewing that was audited; then it goes on."""
        last = self._seen.get((viewer, what))
        if last is None or now_mono - last > _LASTS_S:
            return False
        self.began(viewer, what, now_mono)
        return True

    def began(self, viewer: str, what: str, now_mono: float) -> None:
        """To be called once the viewing is in the audit."""
        self._seen.pop((viewer, what), None)
        self._seen[viewer, what] = now_mono
        if len(self._seen) > _MOST:
            del self._seen[next(iter(self._seen))]
