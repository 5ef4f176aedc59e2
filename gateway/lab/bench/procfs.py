"""What processes cost, read from /proc (Linux)."""

import contextlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds spent so far and memory in bytes (proportional set size: shared pages are counted once)."""

    cpu_s: float
    memory: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu_s + other.cpu_s, self.memory + other.memory)


def cost_of(pid: int, *, alone: bool = False) -> Cost:
    """The cost of a process and all its living descendants, or of it ``alone``."""
    return sum((_own_cost(one) for one in ([pid] if alone else family(pid))), Cost(0.0, 0))


def open_files(pid: int) -> Counter[str]:
    """Descriptors that the process holds, by kind (socket, pipe, anon_inode:…, file); none where it has gone."""
    kinds: Counter[str] = Counter()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(entry.readlink())
                kinds["file" if name.startswith("/") else name.split(":[")[0]] += 1
    return kinds


def threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except OSError:
        return 0


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    found = [pid]
    for parent in found:  # grows while it is walked
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def _own_cost(pid: int) -> Cost:
    cpu, memory = 0.0, 0
    with contextlib.suppress(OSError):
        # The name (second field) may hold anything, also spaces and brackets: count from behind its last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                memory = int(line.split()[1]) * 1024
    return Cost(cpu, memory)
