"""Cameras to talk to, and an outlet that remembers what it was given."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from gateway.ports import AccessUnit

ROOT = Path(__file__).parents[3]


@dataclass
class Outlet:
    wants_all: bool = False
    codecs: list[str] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    plays: int = 0

    def playing(self) -> None:
        self.plays += 1

    def online(self, codec: str) -> None:
        self.codecs.append(codec)

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def received(self, size: int) -> None:
        self.sizes.append(size)


@pytest.fixture
def outlet() -> Outlet:
    return Outlet()


@pytest.fixture
def wire(peer: Callable[[str], ModuleType]) -> ModuleType:
    """tests/peers/rtsp_camera.py: packets, descriptions, a scripted camera."""
    return peer("rtsp_camera")


@pytest.fixture
def recordings() -> Path:
    """Answers of real cameras, which stand beside the checkout and not in it."""
    found = (ROOT / "../shared/fixtures/onvif/_rtsp").resolve()
    if not found.is_dir():
        pytest.skip("no recordings of real cameras beside this checkout")
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key in one file, as a camera makes them: signed by itself, for a name that nobody uses."""
    pem, key = tmp_path_factory.mktemp("tls") / "camera.pem", tmp_path_factory.mktemp("tls") / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=IPCAM"),
            *("-keyout", str(key), "-out", str(pem)),
        ],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + key.read_text())
    return pem


@pytest.fixture
def gst_server() -> Iterator[Callable[..., str]]:
    """``gst_server("--lower", "udp", auth="digest", password="…")`` starts one and gives its address."""
    running: list[subprocess.Popen[str]] = []

    def start(*options: str, auth: str = "none", password: str = "") -> str:
        script = ROOT / "tests/peers/gst_server.py"
        server = subprocess.Popen(
            ["/usr/bin/python3", str(script), "--auth", auth, "--user", "viewer", "--password-stdin", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(server)
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(password + "\n")
        server.stdin.flush()
        line = server.stdout.readline()
        assert line.startswith("ready rtsp"), line
        return line.split()[1]

    yield start
    for server in running:
        server.terminate()
        server.communicate(timeout=60)
