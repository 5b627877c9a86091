"""Whole submissions that are hostile or broken, for a class in which honest students are graded beside them.

Each is the first cell of a notebook whose answers are honest ("double a tensor"), or a whole file. What the honest
answers earn they may keep; nothing more, and nobody else loses anything.
"""

from __future__ import annotations

FIRST_CELLS = {
    "fork_bomb": """
import os
while True:
    try:
        if os.fork() == 0: continue
    except OSError: pass
""",
    "memory_in_many_processes": """
import os, time
for _ in range(12):
    if os.fork() == 0:
        held = bytearray(500 << 20)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(60); os._exit(0)
""",
    "memory": "held = []\nwhile True: held.append(bytearray(50 << 20))",
    "large_messages": """
import zmq
kernel = get_ipython().kernel
parent = kernel.get_parent('shell')
large = bytes(30_000_000)
for _ in range(40):
    kernel.session.send(kernel.iopub_socket, 'display_data', {'data': {}}, parent=parent, buffers=[large] * 8)
""",
    "output_without_end": """
import threading
def shout():
    while True: print('1.0 of 1 points ' * 500)
for _ in range(3): threading.Thread(target=shout, daemon=True).start()
""",
    "kills_everything": """
import os
for pid in (-1, *range(1, 50)):
    try: os.kill(pid, 9)
    except OSError: pass
""",
    "signals_its_group": "import os, signal\nos.killpg(0, signal.SIGTERM)\nos.killpg(0, signal.SIGKILL)",
    "fills_every_disk": """
import os
for place in ('/tmp', '/dev/shm', '.'):
    try:
        for number in range(100):
            with open(os.path.join(place, str(number)), 'wb') as file: file.write(bytes(20_000_000))
    except OSError: pass
""",
    "hangs_and_cannot_be_interrupted": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
    "closes_every_file": "import os\nos.closerange(0, 4096)",
    "becomes_another_program": "import os\nos.execv('/bin/sleep', ['sleep', '1000'])",
    "segmentation_fault": "import ctypes\nctypes.string_at(0)",
    "stops_itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    "aborts": "import os\nos.abort()",
    "leaves_processes_behind": """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(1)
    os._exit(0)
""",
    "links_in_place_of_sockets": """
import os
for place in ('/run/kernels', '/run/kernel', '/tmp', '.'):
    for name in ('s-1', 's-2', 's-4'):
        try: os.symlink('/run/kernels', os.path.join(place, name))
        except OSError: pass
""",
    "removes_its_folder": "import os, shutil\nshutil.rmtree('.', ignore_errors=True)\nos.chdir('/')",
    "no_memory_for_itself": "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (1 << 20, 1 << 20))",
    "no_time_for_itself": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass",
    "another_shell": """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.run_cell = InteractiveShell.run_code = lambda *arguments, **options: None
get_ipython().kernel.do_execute = lambda *arguments, **options: {'status': 'ok', 'execution_count': 1, 'payload': [],
                                                                'user_expressions': {}}
""",
    "messages_of_other_kinds": """
kernel = get_ipython().kernel
parent = kernel.get_parent('shell')
for kind in ('status', 'error', 'stream', 'execute_result', 'display_data', 'examiner_reply', 'comm_open', 'nonsense'):
    for content in ({}, {'data': 7}, {'text': None}, {'execution_state': 'idle'}, {'reply': '['}, {'data': {'a': 3}}):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
""",
    "broken_frames": """
kernel = get_ipython().kernel
for frames in ([b''], [b'<IDS|MSG>'], [b'<IDS|MSG>', b'', b'{', b'{', b'{', b'{'], [b'x'] * 500):
    kernel.iopub_socket.send_multipart(frames)
""",
    "writes_a_key_of_a_course": "import os, pathlib\nfor name in ('secret', 'gradebook.db', 'course/gradebook.db'):\n"
    "    path = pathlib.Path(name); path.parent.mkdir(exist_ok=True); path.write_text('mine')",
    "a_module_for_everything": """
for name in ('torch', 'numpy', 'json', 'autograder', 'ipykernel', 'sitecustomize', 'zmq'):
    open(name + '.py', 'w').write('raise SystemExit')
""",
    "time_stands_still": "import time\ntime.time = time.monotonic = time.perf_counter = lambda: 0.0",
    "asks_for_input": "input('Your password? ')",
    "a_cell_of_megabytes": "x = '" + "a" * 190_000 + "'",
    "terminal_codes": r"print('\x1b[2J\x1b]0;mine\x07\x00\ud800' if False else '\x1b[31mred\x07')",
    "a_script_in_its_output": "from IPython.display import HTML, Javascript, display\n"
    "display(HTML('<script>alert(1)</script>'), Javascript('alert(1)'))",
}

FILES: dict[str, bytes] = {
    "empty": b"",
    "not_json": b"PK\x03\x04 this is no notebook",
    "a_list": b"[]",
    "a_number": b"7",
    "nested": b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "cells_of_nothing": b'{"cells": [null, 7, {}, {"cell_type": "code"}, {"source": [1, 2]}], "metadata": []}',
    "an_infinite_number": b'{"cells": [], "metadata": {}, "nbformat": 1e999, "nbformat_minor": NaN}',
    "not_utf8": b'{"cells": [{"cell_type": "code", "source": "\xff\xfe\xfa"}]}',
    "half_a_notebook": b'{"cells": [{"cell_type": "code", "metadata": {}, "source": ["def one(',
    "ten_megabytes": b'{"cells": [], "padding": "' + b"x" * 10_000_000 + b'"}',
}  # fmt: skip

HONEST_WITH_WARNINGS = """
import logging, sys, warnings
import numpy
warnings.warn('a warning of my own')
print('to the error stream', file=sys.stderr)
logging.warning('a logged warning')
numpy.log(numpy.zeros(1))
print('much ' * 100_000)
"""
