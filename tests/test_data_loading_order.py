"""The order of pictures: what is computed again from the paper's words, and laws that hold for any sizes."""

from __future__ import annotations

import itertools
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from neocog.data.loading.order import Order, Position, balanced, drawn
from neocog.errors import UserError

MASK = 2**64 - 1
seeds = st.integers(-(2**63), 2**63 - 1)


def philox(counter: list[int], key: list[int]) -> list[int]:
    """A block of Philox4x64-10, from figure and table 2 of Salmon et al. 2011."""
    for _ in range(10):
        high0, low0 = divmod(0xD2E7470EE14C6C93 * counter[0], 2**64)
        high1, low1 = divmod(0xCA5A826395121157 * counter[2], 2**64)
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


def words(seed: int, epoch: int, count: int) -> list[int]:
    blocks = (philox([i, 0, 0, 0], [seed & MASK, epoch]) for i in itertools.count(1))
    return list(itertools.islice(itertools.chain.from_iterable(blocks), count))


def test_the_reference_generator_gives_the_authors_known_answer() -> None:
    """First line for philox4x64 of Random123's tests/kat_vectors."""
    expected = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert philox([0, 0, 0, 0], [0, 0]) == expected


@given(size=st.integers(1, 60), seed=seeds, epoch=st.integers(0, 10**6))
@settings(max_examples=40)
def test_an_epoch_sorts_the_pictures_by_numbers_of_its_own(size: int, seed: int, epoch: int) -> None:
    keys = words(seed, epoch, size)
    expected = sorted(range(size), key=lambda i: keys[i])
    assert Order(size=size, batch_size=4, seed=seed).epoch(epoch).indices.tolist() == expected


sizes = st.fixed_dictionaries(
    {
        "size": st.integers(1, 70),
        "batch_size": st.integers(1, 20),
        "seed": seeds,
        "repeats": st.integers(1, 4),
        "shuffle": st.booleans(),
    }
)
worlds = st.integers(1, 7)


def ranks(world: int, told: dict[str, int]) -> list[Order]:
    return [Order(**told, world=world, rank=rank) for rank in range(world)]  # type: ignore[arg-type]


