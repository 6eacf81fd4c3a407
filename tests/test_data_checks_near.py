from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from neocog.data.checks import near, similar
from neocog.data.checks.near import Groups, equal_rows, near_pairs
from neocog.data.checks.similar import similar_pairs

words = st.integers(0, 2**64 - 1)


def found(hashes: NDArray[np.uint64], others: NDArray[np.uint64], most: int) -> set[tuple[int, int]]:
    return {(int(i), int(j)) for pairs in near_pairs(hashes, others, most) for i, j in pairs}


def all_pairs(hashes: list[int], others: list[int], most: int) -> set[tuple[int, int]]:
    pairs = combinations(range(len(hashes)), 2)
    return {(i, j) for i, j in pairs if (hashes[i] ^ others[j]).bit_count() <= most}


@given(st.integers(0, 2**32), st.integers(0, 11))
@settings(max_examples=20)
def test_the_pairs_are_those_that_comparing_all_finds(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, 40, np.uint64)
    for i in range(20, 40):  # near ones, by up to 14 flipped bits
        flips = rng.choice(64, rng.integers(0, 15), replace=False)
        hashes[i] = hashes[i - 20] ^ np.bitwise_or.reduce(
            np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0)
        )
    assert found(hashes, hashes, most) == all_pairs(hashes.tolist(), hashes.tolist(), most)
    others = rng.permutation(hashes)
    assert found(hashes, others, most) == all_pairs(hashes.tolist(), others.tolist(), most)


def test_equal_hashes_without_number_are_compared_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "MOST_PAIRS", 7)
    hashes = np.full(30, 99, np.uint64)
    assert found(hashes, hashes, 0) == set(combinations(range(30), 2))


@given(st.integers(1, 30), st.data())
def test_groups_are_what_chains_of_pairs_connect(n: int, data: st.DataObject) -> None:
    index = st.integers(0, n - 1)
    batches = data.draw(st.lists(st.lists(st.tuples(index, index), min_size=1, max_size=4), max_size=8))
    groups, colours = Groups(n), list(range(n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "MOST_PAIRS", 3)
        for batch in batches:
            groups.add(np.array(batch, np.int64))
            for i, j in batch:
                colours = [colours[i] if colour == colours[j] else colour for colour in colours]
    wanted = {tuple(i for i in range(n) if colours[i] == colour) for colour in colours}
    assert [tuple(g.tolist()) for g in groups.members()] == sorted(
        group for group in wanted if len(group) > 1
    )


@given(st.lists(st.binary(min_size=2, max_size=2), max_size=20))
def test_equal_rows_are_gathered(rows: list[bytes]) -> None:
    keys = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 2)
    places: dict[bytes, list[int]] = {}
    for i, row in enumerate(rows):
        places.setdefault(row, []).append(i)
    assert [g.tolist() for g in equal_rows(keys)] == [p for p in places.values() if len(p) > 1]


def test_similar_pairs_are_those_of_the_whole_matrix_of_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "ROWS", 7)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 5))
    vectors[9], vectors[33, 0], wanted = 0, np.nan, rng.random(40) < 0.8
    pairs = {(int(i), int(j)) for block in similar_pairs(vectors, wanted, 0.7) for i, j in block}
    usable = [i for i in range(40) if wanted[i] and i not in (9, 33)]

    def cosine(i: int, j: int) -> float:
        lengths = float(np.sqrt((vectors[i] ** 2).sum() * (vectors[j] ** 2).sum()))
        return float((vectors[i] * vectors[j]).sum()) / lengths

    assert pairs == {(i, j) for i, j in combinations(usable, 2) if cosine(i, j) >= 0.7}
    assert pairs
