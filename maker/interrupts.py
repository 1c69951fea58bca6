"""Lets SIGINT and SIGTERM wait for a moment that they would break in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CAN_BLOCK = hasattr(signal, "pthread_sigmask")  # not on Windows


@contextmanager
def held() -> Iterator[None]:
    """Lets them wait while worker processes start: a worker whose parent leaves it half started prints a traceback.

    Ctrl-C reaches the workers too. They start with SIGINT blocked, and call `unblock` once they ignore it.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread is interrupted
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, lambda number, _: came.append(number))
        with blocked(signal.SIGINT):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: set by another language
        for again in dict.fromkeys(came):
            signal.raise_signal(again)


@contextmanager
def blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Blocks signals in this thread, and in the processes that it starts."""
    if not CAN_BLOCK:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock(number: signal.Signals) -> None:
    """Lets a signal that the parent process blocked arrive."""
    if CAN_BLOCK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
