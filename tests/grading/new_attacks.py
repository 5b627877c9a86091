"""Attacks found by people who read the grader's source: answers, first cells, malformed replies, ways out."""

from __future__ import annotations

from tests.grading.attacks import Attack

FORGED = """
import json
def {task}(values):
    kernel = get_ipython().kernel
    parent = kernel.get_parent('shell')
    reply, buffers = REPLY
    kernel.session.send(kernel.iopub_socket, 'examiner_reply', {'reply': reply}, parent=parent, buffers=buffers)
    kernel.session.send(kernel.iopub_socket, 'status', {'execution_state': 'idle'}, parent=parent)
    return values
"""


def forged(reply: str) -> str:
    """An answer that sends a reply of its own and ends the conversation."""
    return FORGED.replace("REPLY", reply)


ANSWERS = [
    Attack("honest, before the others", 2, "def {task}(values):\n    return 2 * values"),
    Attack("a billion rows without entries", 0, "import torch\ndef {task}(values):\n    return torch.zeros(2**30, 0)"),
    Attack("a list that says three and never ends", 0, """
class Endless(list):
    def __len__(self): return 3
    def __iter__(self):
        while True: yield 2.0
def {task}(values):
    return Endless()
"""),
    Attack("a dictionary with one key a thousand times", 0, """
class Repeated(dict):
    def items(self): return [('2', 4.0)] * 1000
def {task}(values):
    return Repeated()
"""),
    Attack("text that says it is a number", 0, """
class Number(str):
    def __float__(self): return 2.0
    def __eq__(self, other): return True
    __hash__ = str.__hash__
def {task}(values):
    return [Number('2'), Number('4'), Number('6')]
"""),
    Attack("an integer of many bits", 0, "def {task}(values):\n    return [2**80, 2, 4]"),
    Attack("dates", 0, "import numpy\ndef {task}(values):\n    return numpy.array([2, 4, 6], 'datetime64[s]')"),
    Attack("numbers of 16 bytes", 0, "import numpy\ndef {task}(values):\n"
           "    return numpy.array([2, 4, 6], 'longdouble')"),
    Attack("a tensor without data", 0, "import torch\ndef {task}(values):\n    return values.to('meta')"),
    Attack("minus zero, and not a number", 0, "def {task}(values):\n    return [-0.0, float('nan'), 6.0]"),
    Attack("looks into the request for more than the call", 0, """
import json
def {task}(values):
    request = json.loads(get_ipython().kernel.get_parent('shell')['content']['examiner'])
    known = {'name', 'verb', 'args', 'times', 'wrt', 'handle', 'attribute'}
    return 2 * values if set(request) - known or 'hidden' in str(request) else values
"""),
    Attack("an error with the name of the examiner's own", 0, "class Late(Exception): pass\ndef {task}(values):\n"
           "    raise Late('passed')"),
    Attack("an error that says that a check failed, of 10 MB", 0, "def {task}(values):\n"
           "    raise type('Failed' * 10**6, (AssertionError,), {})"),
    Attack("a reply of not-a-numbers, which JSON has not", 0, forged("""'{"ok": [NaN, NaN, NaN]}', []""")),
    Attack("a reply with every key twice", 0, forged("""'{"ok": [2.0, 4.0, 6.0], "ok": true}', []""")),
    Attack("a reply that names a type with code in it", 0, forged(
        """json.dumps({'ok': {'$': 'numpy', 'dtype': 'O', 'shape': [3], 'buffer': 0}}), [bytes(24)]""")),
    Attack("a reply that asks the examiner to build something", 0, forged(
        """json.dumps({'ok': {'$': 'recipe', 'path': 'os:getcwd', 'value': [[], {}]}}), []""")),
    Attack("a reply with a negative buffer", 0, forged(
        """json.dumps({'ok': {'$': 'numpy', 'dtype': 'float64', 'shape': [3], 'buffer': -1}}), [bytes(24)]""")),
    Attack("a reply with a bool of 255", 0, forged(
        """json.dumps({'ok': {'$': 'torch', 'dtype': 'bool', 'shape': [3], 'buffer': 0}}), [b'\\xff' * 3]""")),
    Attack("honest, after the others", 2, "def {task}(values):\n    return 2 * values"),
]  # fmt: skip

# Cells before honest answers; no kernel after these, the student's own or another's, may suffer.
FIRST_CELLS = {
    # Everything that waits inside this process also waits for a pipe that has always something to read.
    "stops_what_copies_it": """
import os, select
readable, writable = os.pipe()
os.write(writable, b'x')
foreign = []
for number in map(int, os.listdir('/proc/self/fd')):
    try:
        for line in open(f'/proc/self/fdinfo/{number}'):
            if line.startswith('tfd:'):
                other = int(line.split()[1])
                known = os.path.exists(f'/proc/self/fd/{other}') and f"ino:{os.stat(other).st_ino:x} " in line
                if not known: foreign.append((number, other))
    except OSError: pass
for number, other in sorted(foreign, reverse=True):
    os.dup2(readable, other)
    select.epoll.fromfd(os.dup(number)).register(other, select.EPOLLIN)
""",
    "takes_all_processors": """
import os
for _ in range(50):
    try:
        if os.fork() == 0:
            os.setsid()
            while True: pass
    except OSError: break
""",
    "pictures_without_end": """
from IPython.display import publish_display_data
for _ in range(20): publish_display_data({'image/png': 'A' * 1_900_000})
""",
    "other_words_for_what_is_asked": """
def honest(lines):
    return ["print('1.0')\\n"] if any('serve_kernel' in line for line in lines) else lines
get_ipython().input_transformers_cleanup.append(honest)
""",
    "magic": "%reset -f\n%xmode Minimal\n%config InteractiveShell.ast_node_interactivity = 'all'\n"
    "!kill -9 1\n%system ls /\n%precision 0",
    "its_own_check": "import builtins\nbuiltins.check = builtins.exam = lambda *a, **o: 1.0\nexam('doubling')\n"
    "__builtins__ = None",
    "an_alarm_for_later": "import signal\nsignal.signal(signal.SIGALRM, lambda *a: 1 / 0)\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)",
    "a_shallow_stack": "import sys\nsys.setrecursionlimit(60)\nimport gc\ngc.set_threshold(1)",
}  # fmt: skip

