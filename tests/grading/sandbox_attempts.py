"""What code in the sandbox tries, and prints "reached" if it succeeds: each must print something else."""

from __future__ import annotations

# `{outside}` is a file of the grading user's, `{other}` a socket of a process of theirs.
ATTEMPTS = {
    "reads a file of the user who grades": "open({outside!r}).read(); print('reached')",
    "writes into the folder of the user who grades": "open({outside!r} + '.new', 'w').write('x'); print('reached')",
    "reads the solutions": "import os; print('reached' if any('hidden_checks.py' in files for _, _, files in "
    "os.walk('/')) else 'no')",
    # nbgrader's own documentation, among the packages, holds a gradebook of its own.
    "reads a gradebook anywhere": "import os\nprint('reached' if any(name.endswith('.db') and 'gradebook' in name "
    "for place, _, files in os.walk('/') if 'site-packages' not in place for name in files) else 'no')",
    "imports the autograder": "import sys\nfor name in [n for n in sys.modules if n.startswith('autograder')]: "
    "del sys.modules[name]\nimport autograder.grading.examine; print('reached')",
    "opens a connection to another computer": "import socket; socket.create_connection(('192.0.2.1', 80), 2); "
    "print('reached')",
    "asks for a name": "import socket; socket.getaddrinfo('example.org', 80); print('reached')",
    "connects to this computer": "import socket\nreply = [socket.socket().connect_ex(('127.0.0.1', port)) for port in "
    "(22, 80, 5432, {port})]\nprint('reached' if 0 in reply else 'no')",
    "connects to a socket of the user who grades": "import socket; socket.socket(socket.AF_UNIX).connect({other!r}); "
    "print('reached')",
    "connects to an abstract socket": "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0autograder-test-{own}')"
    "\nprint('reached')",
    "sees other processes": "import os; print('reached' if {pid} in map(int, filter(str.isdigit, os.listdir('/proc'))) "
    "or len([p for p in os.listdir('/proc') if p.isdigit()]) > 2 else 'no')",
    "signals the process that grades": "import os; os.kill({pid}, 0) if {pid} != 1 else 1 / 0; print('reached')",
    "reads the environment of the user who grades": "import os; print('reached' if 'AUTOGRADER_TEST_SECRET' in "
    "os.environ else 'no')",
    "becomes root": "import os; os.setuid(0); print('reached')",
    "makes a user namespace of its own": "import ctypes; print('reached' if ctypes.CDLL(None).unshare(0x10000000) == 0 "
    "else 'no')",
    "mounts something": "import ctypes; print('reached' if ctypes.CDLL(None).mount(b'tmpfs', b'/tmp', b'tmpfs', 0, "
    "None) == 0 else 'no')",
    "takes the private mounts away": "import ctypes, os\nlibc = ctypes.CDLL(None)\nprint('reached' if any("
    "libc.umount2(place, 2) == 0 for place in (b'/proc', b'/tmp', b'/run', b'/home/student')) else 'no')",
    "has a capability": "print('reached' if any(int(line.split()[1], 16) for line in open('/proc/self/status') if "
    "line.startswith('Cap')) else 'no')",
    "may gain privileges by a program": "print('reached' if 'NoNewPrivs:\\t1' not in open('/proc/self/status').read() "
    "else 'no')",
    "raises its own limits": "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY,) * 2)"
    "\nprint('reached')",
    "changes a file of the system": "open('/usr/bin/env', 'a').write('x'); print('reached')",
    "changes a package": "import numpy; open(numpy.__file__, 'a').write('x'); print('reached')",
    "changes rlkit": "import rlkit; open(rlkit.__file__, 'a').write('x'); print('reached')",
    "writes beside the system": "import os; os.mkdir('/mine'); print('reached')",
    "writes where its sockets lie": "import os\nfor place in ('/run', '/run/kernels', '/run/kernel'):\n    try: "
    "open(place + '/s-1', 'w'); print('reached')\n    except OSError as error: print(error)",
    "writes one file of 100 MB": "with open('large', 'wb', 0) as file:\n    for _ in range(100): "
    "file.write(bytes(10**6))\nprint('reached' if file.closed and __import__('os').path.getsize('large') == 10**8 "
    "else 'no')",
    "fills the disk": "import os\nfor number in range(200):\n    with open(f'/tmp/{{number}}', 'wb') as file: "
    "file.write(bytes(10**7))\nprint('reached')",
    "makes a million files": "for number in range(10**6): open(f'/tmp/{{number}}', 'w').close()\nprint('reached')",
    "opens ten thousand files": "kept = [open('/dev/null') for _ in range(10**4)]; print('reached')",
    "starts a thousand processes": "import subprocess\nkept = [subprocess.Popen(['/bin/sleep', '30']) for _ in "
    "range(1000)]\nprint('reached')",
    "starts a thousand threads": "import threading, time\nkept = [threading.Thread(target=time.sleep, args=(20,), "
    "daemon=True) for _ in range(1000)]\nfor thread in kept: thread.start()\nprint('reached')",
    "asks for 100 GB": "import numpy; numpy.ones(10**11 // 8); print('reached')",
    "reads the kernel's log": "import ctypes; print('reached' if ctypes.CDLL(None).klogctl(3, ctypes.create_string_"
    "buffer(100), 100) > 0 else 'no')",
    "changes the machine's name": "import socket; socket.sethostname('mine'); print('reached')",
    "changes a setting of the system": "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x'); print('reached')",
    "traces the process that it was copied from": "import ctypes; print('reached' if ctypes.CDLL(None).ptrace(16, "
    "{pid}, 0, 0) == 0 else 'no')",
    "sees a graphics card or a disk": "import os; print('reached' if any(name.startswith(('nvidia', 'sd', 'vd', "
    "'nvme', 'mem', 'kmsg', 'fuse')) for name in os.listdir('/dev')) else 'no')",
    "makes a device": "import os, stat; os.mknod('/tmp/null', stat.S_IFCHR | 0o666, os.makedev(1, 3)); "
    "print('reached')",
    "has an open file of the process that grades": "import os\nopened = [os.path.realpath(f'/proc/self/fd/{{n}}') for "
    "n in os.listdir('/proc/self/fd')]\nprint('reached' if any(os.path.isfile(x) and not x.startswith('/home/student') "
    "and not x.startswith('/tmp') for x in opened) else 'no')",
}  # fmt: skip
