"""Fuzz the readers of a camera's bytes for some time: ``python tests/fuzz/fuzz.py --seconds 300 [TARGET …]``.

With atheris installed the search is guided by coverage (libFuzzer); without it inputs are mutated blindly. What was
found worth keeping stays in .cache/fuzz/TARGET and is where the next run begins; an input that breaks a promise is
written to .cache/fuzz/findings, and belongs into tests/fuzz/findings/TARGET, which the tests replay.
"""

import argparse
import hashlib
import importlib.util
import random
import resource
import subprocess
import sys
import time
import traceback
from pathlib import Path

import corpus
from mutation import Mutator
from names import NAMES

CACHE = Path(__file__).parents[2] / ".cache" / "fuzz"
FINDINGS = Path(__file__).parent / "findings"
INPUT_SECONDS = 10  # on a machine that is busy with other things; sound inputs take milliseconds
MEMORY_MB = 1024
LONGEST = 64 * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all of them unless told: {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=300, help="for all targets together")
    parser.add_argument("--blind", action="store_true", help="mutate blindly even where atheris is installed")
    parser.add_argument("--guided", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.guided:
        return _guided(arguments.guided, arguments.seconds)
    names = arguments.targets or list(NAMES)
    if unknown := set(names) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    guided = not arguments.blind and importlib.util.find_spec("atheris") is not None
    print("guided by coverage (atheris)" if guided else "mutated blindly; with atheris installed, guided by coverage")
    failed: list[str] = []
    for name in names:
        share = max(1, arguments.seconds // len(names))
        print(f"{name}: {share} s", flush=True)
        if not (_run_guided if guided else _blind)(name, share):
            failed.append(name)
    if failed:
        print(f"findings in {', '.join(failed)}: see {CACHE / 'findings'}")
    return 1 if failed else 0


def _prepare(name: str) -> Path:
    """The target's corpus on disk: its seeds, its old findings, and what earlier runs kept."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    (CACHE / "findings").mkdir(exist_ok=True)
    old = [path.read_bytes() for path in sorted((FINDINGS / name).glob("*"))]
    for data in (*corpus.seeds(name), *old):
        (folder / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return folder


def _run_guided(name: str, seconds: int) -> bool:
    """libFuzzer ends its process, so every target has its own."""
    command = [sys.executable, __file__, "--guided", name, "--seconds", str(seconds)]
    return subprocess.run(command, check=False).returncode == 0


def _guided(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["adapters.rtsp"]):
        import targets
    folder = _prepare(name)
    words = CACHE / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in corpus.WORDS))
    options = [
        *(
            f"-max_total_time={seconds}",
            f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MB}",
            f"-max_len={LONGEST}",
        ),
        *(f"-dict={words}", f"-artifact_prefix={CACHE / 'findings'}/{name}-", "-print_final_stats=1", "-verbosity=0"),
    ]
    atheris.Setup([sys.argv[0], *options, str(folder)], targets.TARGETS[name])
    atheris.Fuzz()
    return 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _blind(name: str, seconds: int) -> bool:
    import targets

    target = targets.TARGETS[name]
    folder = _prepare(name)
    seeds = [path.read_bytes() for path in sorted(folder.iterdir())]
    seed = random.SystemRandom().getrandbits(32)
    mutator = Mutator(seeds, corpus.WORDS, random.Random(seed))
    end, count = time.monotonic() + seconds, 0
    while (begun := time.monotonic()) < end:
        data = mutator.make()
        count += 1
        try:
            target(data)
            took, memory = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            if took > INPUT_SECONDS or memory > MEMORY_MB:
                raise AssertionError(f"took {took:.1f} s and up to {memory} MB")
        except Exception:  # noqa: BLE001 - whatever comes out is the finding
            traceback.print_exc()
            path = CACHE / "findings" / f"{name}-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
            path.write_bytes(data)
            print(f"written to {path} after {count} inputs (seed {seed})")
            return False
    print(f"  {count} inputs, nothing found")
    return True


if __name__ == "__main__":
    sys.exit(main())