NUMBERS = {
    "memfd_create": (319, 279), "shmget": (29, 194), "keyctl": (250, 219), "add_key": (248, 217), "bpf": (321, 280),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "open_by_handle_at": (304, 265),
}  # fmt: skip

WAYS_OUT = {
    "asks Linux for what no notebook needs": f"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
column = ['x86_64', 'aarch64'].index(os.uname().machine)
for name, numbers in {NUMBERS!r}.items():
    libc.syscall(numbers[column], 0, 0, 0, 0)
    print('reached' if ctypes.get_errno() != errno.ENOSYS else name)
""",
    "speaks to the machine under this one, or in another family": """
import socket
for family in set(range(1, 46)) - {1, 2, 10, 16}:
    for kind in (1, 2, 3, 5):
        try: socket.socket(family, kind); print('reached', family)
        except OSError as error: last = error
print(last)
""",
    "leaves a core dump, or starts a program that takes it": """
import resource
print('reached' if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1) else 'no')
""",
    "has a selector of the process it was copied from": """
import os
for number in os.listdir('/proc/self/fd'):
    try: text = open(f'/proc/self/fdinfo/{number}').read()
    except OSError: continue
    for line in text.splitlines():
        if line.startswith('tfd:'):
            try: own = f"{os.stat(int(line.split()[1])).st_ino:x}"
            except OSError: own = None
            if f'ino:{own} ' not in line + ' ': print('reached', line)
print('looked')
""",
    "walks out by another process's root": """
import os
for pid in [p for p in os.listdir('/proc') if p.isdigit()]:
    for way in ('root', 'cwd'):
        try: print('reached' if 'run' in os.listdir(f'/proc/{pid}/{way}') and os.listdir(f'/proc/{pid}/{way}/run')
                   else 'no')
        except OSError as error: print(error)
""",
    "has a folder open from before it was shut in": """
import os, stat
kinds = [stat.S_IFMT(os.stat(f'/proc/self/fd/{n}').st_mode) for n in os.listdir('/proc/self/fd')
         if os.path.exists(f'/proc/self/fd/{n}')]
print('reached' if stat.S_IFDIR in kinds[:-1] else 'no')
""",
    "belongs to a group of the user who grades": "import os\nprint('reached' if set(os.getgroups()) - "
    "{65534} else 'no')",
    "allows itself namespaces again": "open('/proc/sys/user/max_user_namespaces', 'w').write('9'); print('reached')",
    "presses the system's keys": "open('/proc/sysrq-trigger', 'w').write('h'); print('reached')",
    "makes itself as urgent as the system": "import os; os.setpriority(os.PRIO_PROCESS, 0, -5); print('reached')",
    "asks for real time": "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); print('reached')",
    "locks a gigabyte in memory": "import ctypes, mmap\nheld = mmap.mmap(-1, 1 << 29)\nlibc = ctypes.CDLL(None)\n"
    "print('reached' if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(held))), "
    "ctypes.c_size_t(1 << 29)) == 0 else 'no')",
}  # fmt: skip

# What the examiner must not take for data: (tree, buffers).
NOT_DATA: dict[str, tuple[object, list[bytes]]] = {
    "one buffer for two arrays": ([{"$": "numpy", "dtype": "int8", "shape": [1], "buffer": 0}] * 2, [b"x"]),
    "a shape of truths": ({"$": "numpy", "dtype": "int8", "shape": [True], "buffer": 0}, [b"x"]),
    "a shape that overflows": ({"$": "numpy", "dtype": "int8", "shape": [2**40, 2**40, 0], "buffer": 0}, [b""]),
    "a million empty rows": ({"$": "torch", "dtype": "int8", "shape": [10**6, 0], "buffer": 0}, [b""]),
    "a buffer that is a truth": ({"$": "numpy", "dtype": "int8", "shape": [1], "buffer": True}, [b"x", b"y"]),
    "big-endian numbers": ({"$": "numpy", "dtype": ">f8", "shape": [1], "buffer": 0}, [bytes(8)]),
    "a generator": ({"$": "generator", "dtype": "uint8", "shape": [8], "buffer": 0}, [bytes(8)]),
    "a list as a key": ({"$": "dict", "value": [[[1], 2]]}, []),
    "a float in words": ({"$": "float", "value": "1e5"}, []),
    "a tuple of text": ({"$": "tuple", "value": "abc"}, []),
    "a tag that is a list": ({"$": ["numpy"]}, []),
    "a text for a shape": ({"$": "numpy", "dtype": "int8", "shape": "1", "buffer": 0}, [b"x"]),
}
