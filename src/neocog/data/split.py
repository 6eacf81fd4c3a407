"""Which pictures train and which judge: drawn per class, the same on every machine, copies kept together."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def stratified(
    labels: NDArray[np.int64], hashes: NDArray[np.uint8], fraction: float, seed: int
) -> NDArray[np.bool_]:
    """True where a picture is held out: about `fraction` of every class, at least one where a class has two.

    `hashes` (n, 32) are the pictures' content hashes. The draw depends on the contents and the seed alone, so
    neither file names nor their order matter, and copies of one picture fall on the same side.
    """
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        groups: dict[bytes, list[int]] = {}
        for i in members:
            groups.setdefault(hashes[i].tobytes(), []).append(int(i))
        drawn = sorted(groups, key=lambda content: hashlib.sha256(str(seed).encode() + content).digest())
        wanted = min(max(1, round(fraction * len(members))), len(members) - 1)  # one always trains
        taken = 0
        if (
            len(groups) > 1 and min(map(len, groups.values())) > wanted
        ):  # so many copies: the smallest group judges
            smallest = min(drawn, key=lambda content: len(groups[content]))
            drawn, wanted = [smallest], len(groups[smallest])
        for content in drawn:
            if taken + len(groups[content]) <= wanted:
                held_out[groups[content]] = True
                taken += len(groups[content])
    trained = {hashes[i].tobytes() for i in np.flatnonzero(~held_out)}
    for i in np.flatnonzero(
        held_out
    ):  # a picture that also has another label, and trains there, judges nowhere
        held_out[i] = hashes[i].tobytes() not in trained
    return held_out
