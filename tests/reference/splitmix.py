"""SplitMix64 (Steele, Lea and Flood 2014) with Python's whole numbers, and the rule by which `Draws` seeds it."""

from collections.abc import Sequence
from hashlib import blake2b

GOLDEN, ALL = 0x9E3779B97F4A7C15, 2**64 - 1


def outputs(state: int, count: int) -> list[int]:
    """The first numbers of the generator that starts at `state`."""
    found = []
    for _ in range(count):
        state = (state + GOLDEN) & ALL
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & ALL
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & ALL
        found.append(z ^ (z >> 31))
    return found


def words(
    where: tuple[int, int, str], samples: Sequence[int], copies: Sequence[int], count: int
) -> list[list[int]]:
    """A row per sample: seed, epoch and stream give a generator, its output number `sample` the next, and so on."""
    seed, epoch, stream = where
    start = int.from_bytes(blake2b(f"{seed} {epoch} {stream}".encode(), digest_size=8).digest(), "little")
    rows = []
    for sample, copy in zip(samples, copies, strict=True):
        own = outputs((start + sample * GOLDEN) & ALL, 1)[0]
        own = outputs((own + (copy - 1) * GOLDEN) & ALL, 1)[0]
        rows.append(outputs(own, count))
    return rows
