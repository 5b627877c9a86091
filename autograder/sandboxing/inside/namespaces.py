"""Put a process into namespaces of its own, without privileges: Linux's own calls, for want of a binding in Python.

See the manual pages unshare(2), user_namespaces(7), mount(2), capabilities(7), prctl(2).
"""

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

from system_calls import refuse

HOME = "/home/student"
STUDENT = 65534
LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
READ_ONLY, NO_SETUID, NO_DEVICES, NO_PROGRAMS, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 4096, 16384, 1 << 18
SET_DEATH_SIGNAL, SET_DUMPABLE, DROP_FROM_BOUNDING_SET, NO_NEW_PRIVILEGES = 1, 4, 24, 38
LAST_CAPABILITY = 63
KEYCTL, JOIN_SESSION_KEYRING = {"x86_64": 250, "aarch64": 219}, 1


def system_call(name, *arguments):
    """Call a function of the C library; raise its error."""
    if getattr(LIBC, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name} {arguments}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0, options=None):
    """Mount a file system."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    system_call("mount", *encoded, flags, None if options is None else options.encode())


def private_mounts(megabytes, kept):
    """Replace every place that can be written by an empty one of this kernel's own; show no other kernel's folder."""
    mount(None, "/", flags=RECURSIVE | PRIVATE)
    kept = {path: os.open(path, os.O_PATH) for path in kept}
    for place in ("/tmp", HOME, "/dev/shm"):
        options = f"size={megabytes}m,nr_inodes=20000,mode=1777"
        mount("tmpfs", place, "tmpfs", NO_SETUID | NO_DEVICES, options)
    for path, descriptor in kept.items():
        os.makedirs(path, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, flags=BIND | RECURSIVE)
        os.close(descriptor)
    mount("tmpfs", "/run", "tmpfs", NO_SETUID | NO_DEVICES | READ_ONLY, "size=4k,mode=755")


def drop_everything():
    """Give up every capability, for good."""
    for capability in range(LAST_CAPABILITY + 1):
        LIBC.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    system_call("capset", header, data)
    system_call("prctl", NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    refuse(LIBC)


def forget_keys():
    """Leave the keyring of the session in which grading was started; tickets and passwords lie in such."""
    if os.uname().machine in KEYCTL:
        LIBC.syscall(KEYCTL[os.uname().machine], JOIN_SESSION_KEYRING, None)


def set_limits(limits):
    """Limit what this process and those it starts may use."""
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    # Not 0: where a program takes core dumps, 0 would still start it, outside and with its own rights. 1 means none.
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def enter(request, mapped, report):
    """Become the first process in namespaces of this kernel's own; the caller goes on as the student's process."""
    forget_keys()
    system_call("unshare", NEW_USER | NEW_MOUNTS | NEW_PROCESSES | NEW_NETWORK | NEW_IPC)
    report.send(b"unshared")
    if mapped.recv(1) != b"m":
        os._exit(98)
    os.setresgid(STUDENT, STUDENT, STUDENT)
    os.setresuid(STUDENT, STUDENT, STUDENT)
    system_call("prctl", SET_DUMPABLE, 1, 0, 0, 0)
    private_mounts(request["disk_megabytes"], request["kept"])
    child = os.fork()
    if child:
        report.send(str(child).encode())
        for one in (report, mapped):
            one.close()
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    os.setsid()  # its parent is not of its group, and cannot be ended with it
    system_call("prctl", SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    mount("proc", "/proc", "proc", NO_SETUID | NO_DEVICES | NO_PROGRAMS)
    with contextlib.suppress(OSError):  # no namespaces within this one; older kernels have no such switch
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    drop_everything()
    set_limits(request["limits"])
    system_call("prctl", SET_DUMPABLE, 1, 0, 0, 0)


def map_users(pid, outer):
    """Let the student's user of a new namespace be *outer* here, a user that owns nothing."""
    own = os.geteuid()
    for candidate in [outer, own] if own == 0 else [own]:
        try:
            Path(f"/proc/{pid}/setgroups").write_text("deny")
            Path(f"/proc/{pid}/gid_map").write_text(f"{STUDENT} {candidate if own == 0 else os.getegid()} 1")
            Path(f"/proc/{pid}/uid_map").write_text(f"{STUDENT} {candidate} 1")
            return
        except OSError:
            if candidate == own:
                raise
