"""Pictures that are there more than once: as the same file, with the same pixels, or nearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neocog.data.checks.facts import Facts
from neocog.data.checks.look import pixel_hash
from neocog.data.checks.near import Groups, Pairs, equal_rows, near_pairs
from neocog.data.checks.same import same
from neocog.data.decode import decode
from neocog.data.samples import Samples
from neocog.errors import Unreadable

Members = tuple[NDArray[np.int64], ...]
MOST_BITS = 11  # of 64 in which the pHashes of near duplicates may differ
MOST_BITS_BOTH = 24  # of 128, pHash and dHash together; measured with them, see docs/data_check.md
NEAR_SIDE = (
    32  # pixels of the shorter side below which only exact copies are told: all small pictures are alike
)
CUT_SIDE = 64  # and below which none is taken for a cut of another
PLAIN = 2.0  # grey levels of standard deviation below which a picture is like any other plain one


@dataclass(frozen=True)
class Copies:
    """Groups of pictures, each ascending; a wider kind of group lists only what the narrower ones do not join."""

    exact: Members
    """the same bytes"""
    pixels: Members
    """the same size and pixels in different files"""
    near: Members
    """the same but for scale, compression, brightness, or a cut of a few percent"""
    mirrored: Members
    """one the mirror image of the other, nearly"""


def find_copies(samples: Samples, facts: Facts) -> Copies:
    """All copies among the readable pictures; some are read again to compare them at full size."""
    exact, pixels, near, mirrored = (Groups(len(facts)) for _ in range(4))
    readable = np.flatnonzero(facts["readable"])
    join_equal(exact, readable, facts["content"])
    single = representatives(exact, readable)
    _join_pixels(pixels, single, samples, facts)
    fit = representatives(pixels, single)
    fit = fit[_fit_for_near(facts)[fit]]
    _join_near(near, fit, facts, mirror=False)
    _join_scaled(pixels, near, samples, facts)
    _join_near(mirrored, representatives(near, fit), facts, mirror=True)
    return Copies(
        tuple(exact.members()),
        tuple(pixels.members()),
        tuple(group for group in near.members() if len(set(pixels.labels()[group].tolist())) > 1),
        tuple(mirrored.members()),
    )


def join_equal(groups: Groups, indices: NDArray[np.int64], keys: NDArray[np.generic]) -> None:
    """Join those of `indices` whose rows of `keys` (all pictures) are equal."""
    for members in equal_rows(keys[indices]):
        groups.add(_chain(indices[members]))


def representatives(groups: Groups, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of `indices`, the first of each group."""
    _, first = np.unique(groups.labels()[indices], return_index=True)
    return indices[np.sort(first)]


def _chain(members: NDArray[np.int64]) -> Pairs:
    return np.stack([members[:-1], members[1:]], axis=1)


def _fit_for_near(facts: Facts) -> NDArray[np.bool_]:
    fit: NDArray[np.bool_] = np.minimum(facts["width"], facts["height"]) >= NEAR_SIDE
    return fit & (facts["deviation"] >= PLAIN)


def _join_pixels(groups: Groups, indices: NDArray[np.int64], samples: Samples, facts: Facts) -> None:
    """Join equal pixels; where they were decoded at a reduced scale, those in full decide."""
    for members in equal_rows(facts["pixels"][indices]):
        candidates = indices[members]
        keys = full_hashes(samples, candidates) if facts["scaled"][candidates[0]] else None
        for equal in [np.arange(len(candidates))] if keys is None else equal_rows(keys):
            groups.add(_chain(candidates[equal]))


def full_hashes(samples: Samples, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, 16), of the pixels in full; of the index alone where a picture can no longer be read."""
    rows = []
    for i in indices.tolist():
        try:
            image = decode(samples.read(i), 3).image
            rows.append(pixel_hash(image, image.size))
        except Unreadable:  # it was moved away meanwhile
            rows.append(i.to_bytes(16, "big"))
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 16)


def _join_near(groups: Groups, indices: NDArray[np.int64], facts: Facts, mirror: bool) -> None:
    hashes = facts["phash"][indices]
    others = facts["phash_mirror"][indices] if mirror else hashes
    for pairs in near_pairs(hashes, others, MOST_BITS):
        found = indices[pairs]
        found = found[_show_the_same(found, facts, mirror)]
        if len(found):
            groups.add(found)


def _show_the_same(pairs: Pairs, facts: Facts, mirror: bool) -> NDArray[np.bool_]:
    """Which pairs of pictures with near pHashes show the same: the dHashes, then the thumbnails tell."""
    i, j = pairs.T
    behind = "_mirror" if mirror else ""
    bits = np.bitwise_count(facts["phash"][i] ^ facts[f"phash{behind}"][j]).astype(np.int64)
    bits += np.bitwise_count(facts["dhash"][i] ^ facts[f"dhash{behind}"][j])
    found: NDArray[np.bool_] = bits <= MOST_BITS_BOTH
    i, j = i[found], j[found]
    sides = [np.minimum(facts["width"][k], facts["height"][k]) for k in (i, j)]
    other = facts["thumb"][j][:, :, ::-1] if mirror else facts["thumb"][j]
    found[found] = same(facts["thumb"][i], other, np.minimum(*sides) >= CUT_SIDE)
    return found


def _join_scaled(pixels: Groups, near: Groups, samples: Samples, facts: Facts) -> None:
    """Members of a near group that have one size may have the same pixels, one a JPEG decoded at a reduced scale."""
    for members in near.members():
        sizes = np.stack([facts["width"][members], facts["height"][members]], axis=1)
        for same_size in equal_rows(sizes):
            candidates = members[same_size]
            if len(set(facts["scaled"][candidates].tolist())) > 1:
                for equal in equal_rows(full_hashes(samples, candidates)):
                    pixels.add(_chain(candidates[equal]))
