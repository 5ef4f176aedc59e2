"""SDP between a browser and the live process: text, without I/O."""

from collections.abc import Sequence

MOST_LINES = 1000
"""Of an offer. Browsers' have 100 to 300; each costs the process time that belongs to those who watch already."""
MOST_CANDIDATES = 24
"""Addresses of one browser that are tried: of each pair of one of them with one of ours."""


def without_names(offer: str) -> str:
    """The browser's offer without candidates that are names (mDNS: nobody answers for them across subnets, and asking would
    hold up the answer), and without the word that no more will come: the browser's own checks tell where it is
    (peer-reflexive, RFC 8445 §7.3.1.3); nor with more than MOST_CANDIDATES. Raises ValueError for more than MOST_LINES."""
    lines = offer.splitlines(keepends=True)
    if len(lines) > MOST_LINES:
        raise ValueError(f"an offer of {len(lines)} lines; at most {MOST_LINES} are read")
    taken, left = [], MOST_CANDIDATES
    for line in lines:
        if line.startswith("a=candidate:"):
            if _is_name(line) or not left:
                continue
            left -= 1
        if line.strip() != "a=end-of-candidates":
            taken.append(line)
    return "".join(taken)


def candidates(fragment: str) -> list[tuple[str, str]]:
    """The candidates of a trickle fragment (RFC 8840 §9) that are addresses: (media id, candidate)."""
    found, mid = [], "0"
    for line in fragment.splitlines():
        if line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:").strip()
        elif line.startswith("a=candidate:") and not _is_name(line):
            found.append((mid, line.removeprefix("a=candidate:").strip()))
    return found


def has_candidate(answer: str) -> bool:
    return "\na=candidate:" in answer


def announced(answer: str, addresses: Sequence[str]) -> str:
    """The answer with these addresses too, each with the ports of our own: a router in between passes them on."""
    own = {line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate:")}
    lines: list[str] = []
    for line in answer.splitlines():
        lines.append(line)
        if line.startswith("a=candidate:"):
            lines += [
                _also(line.split(), address) for address in addresses if _fits(line, address) and address not in own
            ]
    return "\r\n".join(lines) + "\r\n"


def _fits(line: str, address: str) -> bool:
    return (":" in address) == (":" in line.split()[4])


def _also(words: list[str], address: str) -> str:
    """Less wanted than our own: on the same network the direct way is the shorter."""
    changed = [f"a=candidate:{words[0].removeprefix('a=candidate:')}x", *words[1:3], str(max(1, int(words[3]) - 1))]
    return " ".join([*changed, address, *words[5:]])


def _is_name(line: str) -> bool:
    words = line.split()
    return len(words) > 4 and words[4].lower().endswith(".local")
