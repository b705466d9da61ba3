"""Commands that a running process starts for us: a fork of one that has imported all they need.

Starting Python and importing torch, pandas and matplotlib costs a small job more than its work.
``smoothcert warm SOCKET`` imports them once. ``python -m smoothcert`` hands it the words, the
folder, the environment and the standard streams of a command, and ends as the command does; where
nobody listens it runs the command itself. The two live and die together: the command ends when who
asked for it is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

VARIABLE = "SMOOTHCERT_WARM"  # the address of the socket, in the environment
THREADS = "OMP_NUM_THREADS"  # read once a process: one that asks for more than 1 starts its own
_SIZE = struct.Struct("!Q")


def ask(words: Sequence[str]) -> int | None:
    """The exit status of a command that the process at the socket has run; None: nobody did."""
    address = os.environ.get(VARIABLE)
    if not address or os.environ.get(THREADS) != "1":
        return None
    status = b""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(address)
            said = json.dumps([list(words), str(Path.cwd()), dict(os.environ)]).encode()
            socket.send_fds(line, [_SIZE.pack(len(said))], [0, 1, 2])
            line.sendall(said)
        except OSError:
            return None
        with contextlib.suppress(ConnectionError):
            status = line.recv(1)
    if not status:
        print("error: the process of this command was killed", file=sys.stderr)
        return 1
    return status[0]


def start() -> None:
    """Start such a process for all commands that this one starts; it ends when this one does."""
    folder = tempfile.TemporaryDirectory(prefix="smoothcert-")
    address = os.environ[VARIABLE] = str(Path(folder.name, "socket"))
    threads = dict.fromkeys((THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "smoothcert", "warm", address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, **threads})

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)


def serve(address: str, run: Callable[[list[str]], int]) -> None:
    """Fork a process for each command that is asked for at ``address``, until stdin ends.

    ``run`` takes the words of a command and gives its exit status. Whoever holds the other end of
    standard input decides when no more commands come; those that run go on.
    """
    gc.collect()
    gc.freeze()  # what is there now is never freed: the forks share its pages
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        try:
            while True:
                ready, _, _ = select.select([listener, sys.stdin.fileno()], [], [], 1.0)
                if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 1):
                    return
                if listener in ready:
                    line, _ = listener.accept()
                    with line:
                        if os.fork() == 0:
                            listener.close()
                            _answer(line, run)
                _bury()
        finally:
            Path(address).unlink(missing_ok=True)


def _bury() -> None:
    """Forget the commands that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(line: socket.socket, run: Callable[[list[str]], int]) -> None:
    """In the fork: become the command that the line asks for, say how it ended, and end."""
    status = 1
    try:
        words = _become(line)
        threading.Thread(target=_end_with, args=(line,), daemon=True).start()
        status = run(words)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            line.sendall(bytes([status & 255]))
        finally:
            os._exit(status & 255)  # what ends the process that was forked is not ours to run


def _become(line: socket.socket) -> list[str]:
    """Take over streams, folder and environment; gives the words of the command."""
    head, streams, _, _ = socket.recv_fds(line, _SIZE.size, 3)
    with line.makefile("rb") as reader:
        (size,) = _SIZE.unpack(head + reader.read(_SIZE.size - len(head)))
        words, folder, environment = json.loads(reader.read(size))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.environ.pop(VARIABLE, None)  # what a command starts itself is its own child
    sys.argv = ["smoothcert", *words]
    return list(words)


def _end_with(line: socket.socket) -> None:
    """End when who asked is gone."""
    with contextlib.suppress(OSError):
        while line.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
