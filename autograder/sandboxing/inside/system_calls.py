"""Refuse a student's process what no notebook needs of Linux, and what namespaces do not separate.

Sockets to the machine that runs this virtual one, and keys, are in no namespace; memory without a name is in no file
system and so under no limit where memory can only be watched; the rest is large, young and rarely needed, so that its
mistakes would be ways out. A filter of system calls (seccomp(2)) answers them as a system without them does.
"""

import ctypes
import errno
import os
import struct

SET_FILTER, FILTERED = 22, 2
# Numbers for x86-64 and for 64-bit ARM: see the tables in Linux's sources.
REFUSED = {
    "memfd_create": (319, 279), "shmget": (29, 194), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "io_uring_setup": (425, 425), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "open_by_handle_at": (304, 265), "memfd_secret": (447, 447),
}  # fmt: skip
SOCKET = (41, 198)
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
UNIX, INTERNET, INTERNET_6, NETLINK = 1, 2, 10, 16
OTHER_NUMBERING = 0x40000000  # x86-64's second table of system calls
LOAD, EQUAL, AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
CALL, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16


def program(column, architecture):
    """Return the filter as (code, jump if true, jump if false, value) each; jumps count from the next one."""
    made = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (ANSWER, 0, 0, FAIL | errno.ENOSYS)]
    made += [(LOAD, 0, 0, CALL), (AT_LEAST, 0, 1, OTHER_NUMBERING), (ANSWER, 0, 0, FAIL | errno.ENOSYS)]
    for numbers in REFUSED.values():
        made += [(EQUAL, 0, 1, numbers[column]), (ANSWER, 0, 0, FAIL | errno.ENOSYS)]
    made += [(EQUAL, 1, 0, SOCKET[column]), (ANSWER, 0, 0, ALLOW), (LOAD, 0, 0, FIRST_ARGUMENT)]
    for family in (UNIX, INTERNET, INTERNET_6, NETLINK):
        made += [(EQUAL, 0, 1, family), (ANSWER, 0, 0, ALLOW)]
    return [*made, (ANSWER, 0, 0, FAIL | errno.EAFNOSUPPORT)]


def refuse(libc):
    """Put the filter on this process and all that it starts, for good; on another kind of processor, do nothing."""
    known = ARCHITECTURES.get(os.uname().machine)
    if known is None:
        return
    steps = b"".join(struct.pack("=HBBI", *step) for step in program(*known))
    kept = ctypes.create_string_buffer(steps, len(steps))
    described = struct.pack("@HP", len(steps) // 8, ctypes.addressof(kept))
    if libc.prctl(SET_FILTER, FILTERED, ctypes.c_char_p(described), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls was not taken")