def dealt(told: dict[str, int], world: int) -> list[Order]:
    """An order for each rank, of as many processes as every batch has pictures for, at most `world`."""
    (alone,) = ranks(1, told)
    return ranks(min(world, alone.places // alone.batch_count), told)


def batches(order: Order, position: Position) -> list[list[tuple[int, int]]]:
    """Pictures and their copies."""
    found = order.batches(position)
    return [list(zip(picks.indices.tolist(), picks.copies.tolist(), strict=True)) for picks in found]


def interleaved(orders: list[Order], position: Position) -> list[list[tuple[int, int]]]:
    """Each batch of all ranks, a place of each rank in turn."""
    shares = [batches(order, position) for order in orders]
    return [
        [pair for row in itertools.zip_longest(*step) for pair in row if pair is not None]
        for step in zip(*shares, strict=True)
    ]


@given(told=sizes, world=worlds, epoch=st.integers(0, 5))
def test_over_all_ranks_each_copy_of_each_picture_comes_exactly_once(
    told: dict[str, int], world: int, epoch: int
) -> None:
    shares = [order.epoch(epoch) for order in dealt(told, world)]
    seen = [pair for share in shares for pair in zip(share.indices, share.copies, strict=True)]
    assert sorted(seen) == list(itertools.product(range(told["size"]), range(told["repeats"])))


@given(told=sizes, world=worlds)
def test_the_ranks_interleaved_are_the_batches_that_one_process_sees(
    told: dict[str, int], world: int
) -> None:
    start = Position(told["seed"], 3)
    orders = dealt(told, world)
    assert interleaved(orders, start) == interleaved(ranks(1, told), start)
    ends = {tuple(order.ends(start)) for order in orders}
    counts = [len(batch) for batch in interleaved(orders, start)]
    assert ends == {tuple(Position(told["seed"], 3, done) for done in itertools.accumulate(counts))}


@given(told=sizes, world=worlds, epoch=st.integers(0, 5))
def test_batches_are_nearly_equal_and_no_rank_has_an_empty_share(
    told: dict[str, int], world: int, epoch: int
) -> None:
    start = Position(told["seed"], epoch)
    orders = dealt(told, world)
    lengths = [len(batch) for batch in interleaved(orders, start)]
    places = told["size"] * told["repeats"]
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= min(2, told["batch_size"], places)
    assert max(lengths) <= told["batch_size"] + (told["batch_size"] == 2 and places % 2)
    assert len(lengths) == orders[0].batch_count
    for order in orders:
        shares = batches(order, start)
        assert all(
            len(share) - length // len(orders) in (0, 1)
            for share, length in zip(shares, lengths, strict=True)
        )
        assert min(map(len, shares)) >= 1
        assert max(map(len, shares)) <= order.largest_batch
        joined = [index for share in shares for index, _ in share]
        assert joined == order.epoch(epoch).indices.tolist()
    assert orders[0].largest_batch == max(map(len, batches(orders[0], start)))


def test_no_batch_has_a_single_picture_unless_one_is_asked_for() -> None:
    start = Position(0, 0)
    for size, batch_size, lengths in (
        (7, 2, [3, 2, 2]),
        (7, 3, [3, 2, 2]),
        (9, 4, [3, 3, 3]),
        (3, 1, [1, 1, 1]),
    ):
        assert [len(picks) for picks in Order(size=size, batch_size=batch_size).batches(start)] == lengths


@given(told=sizes, before=worlds, after=worlds, share=st.floats(0, 1))
def test_another_number_of_processes_goes_on_where_the_first_were(
    told: dict[str, int], before: int, after: int, share: float
) -> None:
    """Nothing is lost, nothing comes twice, and the batches stay what they would have been."""
    start = Position(told["seed"], 1)
    first = dealt(told, before)
    step = floor(share * first[0].batch_count)
    done = [start, *first[0].ends(start)][step]
    seen = interleaved(first, start)[:step] + interleaved(dealt(told, after), done)
    assert seen == interleaved(ranks(1, told), start)


@given(told=sizes, share=st.floats(0, 1), epoch=st.integers(0, 5))
def test_from_any_position_exactly_the_rest_follows(told: dict[str, int], share: float, epoch: int) -> None:
    (order,) = ranks(1, told)
    picks = order.epoch(epoch)
    done = floor(share * len(picks))
    stored = Position(told["seed"], epoch, done).to_json()
    rest = list(order.batches(Position.from_json(stored)))
    for what in ("indices", "copies"):
        found = [value for batch in rest for value in getattr(batch, what).tolist()]
        assert found == getattr(picks, what).tolist()[done:]
    whole = [len(batch) for batch in order.batches(Position(told["seed"], epoch))]
    ends = set(itertools.accumulate(whole))
    assert {done + end for end in itertools.accumulate(len(batch) for batch in rest)} <= ends


@given(size=st.integers(1, 300), world=st.integers(1, 8), repeats=st.integers(1, 5), seed=st.integers(0, 9))
def test_a_shorter_epoch_of_repeats_is_timms_repeated_augmentation_sampler(
    size: int, world: int, repeats: int, seed: int
) -> None:
    """RASampler of timm/data/distributed_sampler.py, written out; without its padding, which ours never needs."""
    permutation = Order(size=size, batch_size=1, seed=seed).epoch(0).indices
    selected = floor(size // 16 * 16 / world)  # timm rounds to 256 pictures
    if selected == 0:
        return
    total = len(permutation) * repeats
    for rank in range(world):
        repeated = np.repeat(permutation, repeats)[rank:total:world][:selected]
        order = Order(
            size=size,
            batch_size=selected * world,
            seed=seed,
            world=world,
            rank=rank,
            repeats=repeats,
            length=selected * world,
        )
        assert order.epoch(0).indices.tolist() == repeated.tolist()


def test_copies_of_a_picture_fall_to_different_ranks() -> None:
    shares = [
        Order(size=20, batch_size=30, repeats=3, world=5, rank=rank).epoch(0).indices for rank in range(5)
    ]
    assert all(len(set(share)) == len(share) for share in shares)


weights = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0, 1e-9, 1e9]), min_size=1, max_size=30).filter(any)


