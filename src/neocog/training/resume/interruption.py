"""Ctrl-C, a scheduler's signal or the end of the time allowed: a run finishes its step, saves and ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from time import monotonic
from types import FrameType, TracebackType

REASONS = {
    "SIGINT": "interrupted",
    "SIGTERM": "terminated by SIGTERM",  # torchrun, Kubernetes, Slurm: SIGKILL follows in about 30 s
    "SIGUSR1": "asked to stop by SIGUSR1",  # Slurm's --signal
}
SOON_KILLED = frozenset({REASONS["SIGTERM"], REASONS["SIGUSR1"]})
"""reasons of those who do not wait: there is time for a checkpoint, not for a report"""
TIME_OVER = "the time limit"
Handler = Callable[[int, FrameType | None], object] | int | None


class Interruption:
    """While it is entered, a first signal only sets `asked`; Ctrl-C after that raises KeyboardInterrupt at once.

    `limit` is the time allowed from entering on, in seconds. A signal that the process was started to ignore, as
    `nohup` and shells without job control do, stays ignored. Outside the main thread, where Python handles no
    signals, only the time counts. Signals that a system lacks are left out.
    """

    def __init__(self, limit: float | None = None):
        self.limit = limit
        self._began = monotonic()
        self._reason = ""
        self._before: dict[int, Handler] = {}

    @property
    def asked(self) -> str:
        """Why the run should end now, as in "interrupted"; empty while it should go on."""
        if not self._reason and self.limit is not None and monotonic() - self._began >= self.limit:
            self._reason = f"{TIME_OVER} of {_duration(self.limit)} is over"
        return self._reason

    def __enter__(self) -> Interruption:
        self._began = monotonic()
        if threading.current_thread() is threading.main_thread():
            for name in REASONS:
                self._take(getattr(signal, name, None))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _take(self, number: signal.Signals | None) -> None:
        before = None if number is None else signal.getsignal(number)
        if (
            number is None or before is None or before is signal.SIG_IGN
        ):  # None: a handler that is not Python's
            return
        self._before[number] = before
        signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._reason:
            raise KeyboardInterrupt
        self._reason = self._reason or REASONS[signal.Signals(number).name]


def is_time_over(reason: str) -> bool:
    """Whether a run ended because of its time limit."""
    return reason.startswith(TIME_OVER)


def _duration(seconds: float) -> str:
    for unit, size in ("h", 3600), ("min", 60):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
