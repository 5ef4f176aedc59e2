"""A real Mosquitto on a loopback port: started, killed and started again on the same port and persistence."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = "/usr/sbin/mosquitto"
_DEADLINE = 60.0


@dataclass
class Mosquitto:
    """``directory`` holds its configuration, persistence and log. ``extra`` lines go after the listener's."""

    directory: Path
    port: int
    extra: str = "allow_anonymous true"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _frozen: bool = field(default=False, repr=False)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.directory / "mosquitto.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        if self._process is not None:
            raise RuntimeError("Mosquitto runs already")
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text(self._configuration(), encoding="utf-8")
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-v", "-c", str(configuration)], stdout=log, stderr=log)
        self._wait_until_it_listens()

    def stop(self) -> None:
        """SIGTERM: it saves its persistence."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what autosave has not written is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it is there and says nothing, until it is killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)
        self._frozen = True

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL if self._frozen else how)
            process.wait(_DEADLINE)
        self._frozen = False

    def _configuration(self) -> str:
        lines = [
            "per_listener_settings false",
            f"listener {self.port} 127.0.0.1",
            self.extra,
            "set_tcp_nodelay true",
            "persistence true",
            f"persistence_location {self.directory}{os.sep}",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes `mosquitto`, which cannot write a test's directory
        return "\n".join(lines) + "\n"

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"Mosquitto did not start:\n{self.log}")
