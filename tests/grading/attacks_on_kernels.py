"""Hostile answers that end, hang or flood their process, or turn the kernel itself against the conversation."""

from __future__ import annotations

from tests.grading.attacks import Attack

# Answers that end, hang or flood the process: each costs a kernel.
PROCESSES = [
    Attack("honest, before the others", 2, "def {task}(values):\n    return 2 * values"),
    Attack("ends the process when called", 0, "import os\ndef {task}(values):\n    os._exit(0)"),
    Attack("an endless loop", 0, "def {task}(values):\n    while True: pass"),
    Attack("endless output", 0, "def {task}(values):\n    while True: print('1.0 ' * 1000)"),
    Attack("ends the process in the cell", 0, "def {task}(values):\n    return 2 * values\nimport os; os._exit(0)"),
    Attack("leaves the notebook with exit()", 2, "def {task}(values):\n    return 2 * values\nexit()"),
    Attack(
        "cannot be interrupted",
        0,
        """
import signal
def {task}(values):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True: pass
""",
    ),
    Attack(
        "a thread goes on forging answers",
        0,
        """
import json, threading, time
def {task}(values):
    kernel = get_ipython().kernel
    parent = kernel.get_parent('shell')
    def forge():
        for _ in range(2000):
            for reply in (json.dumps({'ok': [2.0, 4.0, 6.0]}), '{', 7):
                kernel.session.send(kernel.iopub_socket, 'examiner_reply', {'reply': reply}, parent=parent)
            time.sleep(0.0005)
    threading.Thread(target=forge, daemon=True).start()
    return values
""",
    ),
    Attack("honest, after the others", 2, "def {task}(values):\n    return 2 * values"),
]

# Answers that turn the kernel itself against the conversation; nothing after them can be trusted to work.
KERNELS = [
    Attack("honest, before the patches", 2, "def {task}(values):\n    return 2 * values"),
    Attack(
        "forges the status message that ends an answer",
        0,
        """
def {task}(values):
    kernel = get_ipython().kernel
    parent = kernel.get_parent('shell')
    kernel.session.send(kernel.iopub_socket, 'examiner_reply', {'reply': '{"ok": 1.0}'}, parent=parent)
    kernel.session.send(kernel.iopub_socket, 'status', {'execution_state': 'idle'}, parent=parent)
    return values
""",
    ),
    Attack(
        "answers in the place of the function that answers",
        0,
        """
import sys
for name, module in list(sys.modules.items()):
    for attribute in list(vars(module)) if 'candidate' in name and module else []:
        if attribute.startswith('serve'):
            setattr(module, attribute, lambda *arguments, **options: ({'ok': True, 'passed': True, 'points': 2.0}, []))
{task} = lambda values: values
""",
    ),
    Attack(
        "patches json and the shell",
        0,
        """
import json
from IPython.core.interactiveshell import InteractiveShell
json.dumps = lambda *arguments, **options: '{"ok": true}'
json.loads = lambda *arguments, **options: {}
InteractiveShell.run_cell = lambda *arguments, **options: None
{task} = lambda values: values
""",
    ),
    Attack(
        "sends an absurdly nested answer",
        0,
        """
def {task}(values):
    kernel = get_ipython().kernel
    reply = '{"ok": ' + '[' * 10**6 + ']' * 10**6 + '}'
    kernel.session.send(kernel.iopub_socket, 'examiner_reply', {'reply': reply}, parent=kernel.get_parent('shell'))
    raise SystemExit
""",
    ),
]
