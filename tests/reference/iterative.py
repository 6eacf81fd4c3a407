"""Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), algorithm 1 line by line, and its measure."""

from random import Random

import numpy as np
from numpy.typing import NDArray


def iterative(targets: NDArray[np.bool_], shares: list[float], random: Random) -> NDArray[np.int64]:
    """The subset of each example; `targets` (n, labels). Examples without a label are dealt by size alone."""
    n, labels = targets.shape
    wanted = [n * share for share in shares]
    lacking = [[targets[:, i].sum() * share for share in shares] for i in range(labels)]
    left, subset = set(range(n)), np.full(n, -1)

    def put(example: int, j: int) -> None:
        subset[example] = j
        left.remove(example)
        wanted[j] -= 1
        for i in np.flatnonzero(targets[example]):
            lacking[i][j] -= 1

    def chosen(keys: list[float], among: list[int]) -> list[int]:
        most = max(keys[j] for j in among)
        return [j for j in among if keys[j] == most]

    while True:
        counts = {i: sum(bool(targets[e, i]) for e in left) for i in range(labels)}
        counts = {i: count for i, count in counts.items() if count}
        if not counts:
            break
        rarest = min(counts, key=lambda i: (counts[i], random.random()))
        for example in [e for e in sorted(left) if targets[e, rarest]]:
            best = chosen(wanted, chosen(lacking[rarest], list(range(len(shares)))))
            put(example, random.choice(best))
    for example in sorted(left):
        put(example, random.choice(chosen(wanted, list(range(len(shares))))))
    return subset


def labels_distribution(targets: NDArray[np.bool_], subset: NDArray[np.int64], subsets: int) -> float:
    """The measure LD of section 4.2: how far the odds of each label in each subset are from those in all examples."""
    off = []
    for i in range(targets.shape[1]):
        whole = targets[:, i].sum() / (~targets[:, i]).sum()
        for j in range(subsets):
            own = targets[subset == j, i]
            off.append(abs(own.sum() / (~own).sum() - whole))
    return float(np.mean(off))
