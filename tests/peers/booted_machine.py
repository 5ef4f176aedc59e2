"""A machine of its own that systemd has booted: namespaces without any link, this machine's files below, changes in memory.

Needs root. Nothing of it is left: it is ended by its first process, and its files lie in a tmpfs of its own.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_BOOT = r"""
set -eu
base=$1
mount --make-rprivate /
mount -t tmpfs -o size=3G tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 sys/fs/cgroup
ip link set lo up
rm -rf opt/gateway etc/gateway etc/credstore var/lib/gateway var/backups/gateway etc/systemd/system
mkdir -p etc/systemd/system
printf '[Unit]\nRequires=systemd-journald.socket\nAfter=systemd-journald.socket\n' >etc/systemd/system/booted.target
mkdir .before
pivot_root . .before
cd /
umount -l /.before
rmdir /.before
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=booted.target --log-target=journal --show-status=0
"""
_DEADLINE = 120.0  # ends a hang; measures nothing
_NAMESPACES = ("-m", "-p", "-C", "-u", "-i", "-n")


class Machine:
    """``first``: its process 1, as this machine counts."""

    def __init__(self, first: int) -> None:
        self._first = first

    def run(self, *command: str, check: bool = True, within: float = 120, stdin: str | None = None) -> str:
        """Output and errors of a command in it, run by root. Raises AssertionError where it failed."""
        environment = ("env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
        done = subprocess.run(
            ["nsenter", "-t", str(self._first), *_NAMESPACES, "-r", "-w", "--", *environment, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL if stdin is None else None,
            input=stdin,
            text=True,
            timeout=within,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{self._journal()}")
        return done.stdout

    def file(self, path: str) -> Path:
        """A file of it, as it is seen from here."""
        return Path(f"/proc/{self._first}/root{path}")

    def property(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()

    def wait(self, said: str, *command: str, within: float = 180) -> str:
        """Run the command until it prints ``said``; all that it printed then."""
        until = time.monotonic() + within
        while said not in (told := self.run(*command, check=False)):
            if time.monotonic() > until:
                raise AssertionError(f"{' '.join(command)} does not say {said!r}:\n{told}{self._journal()}")
            time.sleep(0.3)
        return told

    def _journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--lines", "60", "--output", "cat", check=False)


@contextlib.contextmanager
def booted(directory: Path) -> Iterator[Machine]:
    """``directory``: an empty one; it stays empty."""
    outside = subprocess.Popen(
        # It ends with us, however we end.
        [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--fork",
            "--kill-child",
            *_NAMESPACES,
            "sh",
            "-c",
            _BOOT,
            "boot",
            str(directory),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    first = 0
    try:
        first = _first_process(outside)
        machine = Machine(first)
        machine.wait("running", "systemctl", "is-system-running")
        machine.run("systemctl", "start", "systemd-journald.service")
        yield machine
    finally:
        if first:
            with contextlib.suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
        else:
            outside.kill()
        outside.wait(_DEADLINE)
        assert outside.stdout is not None
        outside.stdout.close()


def _first_process(outside: "subprocess.Popen[bytes]") -> int:
    """Once it is systemd."""
    until = time.monotonic() + _DEADLINE
    children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
    while time.monotonic() < until:
        if outside.poll() is not None:
            assert outside.stdout is not None
            raise AssertionError(f"the machine did not boot: {outside.stdout.read().decode()}")
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                if "systemd" in Path(f"/proc/{child}/comm").read_text():
                    return int(child)
        time.sleep(0.1)
    raise AssertionError(f"the machine did not boot within {_DEADLINE:g} s")