@given(weights=weights, seed=seeds, length=st.integers(1, 60))
def test_weighted_places_invert_the_distribution(weights: list[float], seed: int, length: int) -> None:
    """A number in 0..1 falls into the stretch of one picture, as long as its weight."""
    order = Order(size=len(weights), batch_size=4, seed=seed, weights=np.array(weights), length=length)
    bounds = list(itertools.accumulate(weights))
    expected = []
    for word in words(seed, 2, length):
        point = (word >> 11) / 2**53 * bounds[-1]
        expected.append(next(i for i, bound in enumerate(bounds) if bound > point))
    picks = order.epoch(2)
    assert picks.indices.tolist() == expected
    assert picks.copies.tolist() == [expected[:k].count(index) for k, index in enumerate(expected)]


@given(st.integers(1, 5), st.integers(1, 5), st.sampled_from([1e-300, 0.1, 1.0, 1e300]))
def test_the_ends_of_the_range_do_not_draw_a_weight_of_zero(before: int, after: int, weight: float) -> None:
    """The least and the greatest of all numbers, with weights of zero on both sides of the only other one."""
    words = np.array([0, MASK], np.uint64)
    assert (drawn(np.array([0.0] * before + [weight] + [0.0] * after), words) == before).all()


def test_balanced_weights_draw_each_class_equally_often() -> None:
    labels = np.repeat([0, 1, 3], [900, 90, 10])
    picks = Order(size=1000, batch_size=10, weights=balanced(labels), length=30_000).epoch(0)
    counts = np.bincount(labels[picks.indices], minlength=4)
    assert counts[2] == 0
    assert chisquare(counts[[0, 1, 3]]).pvalue > 1e-3
    assert chisquare(np.bincount(picks.indices)[:900]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"rank": 2, "world": 2}, "rank must lie in 0..world - 1, got 2 of 2"),
        ({"world": 11}, "an epoch must have a picture for each process, got 10"),
        (
            {"world": 5},
            "batch_size must give each of the 5 processes a picture of every batch, got 4; use 5 or more",
        ),
        (
            {"world": 4},
            "batch_size must give each of the 4 processes a picture of every batch, got 4; use 5 or more",
        ),
        ({"length": 11}, "without weights an epoch has at most 10 places, got 11"),
        ({"weights": np.ones(10), "shuffle": False}, "weights need a shuffled order, got shuffle=False"),
        ({"weights": np.ones(9)}, r"there must be a weight for each of the 10 pictures, got \(9,\)"),
        ({"weights": -np.ones(10)}, "weights must be finite and not negative, one of them above 0"),
        ({"weights": np.zeros(10)}, "weights must be finite and not negative, one of them above 0"),
        ({"weights": np.full(10, np.nan)}, "weights must be finite and not negative, one of them above 0"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_words(told: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}$"):
        Order(**{"size": 10, "batch_size": 4, **told})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"seed": 1, "epoch": 2}, "whole numbers seed, epoch and done"),
        ({"seed": 1, "epoch": 2, "done": 3.0}, "whole numbers seed, epoch and done"),
        ({"seed": 1, "epoch": -2, "done": 3}, "must not be negative"),
    ],
)
def test_a_position_that_is_none_is_refused(stored: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Position.from_json(stored)


@pytest.mark.parametrize(
    ("position", "message"),
    [(Position(1, 0), "belongs to seed 1, the order has seed 0"), (Position(0, 0, 11), "has 10 places")],
)
def test_a_position_of_another_run_is_refused(position: Position, message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(Order(size=10, batch_size=4).batches(position))
