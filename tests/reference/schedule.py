"""The memory of a schedule, told literally: at every step, look at every tensor and ask whether it is still needed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One operation: the buffer that it writes, how large that is, and the buffers that it reads."""

    writes: str
    size: int
    reads: tuple[str, ...] = ()
    returned: bool = False


def peak(steps: list[Step]) -> int:
    """Most bytes alive during a step; a buffer lives from its first writing to its last reading, or to the end."""
    most = 0
    for now in range(len(steps)):
        alive = 0
        for buffer in {step.writes for step in steps}:
            begun = any(step.writes == buffer for step in steps[: now + 1])
            wanted = any(step.writes == buffer or buffer in step.reads for step in steps[now:])
            kept = any(step.writes == buffer and step.returned for step in steps)
            if begun and (wanted or kept):
                alive += max(step.size for step in steps if step.writes == buffer)
        most = max(most, alive)
    return most
