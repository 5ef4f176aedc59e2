"""What a confined process is refused, tried by real processes, and the filter's own jumps."""

import errno
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.confinement import filter_of

TRIES = {
    "run a program": 'os.execv("/bin/true", ["true"])',
    "start a program": 'subprocess.run(["/bin/true"], check=True)',
    "open a socket": "socket.socket().close()",
    "open a local socket": "socket.socket(socket.AF_UNIX).close()",
    "connect two": "socket.socketpair()",
}
WITH_NETWORK = {"open a socket", "open a local socket", "connect two"}
PROGRAM = """
import os, socket, subprocess, sys, threading
from gateway.confinement import confine
import {imported}
one, other = socket.socketpair()
waiting = threading.Event()
refused = []
def attempt():
    waiting.wait(30)
    try:
        {attempt}
    except OSError as error:
        refused.append(error.errno)
beside = threading.Thread(target=attempt)  # begun before the filter, and under it all the same
beside.start()
assert confine(network={network})
waiting.set()
beside.join()
one.sendall(b"still")
assert other.recv(5) == b"still"
print(refused[0] if refused else 0)
"""


def tried(what: str, *, network: bool, imported: str = "os") -> int:
    program = PROGRAM.format(attempt=TRIES[what], network=network, imported=imported)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout or 0)


@pytest.mark.parametrize("what", TRIES)
def test_without_network_nothing_goes_out_and_nothing_is_run(what):
    assert tried(what, network=False) == errno.EPERM


@pytest.mark.parametrize("what", sorted(TRIES.keys() - {"run a program"}))
def test_with_network_no_program_is_run(what):
    assert tried(what, network=True) == (0 if what in WITH_NETWORK else errno.EPERM)


def test_every_refused_call_leads_to_the_refusal_and_others_pass():
    """The filter as the kernel walks it."""
    refused = [41, 59, 101, 425]
    steps = list(struct.iter_unpack("=HBBI", filter_of(0xC000003E, refused)))

    def verdict(architecture: int, number: int) -> int:
        at, held = 0, 0
        while True:
            code, yes, no, constant = steps[at]
            at += 1
            if code == 0x06:
                return constant
            if code == 0x20:
                held = architecture if constant == 4 else number
            else:
                at += yes if (held == constant if code == 0x15 else held >= constant) else no

    for number in range(500):
        assert (verdict(0xC000003E, number) != 0x7FFF0000) == (number in refused)
    assert verdict(0xC000003E, 0x40000000 | 1) == 0x00050000 | errno.EPERM  # the x32 numbers
    assert verdict(0x40000003, 1) == 0x80000000  # i386: another table of calls


def test_the_decoder_child_is_confined():
    worker, child = socket.socketpair()
    with worker, child:
        worker.settimeout(60)
        command = [sys.executable, "-P", "-m", "gateway.video.decoder_child", str(child.fileno())]
        process = subprocess.Popen(command, pass_fds=[child.fileno()])
        try:
            assert worker.recv(64)
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
        finally:
            worker.close()
            child.close()
            process.wait(30)
    assert process.returncode == 0
