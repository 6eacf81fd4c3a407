"""The loop learns, repeats itself bit for bit, and its parts are what they say."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch import nn

from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.progress import Silent
from neocog.training.loop import (
    Labelled,
    Task,
    augment,
    normaliser,
    predict_logits,
    train_loop,
    warmup_cosine,
)
from neocog.training.recipe import RECIPES, Recipe, recipe

PREPROCESS = Preprocess(size=(8, 8), channels=1, mean=(0.5,), std=(0.25,))


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(216, 2))


def bars(n: int, seed: int) -> Labelled:
    """Noise with a bright row (class 0) or a bright column (class 1)."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 90, (n, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(n) % 2
    for i, place in enumerate(rng.integers(2, 6, n)):
        pixels[i, place if labels[i] == 0 else slice(None), place if labels[i] else slice(None)] = 255
    return Labelled(pixels, labels.astype(np.int64))


TASK = Task(bars(96, 0), bars(40, 1), PREPROCESS)
RECIPE = Recipe(epochs=12, batch_size=16, lr=0.02, weight_decay=0.01, shift=0.13)


def test_a_small_net_learns_what_can_be_learned() -> None:
    rows, interrupted = train_loop(net(), TASK, RECIPE, 0, Silent())
    assert not interrupted
    assert rows[-1].eval_top1 == 1.0
    assert [row.epoch for row in rows] == list(range(1, 13))


