"""How a process that works for another one ends."""

import multiprocessing
import os
import signal
import threading


def work_for_parent() -> None:
    """Leave interruptions to the parent, which they reach too, and end when it is gone, whatever ended it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)  # nobody waits for what this process does; what it has written is whole
