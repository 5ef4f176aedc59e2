"""Presses that are on disk while their answer has not left yet.

A terminal repeats a press until it hears ``received``. In a storm these repeats outnumber the presses: were each taken to
the ledger, they would keep the very answers waiting that end them.
"""

from collections import OrderedDict
from dataclasses import dataclass

from gateway.model import Accepted, Press, ReplyTo

_LASTS = 10.0  # seconds. A repeat after that goes to the ledger, which knows what became of the answer
_MOST = 10_000


@dataclass(slots=True)
class Debt:
    """``accepted`` is None until the press is committed."""

    reply_to: ReplyTo | None
    until_mono: float
    accepted: Accepted | None = None


class Owed:
    """In memory of one process: what is not remembered here costs only a look into the ledger."""

    def __init__(self) -> None:
        self._owed: OrderedDict[tuple[str, str], Debt] = OrderedDict()

    def began(self, terminal: str, press: Press, now_mono: float) -> Debt:
        """The press goes to the ledger, where it gets its answer; that may have left before ``accepted`` is known here."""
        debt = Debt(press.reply_to, now_mono + _LASTS)
        key = press.press_id or press.repeat_key
        if key is not None:
            self._owed.pop((terminal, key), None)
            self._owed[terminal, key] = debt
            if len(self._owed) > _MOST:
                self._owed.popitem(last=False)
        return debt

    def repeat(self, terminal: str, press: Press, now_mono: float) -> Accepted | None:
        """What became of this press, if it is a repeat whose answer, to that very address, is still to leave."""
        debt = self._owed.get((terminal, press.press_id or press.repeat_key or ""))
        if debt is None or debt.reply_to != press.reply_to or now_mono >= debt.until_mono:
            return None
        return debt.accepted

    def told(self, terminal: str, press_id: str) -> None:
        """An answer has left, or found nobody: the next repeat is made because it was not heard."""
        self._owed.pop((terminal, press_id), None)