def test_the_last_row_is_what_the_returned_net_scores() -> None:
    trained = net()
    rows, _ = train_loop(trained, TASK, Recipe(epochs=2, lr=0.005), 0, Silent())
    with torch.no_grad():
        x = (torch.from_numpy(TASK.held_out.pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
        likelihood = trained.eval()(x).double().softmax(1).numpy()
    assert rows[-1].eval_top1 == accuracy_score(TASK.held_out.labels, likelihood.argmax(1))
    # single precision against double
    assert rows[-1].eval_loss == pytest.approx(log_loss(TASK.held_out.labels, likelihood), rel=1e-5)


def weights(seed: int) -> bytes:
    trained = net()
    train_loop(trained, TASK, Recipe(epochs=2), seed, Silent())
    return b"".join(p.detach().numpy().tobytes() for p in trained.parameters())


def test_the_same_seed_gives_the_same_bits_whatever_torch_drew_before() -> None:
    first = weights(5)
    torch.rand(1000)
    assert weights(5) == first
    assert weights(6) != first


def test_torchs_own_generator_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = net()
    torch.set_rng_state(before)
    train_loop(model, TASK, Recipe(epochs=1), 0, Silent())
    assert torch.equal(torch.get_rng_state(), before)


def test_one_step_is_adamw_on_the_mean_cross_entropy() -> None:
    """One epoch of one batch without augmentation and warm-up, against torch's optimizer used by hand."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    byhand = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    byhand.load_state_dict(plain.state_dict())
    one = Recipe(epochs=1, batch_size=96, lr=0.01, weight_decay=0.1, warmup=0.0, smoothing=0.1, shift=0.0)
    train_loop(plain, TASK, one, 0, Silent())
    optimizer = torch.optim.AdamW(byhand.parameters(), lr=0.01, weight_decay=0.1)
    x = (torch.from_numpy(TASK.train.pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(byhand(x), torch.from_numpy(TASK.train.labels))
    loss.backward()
    optimizer.step()
    for ours, theirs in zip(plain.parameters(), byhand.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)  # another order of the same sums


@pytest.mark.parametrize("flip", [False, True])
def test_augmentation_shifts_and_mirrors_as_a_loop_over_pixels_does(flip: bool) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (5, 7, 9, 3), dtype=np.uint8)
    settings = Recipe(shift=0.3, flip=flip)
    found = augment(torch.from_numpy(pixels), settings, torch.Generator().manual_seed(4)).numpy()
    draw = torch.Generator().manual_seed(4)
    down = torch.randint(-2, 3, (5, 1), generator=draw).flatten().tolist()
    right = torch.randint(-2, 3, (5, 1), generator=draw).flatten().tolist()
    mirrored = (torch.rand(5, 1, generator=draw) < 0.5).flatten().tolist() if flip else [False] * 5
    assert not flip or 0 < sum(mirrored) < 5
    for i in range(5):
        for row in range(7):
            for col in range(9):
                across = 8 - col if mirrored[i] else col
                source = pixels[i, min(max(row + down[i], 0), 6), min(max(across + right[i], 0), 8)]
                assert (found[i, row, col] == source).all()


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    assert warmup_cosine(0.05, 0.1) == pytest.approx(0.5, abs=0.01)
    assert warmup_cosine(0.1, 0.1) == 1
    assert warmup_cosine(0.55, 0.1) == pytest.approx(0.5)  # half of the way down
    assert warmup_cosine(1.0, 0.1) == pytest.approx(0)
    assert warmup_cosine(0.0, 0.0) == 1
    assert 0 < warmup_cosine(0.0, 0.1) < 0.02


def test_a_loss_that_is_no_number_stops_with_a_way_out() -> None:
    with pytest.raises(UserError, match=r"the loss became (nan|inf) in epoch \d+; use an --lr below 1e\+20"):
        train_loop(net(), TASK, Recipe(lr=1e20, epochs=3, warmup=0.0), 0, Silent())


def test_an_interruption_returns_the_rows_so_far() -> None:
    class Impatient(Silent):
        steps = 0

        def step(self, name: str, total: int):  # type: ignore[no-untyped-def]
            from contextlib import contextmanager

            @contextmanager
            def job():  # type: ignore[no-untyped-def]
                yield self.advance

            return job()

        def advance(self, count: int) -> None:
            self.steps += count
            if self.steps == 15:  # in the third epoch of six steps
                raise KeyboardInterrupt

    rows, interrupted = train_loop(net(), TASK, RECIPE, 0, Impatient())
    assert interrupted
    assert len(rows) == 2


def test_a_small_net_trains_on_one_thread_and_gives_the_others_back() -> None:
    seen = []

    class Watch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(64, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            out: torch.Tensor = self.fc(x.flatten(1))
            return out

    torch.set_num_threads(2)
    train_loop(Watch(), TASK, Recipe(epochs=1), 0, Silent())
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


def test_pictures_are_normalised_in_units_of_0_to_1() -> None:
    pixels = np.array([0, 255, 51], dtype=np.uint8).reshape(1, 1, 3, 1)
    found = normaliser(PREPROCESS, torch.device("cpu"))(torch.from_numpy(pixels))
    assert found.flatten().tolist() == pytest.approx([-2, 2, (0.2 - 0.5) / 0.25])
    assert found.shape == (1, 1, 1, 3)


def test_logits_do_not_depend_on_how_pictures_are_batched() -> None:
    model = net().eval()
    pixels = np.tile(TASK.train.pixels, (2, 1, 1, 1))
    twice = Labelled(pixels, np.tile(TASK.train.labels, 2))
    logits = predict_logits(model, twice, normaliser(PREPROCESS, torch.device("cpu")))
    assert logits.shape == (192, 2)
    assert np.allclose(logits[:96], logits[96:], atol=1e-6)


def test_rows_pick_pictures_without_a_copy_of_the_rest() -> None:
    rows = np.array([5, 2, 9])
    part = Labelled(TASK.train.pixels, TASK.train.labels[rows], rows)
    assert len(part) == 3
    assert np.array_equal(part.take(np.array([2, 0])).numpy(), TASK.train.pixels[[9, 5]])


def test_no_batch_holds_a_single_picture_where_batch_norm_needs_two() -> None:
    norm = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    part = Labelled(TASK.train.pixels[:65], TASK.train.labels[:65])
    rows, _ = train_loop(norm, Task(part, TASK.held_out, PREPROCESS), Recipe(epochs=1), 0, Silent())
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("epochs", 0, "be at least 1"),
        ("batch_size", 0, "be at least 1"),
        ("lr", 0.0, "be above 0"),
        ("lr", float("nan"), "be above 0"),
        ("weight_decay", -1.0, "be at least 0"),
        ("warmup", 1.0, "below 1"),
        ("smoothing", -0.1, "lie in 0..1"),
        ("shift", 0.5, "below 0.5"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_its_rule(field: str, value: float, rule: str) -> None:
    with pytest.raises(UserError, match=f"{field} must .*{rule}.*, got"):
        Recipe(**{field: value})  # type: ignore[arg-type]


def test_recipes_are_found_by_name() -> None:
    assert recipe("digits") is RECIPES["digits"]
    with pytest.raises(UserError, match="did you mean scratch"):
        recipe("scrach")
