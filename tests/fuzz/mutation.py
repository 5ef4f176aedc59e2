"""Random changes to an input: what is used where no coverage-guided fuzzer is installed, and in the tests."""

import random
from collections.abc import Sequence

_LONGEST = 64 * 1024
_EDGES = (0x00, 0x01, 0x24, 0x7F, 0x80, 0xFE, 0xFF)


class Mutator:
    """Makes inputs from ``seeds`` and ``words``; the same ones for the same ``dice``."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], dice: random.Random) -> None:
        self._seeds = seeds
        self._words = words
        self._dice = dice

    def make(self) -> bytes:
        data = bytearray(self._dice.choice(self._seeds))
        for _ in range(self._dice.choice((1, 1, 2, 3, 5, 8, 20))):
            self._change(data)
        return bytes(data[:_LONGEST])

    def _change(self, data: bytearray) -> None:
        dice = self._dice
        at = dice.randint(0, len(data))
        span = min(len(data) - at, dice.choice((1, 1, 2, 4, 16, 100, 1000)))
        match dice.randint(0, 8):
            case 0 if at < len(data):
                data[at] ^= 1 << dice.randint(0, 7)
            case 1 if at < len(data):
                data[at] = dice.choice(_EDGES)
            case 2:
                del data[at : at + span]
            case 3:
                data[at:at] = data[at : at + span]
            case 4:
                data[at:at] = dice.choice(self._words)
            case 5:
                word = dice.choice(self._words)
                data[at : at + len(word)] = word
            case 6:
                other = dice.choice(self._seeds)
                begin = dice.randint(0, len(other))
                data[at:at] = other[begin : begin + dice.choice((4, 40, 400, 4000))]
            case 7:
                data[at : at + span] = dice.randbytes(span)
            case 8:
                del data[at:]
