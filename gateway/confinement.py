"""What a process that parses others' bytes can no longer do once it is ready: run programs, look into others, open sockets.

A seccomp filter (seccomp(2), SECCOMP_SET_MODE_FILTER) that its threads share and nobody can take off again. What is
refused fails with EPERM, so that a library which tries gets an error and no signal.
"""

import ctypes
import errno
import platform
import struct
import sys

_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_NO_NEW_PRIVILEGES = 38  # prctl(2), PR_SET_NO_NEW_PRIVS
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # of struct seccomp_data
_KILL, _ALLOW, _REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
_X32 = 0x40000000  # the same calls by other numbers

_PROGRAMS = ("execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "io_uring_setup")
_SOCKETS = ("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4")
_MACHINES: dict[str, tuple[int, int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        317,
        {
            "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "execve": 59, "ptrace": 101,
            "accept4": 288, "process_vm_readv": 310, "process_vm_writev": 311, "execveat": 322, "io_uring_setup": 425, "pidfd_getfd": 438,
        },
    ),
    "aarch64": (
        0xC00000B7,
        277,
        {
            "ptrace": 117, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "execve": 221,
            "accept4": 242, "process_vm_readv": 270, "process_vm_writev": 271, "execveat": 281, "io_uring_setup": 425, "pidfd_getfd": 438,
        },
    ),
}  # fmt: skip
"""AUDIT_ARCH_* of linux/audit.h, the number of seccomp, and those of what is refused (each machine's unistd.h)."""


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(*, network: bool) -> bool:
    """From now on this process runs no program and looks into no other; without ``network`` it opens no socket either, and
    keeps those that it has. False where the machine or its kernel knows no such filter."""
    found = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or found is None:
        return False
    architecture, seccomp, numbers = found
    refused = [numbers[name] for name in (_PROGRAMS if network else _PROGRAMS + _SOCKETS)]
    program = filter_of(architecture, refused)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    told = _Program(len(program) // 8, program)
    return bool(libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(told)) == 0)


def filter_of(architecture: int, refused: list[int]) -> bytes:
    """The filter as classic BPF: struct sock_filter (code, jump if true, jump if false, constant) each."""
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, len(refused) + 1, 0, _X32),
        *((_EQUAL, len(refused) - place, 0, number) for place, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
