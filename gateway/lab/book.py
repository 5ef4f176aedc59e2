"""The checker's own book of presses: who pressed, what each terminal heard, and what the nodes' alerts must therefore show.

It knows the contract alone and nothing of the gateway, so that it can be held against real processes and against a
simulation alike. A press is (terminal, press_id); one terminal never uses an id twice within a book.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

Press = tuple[str, str]
"""(terminal, press_id)."""

Told = Mapping[str, Any]
"""An alert as the contract's JSON has it; ``entries`` may be missing."""

STAGES = ("received", "forwarded", "accepted", "closed")

_OWN = ("receipts", "url", "version", "entries")
"""CONTRACT "Alert": everything but these is equal on every node that has the same entries. The entries' order in the
list is each node's own."""

_NAMED_AT_MOST = 5
_IDS_AT_MOST = 100
"""An alert names no more press ids than this; beyond it only ``count`` goes on. Whoever fills the book keeps a terminal's
alerts below it (other terminals, or a short merge window), or the rest would be missed."""


@dataclass(slots=True)
class Page:
    """What is known of one press. Times are the caller's, on any one clock."""

    pressed_at: float
    heard: dict[str, float] = field(default_factory=dict)  # stage → when it was first heard
    alert_ids: list[str] = field(default_factory=list)  # different ones, in the order they were told

    @property
    def received(self) -> bool:
        """Whether the terminal was told that a node has it: any stage says so."""
        return bool(self.heard)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the book and the nodes disagree on. Empty everywhere: nothing was lost and nothing doubled.

    ``lost``: ``received`` was heard, and a node that must have the press has not (the levels without it, lowest first).
    ``doubled``: the press stands in several alerts, or more often in one than it was made. ``unanswered``: never heard
    ``received``. ``changed``: was told of several alerts, or of another one than holds it. ``invented``: nobody pressed it.
    ``unequal``: ids of alerts that differ between levels, or that one level alone has.
    """

    presses: int
    received: int
    lost: tuple[tuple[Press, tuple[int, ...]], ...] = ()
    doubled: tuple[Press, ...] = ()
    unanswered: tuple[Press, ...] = ()
    changed: tuple[Press, ...] = ()
    invented: tuple[Press, ...] = ()
    unequal: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        return not any(getattr(self, name) for name in _FAULTS)

    @property
    def kept(self) -> bool:
        """Whether the promise holds, whatever else is wrong: no acknowledged press lost, none doubled."""
        return not self.lost and not self.doubled

    def counts(self) -> dict[str, int]:
        """Every figure by its name."""
        return {"presses": self.presses, "received": self.received} | {
            name: len(getattr(self, name)) for name in _FAULTS
        }

    def sentences(self) -> list[str]:
        """What is wrong, in words; empty where nothing is."""
        return [
            f"{len(found)} {_WORDS[name]}: {_some(found)}" for name in _FAULTS if (found := list(getattr(self, name)))
        ]


_FAULTS = tuple(one.name for one in fields(Verdict) if one.name not in ("presses", "received"))
_WORDS = {
    "lost": "presses were told received and are missing at a level (0 is the home node)",
    "doubled": "presses are there more than once",
    "unanswered": "presses never heard received",
    "changed": "presses were told of another alert than holds them",
    "invented": "presses are there that nobody made",
    "unequal": "alerts differ between the levels",
}


class Book:
    """Write down what terminals do and hear; then hold it against what the nodes show."""

    def __init__(self) -> None:
        self.pages: dict[Press, Page] = {}

    def pressed(self, terminal: str, press_id: str, at: float) -> None:
        """A press is made, or repeated: only the first time counts."""
        self.pages.setdefault((terminal, press_id), Page(at))

    def heard(self, terminal: str, press_id: str, stage: str, alert_id: str | None, at: float = 0.0) -> None:
        """The terminal hears an answer. One for a press that is not in the book is nobody's, and left out."""
        page = self.pages.get((terminal, press_id))
        if page is None or stage not in STAGES:
            return
        page.heard.setdefault(stage, at)
        if alert_id is not None and alert_id not in page.alert_ids:
            page.alert_ids.append(alert_id)

    def waiting(self) -> list[Press]:
        """Presses that nobody has told ``received``; their terminals repeat them."""
        return [press for press, page in self.pages.items() if not page.received]

    def received(self) -> list[Press]:
        """Presses whose terminals were told that they are safe."""
        return [press for press, page in self.pages.items() if page.received]

    def until(self, moment: float) -> "Book":
        """The book as it stood at ``moment``: what had been pressed and heard by then."""
        earlier = Book()
        for press, page in self.pages.items():
            if page.pressed_at <= moment:
                heard = {stage: at for stage, at in page.heard.items() if at <= moment}
                earlier.pages[press] = Page(page.pressed_at, heard, page.alert_ids[:] if heard else [])
        return earlier

    def verdict(self, *levels: Iterable[Told], everything: bool = True) -> Verdict:
        """Hold the book against every level's alerts, the home node's first: ``verdict(township, county)``.

        Alerts of other sources than terminals are passed over. ``everything``: all has healed and been waited for, so
        unanswered presses and unequal levels count too; False right after a restart, where only the promise itself
        (received, therefore there) can be asked for.
        """
        shelves = [_Shelf(level) for level in levels]
        received = self.received()
        lost = [(press, tuple(n for n, shelf in enumerate(shelves) if press not in shelf.places)) for press in received]
        return Verdict(
            presses=len(self.pages),
            received=len(received),
            lost=tuple((press, missing) for press, missing in lost if missing),
            doubled=tuple(dict.fromkeys(press for shelf in shelves for press in shelf.doubled())),
            unanswered=tuple(self.waiting()) if everything else (),
            changed=tuple(press for press in received if self._changed(press, shelves)),
            invented=tuple(
                dict.fromkeys(press for shelf in shelves for press in shelf.places if press not in self.pages)
            ),
            unequal=tuple(_unequal(shelves)) if everything else (),
        )

    def _changed(self, press: Press, shelves: Iterable["_Shelf"]) -> bool:
        told = self.pages[press].alert_ids
        return len(told) > 1 or any(
            bool(told) and press in shelf.places and told[0] not in shelf.places[press] for shelf in shelves
        )


