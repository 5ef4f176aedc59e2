"""Plays of bad links and bad receivers: between the nodes, and between terminals and broker."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.lab.faultlab.liar import LIES, REFUSALS, Liar
from gateway.lab.faultlab.trial import Trial
from gateway.lab.link import CLEAR, FaultLink, Weather

Play = Callable[[Trial], Coroutine[Any, Any, None]]

WEATHERS: dict[str, Weather] = {
    "black_hole": Weather(black_hole=True),
    "refused": Weather(refuse=True),
    "slow": Weather(rate=8_000),  # 64 kbit/s
    "late": Weather(delay=0.6),
    "cut": Weather(truncate=150),
    "repeated": Weather(repeat=0.5),
    "overtaken": Weather(overtaken=2.0),
}
_SUDDEN = ("half_open", "reset", "flapping")
KINDS = (*WEATHERS, *_SUDDEN)


def uplink(kind: str) -> Play:
    """The play that has this fault upon every uplink, on and off."""

    async def bad_uplink(trial: Trial) -> None:
        await _on_and_off(trial, trial.town.uplinks, (kind,))

    return bad_uplink


async def uplinks_fail(trial: Trial) -> None:
    """Every kind of fault in turn upon the uplinks."""
    await _on_and_off(trial, trial.town.uplinks, KINDS)


async def air_fails(trial: Trial) -> None:
    """The terminals' own connection to the broker. An MQTT stream is never repeated or overtaken: TCP does not do that."""
    await _on_and_off(trial, [trial.town.air], ("black_hole", "refused", "slow", "late", *_SUDDEN))


async def _on_and_off(trial: Trial, links: list[FaultLink], kinds: tuple[str, ...]) -> None:
    while True:
        await trial.pause(0.3, 1.5)
        kind, link = trial.rng.choice(kinds), trial.rng.choice(links)
        trial.write(f"link {links.index(link)}: {kind}")
        await _befall(trial, link, kind)
        link.weather = CLEAR
        trial.write(f"link {links.index(link)}: clear")
        if not trial.pressing:
            return


async def _befall(trial: Trial, link: FaultLink, kind: str) -> None:
    if kind == "half_open":
        link.half_open()
        await trial.pause(0.5, 2)
    elif kind == "reset":
        link.reset()
    elif kind == "flapping":
        for _ in range(trial.rng.randint(3, 8)):
            link.weather = WEATHERS["black_hole"]
            await trial.pause(0.05, 0.6)
            link.weather = CLEAR
            link.reset()
            await trial.pause(0.05, 0.6)
    else:
        link.weather = WEATHERS[kind]
        if kind == "refused":
            link.reset()
        await trial.pause(1, 6)


async def packets_are_lost(trial: Trial) -> None:
    """30 % of all packets, each way, between the home node and everything else; now and then the cable itself."""
    assert trial.street is not None
    while True:
        trial.write("30 % of the packets are lost")
        await trial.street.lose(0.3)
        await trial.pause(3, 8)
        if trial.rng.random() < 0.3:
            trial.write("the cable is out")
            await trial.street.cable(plugged=False)
            await trial.pause(1, 4)
            await trial.street.cable(plugged=True)
        await trial.street.lose(0)
        await trial.pause(0.3, 1)
        if not trial.pressing:
            return


async def receiver_lies(trial: Trial) -> None:
    """Somebody else answers in the upper node's place: slowly, wrongly, or not at all."""
    await _stand_in(trial, LIES)


async def receiver_refuses(trial: Trial) -> None:
    """A proxy on the way says 413, 400, 422 or 403 to what the upper node would have taken. Nothing may be parked for it."""
    await _stand_in(trial, REFUSALS)


async def _stand_in(trial: Trial, lies: tuple[str, ...]) -> None:
    link = trial.town.uplinks[-1]
    true, liar = link.target, Liar(trial.dice(), link.host)
    await liar.start()
    try:
        while True:
            await trial.pause(0.2, 1)
            liar.lie = trial.rng.choice(lies)
            trial.write(f"the receiver: {liar.lie}")
            link.target = (liar.host, liar.port)
            link.reset()
            await trial.pause(1.5, 4)
            link.target = true
            link.reset()
            trial.write(f"the true receiver is back; the other was asked {liar.asked} times")
            if not trial.pressing:
                return
    finally:
        link.target = true
        await asyncio.shield(liar.close())
