#!/usr/bin/env python3
"""Runs a program under a seccomp filter that refuses what Docker's default profile refuses to one without
CAP_SYS_ADMIN (moby profiles/seccomp/default.json), on x86-64. Usage: docker_seccomp.py PROGRAM ..."""
import ctypes
import errno
import os
import struct
import sys

REFUSED = {
    "pivot_root": 155, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167,
    "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172,
    "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179, "lookup_dcookie": 212,
    "clock_settime": 227, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
    "unshare": 272, "perf_event_open": 298, "fanotify_init": 300, "open_by_handle_at": 304,
    "setns": 308, "finit_module": 313, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
}
CLONE, CLONE3, NAMESPACES = 56, 435, 0x7E020000
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
ALLOW = 0x7FFF0000
PR_SET_SECCOMP, FILTER = 22, 2


def refuse(number):
    return 0x00050000 | number


def instructions():
    out = [(LOAD, 0, 0, NUMBER)]
    for number in REFUSED.values():
        out += [(EQUAL, 0, 1, number), (RETURN, 0, 0, refuse(errno.EPERM))]
    # libc tries clone after that, whose flags can be looked at.
    out += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, refuse(errno.ENOSYS))]
    out += [(EQUAL, 0, 3, CLONE), (LOAD, 0, 0, FIRST_ARGUMENT), (ANY_BIT, 0, 1, NAMESPACES),
            (RETURN, 0, 0, refuse(errno.EPERM)), (RETURN, 0, 0, ALLOW)]
    return out


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


code = b"".join(struct.pack("HBBI", *one) for one in instructions())
program = Program(len(code) // 8, code)
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0) != 0:
    sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