class _Shelf:
    """One level's alerts of terminals, by press and by id."""

    def __init__(self, alerts: Iterable[Told]) -> None:
        self.alerts: dict[str, Told] = {}
        self.places: dict[Press, list[str]] = {}  # the alerts that name this press
        self._overcounted: list[Press] = []
        for alert in alerts:
            if alert["source"]["type"] == "terminal":
                self._take(alert)

    def _take(self, alert: Told) -> None:
        self.alerts[alert["id"]] = alert
        terminal, ids = alert["source"]["id"], list(alert["detail"].get("press_ids", ()))
        for press_id in ids:
            self.places.setdefault((terminal, press_id), []).append(alert["id"])
        if ids and alert["count"] > len(set(ids)) and len(ids) < _IDS_AT_MOST:
            self._overcounted.append((terminal, ids[-1]))

    def doubled(self) -> Iterator[Press]:
        yield from (press for press, alerts in self.places.items() if len(alerts) > 1)
        yield from self._overcounted


def _unequal(shelves: Iterable[_Shelf]) -> list[str]:
    """Alert ids that not every level shows in the same way."""
    all_of_them = list(shelves)
    home, *above = all_of_them
    if not above:
        return []
    seen = Counter(alert_id for shelf in all_of_them for alert_id in shelf.alerts)
    return [
        alert_id
        for alert_id, levels in seen.items()
        if levels < len(all_of_them)
        or any(_common(shelf.alerts[alert_id]) != _common(home.alerts[alert_id]) for shelf in above)
    ]


def _common(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _common(part) for key, part in value.items() if key not in _OWN}
    return [_common(part) for part in value] if isinstance(value, list | tuple) else value


def _some(found: list[Any]) -> str:
    shown = ", ".join(_named(one) for one in found[:_NAMED_AT_MOST])
    return shown + (f" and {len(found) - _NAMED_AT_MOST} more" if len(found) > _NAMED_AT_MOST else "")


def _named(one: Any) -> str:
    if isinstance(one, str):
        return one
    if isinstance(one[0], tuple):
        press, missing = one
        return f"{_named(press)} (levels {', '.join(map(str, missing))})"
    return "/".join(one)
