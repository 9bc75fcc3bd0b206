"""Children that do not outlive their parent, and that cannot take the machine with them."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, with_signal: int = signal.SIGTERM) -> None:
    """Ask the kernel for a signal when the parent dies (Linux), and leave now when it is dead already.

    Parameters
    ----------
    parent : int
        Process id of the parent as it told; 0 for "whoever it is".
    with_signal : int
        The signal to ask for.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if parent and os.getppid() != parent:
        raise SystemExit(0)


def orphaned(parent: int) -> bool:
    """Whether the parent is gone; for systems without a death signal, and in case it was missed."""
    return bool(parent) and os.getppid() != parent


def limit(data_bytes: int, open_files: int = 256) -> None:
    """Bound this process's own memory and files, and leave no core dumps."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > data_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (data_bytes, data_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = open_files if hard_files == resource.RLIM_INFINITY else min(open_files, hard_files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard_files))
