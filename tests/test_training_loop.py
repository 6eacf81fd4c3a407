from dataclasses import replace
from math import cos, pi

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score
from torch import Tensor, nn

from neocog.data.augment.policy import Augment
from neocog.data.loading.loader import Loader
from neocog.data.loading.order import Order, Position
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.progress import Silent
from neocog.training.loop import Setting, Task, changed, train_loop
from neocog.training.recipes.named import RECIPES, recipe
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.saving import Saving
from neocog.training.state import Epoch
from quarters import STILL, Doubles, Watching, bits, bright_quarters, drawn, inputs, linear, matrices, task


def noise(n: int, classes: int) -> Labelled:
    rng = np.random.default_rng(5)
    return Labelled(rng.integers(0, 256, (n, 6, 8, 1), dtype=np.uint8), np.arange(n) % classes)


def convolutional() -> nn.Module:
    return drawn(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 4))


def trained(net: nn.Module, seed: int = 0, **changes: float | bool) -> tuple[nn.Module, list[Epoch]]:
    run = train_loop(net, task(), replace(Recipe(epochs=3), **changes), seed, Silent())  # type: ignore[arg-type]
    assert not run.interrupted
    return net, run.epochs


def test_a_separable_problem_is_learned_completely() -> None:
    net, rows = trained(convolutional(), epochs=15, batch_size=16, augment=Augment(shift=0.2))
    fresh = bright_quarters(100, seed=9)
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(inputs(fresh)).float().view(-1, 1, 6, 8))
    assert (logits.argmax(1).numpy() == fresh.labels).all()
    assert [row.epoch for row in rows] == list(range(1, 16))


@pytest.mark.parametrize("flip", [False, True])
def test_the_same_seed_gives_the_same_weights_bit_for_bit(flip: bool) -> None:
    """Whatever was drawn before in the process, and with dropout."""
    one = trained(convolutional(), seed=4, augment=Augment(flip=flip))
    torch.rand(3)
    other = trained(convolutional(), seed=4, augment=Augment(flip=flip))
    assert bits(one[0]) == bits(other[0])
    assert one[1] == other[1]


def test_another_seed_gives_other_weights() -> None:
    assert bits(trained(linear(), seed=4)[0]) != bits(trained(linear(), seed=5)[0])


def test_training_leaves_the_random_numbers_and_threads_of_the_process_alone() -> None:
    torch.set_num_threads(2)
    net, before = convolutional(), torch.get_rng_state()
    trained(net)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_the_pictures_are_left_as_they_are() -> None:
    given, same = task(), task()
    train_loop(convolutional(), given, replace(STILL, augment=Augment(flip=True, shift=0.2)), 0, Silent())
    assert (given.train.pixels == same.train.pixels).all()


def share_of_rate(step: int, steps: int, warm: int) -> float:
    """A line up to step `warm`, which is the first with all of the rate, and half a wave down to the end."""
    if step < warm:
        return (step + 1) / (warm + 1)
    return (1 + cos(pi * (step - warm) / (steps - warm))) / 2


def adamw(net: nn.Module, part: Labelled, told: Recipe) -> list[Doubles]:
    """Weight and bias of a linear network after a step on all pictures per epoch (Loshchilov and Hutter 2019)."""
    x, target = inputs(part), np.eye(4)[part.labels] * (1 - told.smoothing) + told.smoothing / 4
    w = list(matrices(net))
    mean, square = [0.0, 0.0], [0.0, 0.0]
    for step in range(1, told.epochs + 1):
        residual = (softmax(x @ w[0].T + w[1], axis=1) - target) / len(x)
        lr = told.lr * share_of_rate(step - 1, told.epochs, round(told.warmup * told.epochs))
        for i, gradient in enumerate((residual.T @ x, residual.sum(0))):
            mean[i] = 0.9 * mean[i] + 0.1 * gradient
            square[i] = 0.999 * square[i] + 0.001 * gradient**2
            direction = (mean[i] / (1 - 0.9**step)) / (np.sqrt(square[i] / (1 - 0.999**step)) + 1e-8)
            w[i] = w[i] - lr * told.weight_decay * w[i] - lr * direction
    return w


@pytest.mark.parametrize(("epochs", "tolerance"), [(1, 1e-7), (6, 1e-5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_steps_are_adamws_by_hand(epochs: int, tolerance: float, smoothing: float) -> None:
    """The first step moves a weight by 4e-4, six by up to 0.3; single precision turns a small gradient a little."""
    net, part = linear(), bright_quarters(40)
    told = replace(
        STILL, epochs=epochs, lr=0.1, warmup=0.25, weight_decay=0.5, smoothing=smoothing, decay_all=True
    )
    expected = adamw(net, part, told)
    train_loop(net, task(part), told, 0, Silent())
    for found, wanted in zip(matrices(net), expected, strict=True):
        assert np.abs(found - wanted).max() <= tolerance


def test_batch_norm_gathers_its_statistics_while_training() -> None:
    net, part = drawn(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(48, 4)), bright_quarters(40)
    train_loop(net, task(part), STILL, 0, Silent())
    norm, x = net[0], inputs(part)  # type: ignore[index]
    assert float(norm.running_mean) == pytest.approx(0.1 * x.mean(), rel=1e-5)  # single precision
    assert float(norm.running_var) == pytest.approx(0.9 + 0.1 * x.var(ddof=1), rel=1e-5)


def test_the_rate_of_each_step_follows_its_share_of_all_steps() -> None:
    """Five steps an epoch, of 16 pictures each; the rows show the rate of each epoch's last step."""
    _, rows = trained(linear(), epochs=4, batch_size=18, lr=0.3, warmup=0.2)
    expected = [0.3 * share_of_rate(5 * epoch - 1, 20, 4) for epoch in (1, 2, 3, 4)]
    assert [row.lr for row in rows] == pytest.approx(expected)


def shifted(picture: NDArray[np.uint8], down: int, right: int, mirrored: bool) -> NDArray[np.uint8]:
    """Every pixel comes from `down` and `right` of it, beyond the border from the border; then left becomes right."""
    height, width, _ = picture.shape
    out = np.empty_like(picture)
    for y in range(height):
        for x in range(width):
            source = picture[min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)]
            out[y, width - 1 - x if mirrored else x] = source
    return out


def epoch_of(part: Labelled, told: Recipe, seed: int = 0, epoch: int = 0) -> list[tuple[Tensor, Tensor]]:
    with Loader(part, Order(size=len(part), batch_size=told.batch_size, seed=seed)) as loader:
        loader.seek(Position(seed, epoch))
        return [changed(batch, told.augment, 300) for batch in loader]


@pytest.mark.parametrize("flip", [False, True])
def test_a_picture_is_shifted_with_its_border_repeated_and_mirrored(flip: bool) -> None:
    """Each of 600 draws is one of the literal pictures, and each of these is drawn."""
    picture = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    reach = (range(-1, 2), range(-2, 3))  # a quarter of 6 and of 8, rounded down
    mirrors = (False, True) if flip else (False,)
    literal = {shifted(picture, d, r, m).tobytes() for d in reach[0] for r in reach[1] for m in mirrors}
    assert len(literal) == 15 * len(mirrors)
    part = Labelled(np.repeat(picture[None], 600, 0), np.zeros(600, np.int64))
    drawn = epoch_of(part, Recipe(augment=Augment(shift=0.25, flip=flip)))
    assert {row.numpy().tobytes() for pixels, _ in drawn for row in pixels} == literal


def test_without_shift_and_mirror_a_picture_stays() -> None:
    part = Labelled(bright_quarters(9).pixels, np.arange(9))
    for pixels, places in epoch_of(part, STILL):
        assert (pixels.numpy() == part.pixels[places.numpy()]).all()


def test_the_batch_size_changes_neither_the_order_nor_the_augmented_pictures() -> None:
    part = bright_quarters(50)
    told = [replace(STILL, augment=Augment(shift=0.2, flip=True), batch_size=size) for size in (1, 7, 50)]
    one, *others = [torch.cat([pixels for pixels, _ in epoch_of(part, r, 3, 2)]) for r in told]
    assert all(torch.equal(one, other) for other in others)


def test_each_epoch_changes_the_pictures_anew() -> None:
    part = Labelled(np.repeat(bright_quarters(1).pixels, 40, 0), np.arange(40))
    told = replace(STILL, augment=Augment(flip=True, shift=0.3))
    one, other = (torch.cat([pixels for pixels, _ in epoch_of(part, told, epoch=n)]) for n in (0, 1))
    assert not torch.equal(one, other)


def test_the_pictures_of_an_epoch_arrive_with_their_labels_in_an_order_of_its_own() -> None:
    """What the order itself promises is tested with it."""
    part = Labelled(np.arange(40, dtype=np.uint8).repeat(48).reshape(40, 6, 8, 1), np.arange(40) * 7)
    one, other = (epoch_of(part, replace(STILL, batch_size=9), epoch=n) for n in (0, 1))
    labels = [torch.cat([labels for _, labels in epoch]) for epoch in (one, other)]
    assert torch.equal(torch.cat([pixels[:, 0, 0, 0] for pixels, _ in one]).long() * 7, labels[0])
    assert sorted(labels[0].tolist()) == list(range(0, 280, 7))
    assert not torch.equal(*labels)


@pytest.mark.parametrize("classes", [4, 12])
def test_metrics_are_those_of_scikit_learn(classes: int) -> None:
    """With dropout, which judging must not use, on more pictures than are judged at once."""
    net = drawn(nn.Flatten(), nn.Linear(48, 24), nn.Dropout(0.5), nn.Tanh(), nn.Linear(24, classes))
    judged = noise(150, classes)
    rows = train_loop(net, task(noise(70, classes), judged), replace(STILL, epochs=2), 0, Silent()).epochs
    with torch.no_grad():
        logits = net.double().eval()(torch.from_numpy(inputs(judged)).view(-1, 1, 6, 8)).numpy()
    probabilities = softmax(logits, axis=1)
    row, k = rows[-1], min(5, classes)
    assert row.judged.loss == pytest.approx(
        log_loss(judged.labels, probabilities), rel=1e-5
    )  # single precision
    assert row.judged.top1 == accuracy_score(judged.labels, logits.argmax(1))
    assert row.judged.top5 == pytest.approx(
        1 if k == classes else top_k_accuracy_score(judged.labels, logits, k=k)
    )


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_training_loss_is_the_mean_over_pictures_not_over_batches(accumulate: int) -> None:
    net, part = linear(), bright_quarters(51)
    weight, bias = matrices(net)
    told = replace(STILL, lr=1e-12, batch_size=33, accumulate=accumulate)
    rows = train_loop(net, task(part), told, 0, Silent()).epochs
    expected = -log_softmax(inputs(part) @ weight.T + bias, axis=1)[np.arange(51), part.labels].mean()
    assert rows[0].train_loss == pytest.approx(
        expected, rel=1e-5
    )  # single precision; the weights hardly move


def test_the_progress_counts_every_picture() -> None:
    told = Watching()
    train_loop(linear(), task(), replace(STILL, epochs=3, batch_size=32), 0, told)
    assert told.done == told.total == 240


@pytest.mark.parametrize(("steps", "epochs"), [(1, 0), (3, 0), (4, 1), (8, 2)])
def test_an_interrupted_run_returns_the_finished_epochs(steps: int, epochs: int) -> None:
    """80 pictures by 32 are three steps."""
    told = replace(STILL, epochs=3, batch_size=32)
    expected = train_loop(linear(), task(), told, 0, Silent()).epochs
    run = train_loop(linear(), task(), told, 0, Silent(), Setting(Saving(steps=steps)))
    assert run.interrupted == f"{steps} steps are done"
    assert run.epochs == expected[:epochs]


def test_a_loss_that_is_no_number_is_a_readable_error() -> None:
    with pytest.raises(
        UserError, match=r"the loss became (nan|inf) in step [23] of epoch [23]; use a smaller --lr"
    ):
        train_loop(linear(), task(), Recipe(epochs=3, lr=1e30, batch_size=80), 0, Silent())


class Spoiled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((4,), float("nan")))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((1, 2, 3))[:, None] * self.weight


def test_weights_that_are_no_numbers_are_a_readable_error_in_the_first_step() -> None:
    with pytest.raises(UserError, match="the loss became nan in step 1 of epoch 1"):
        train_loop(Spoiled(), task(), STILL, 0, Silent())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"lr": 0.0}, "lr must be above 0, got 0.0"),
        ({"lr": float("nan")}, "lr must be above 0, got nan"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, got -0.1"),
        ({"warmup": 1.0}, "warmup must lie in 0..1, below 1, got 1.0"),
        ({"smoothing": 1.0}, "smoothing must lie in 0..1, below 1, got 1.0"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_in_words(change: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as refused:
        replace(Recipe(), **change)  # type: ignore[arg-type]
    assert str(refused.value) == message


@pytest.mark.parametrize("name", [name for name, of in RECIPES.items() if isinstance(of, Recipe)])
def test_a_recipe_is_found_by_its_name(name: str) -> None:
    assert recipe(name) is RECIPES[name]


def test_an_unknown_recipe_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown recipe 'scrach'; did you mean scratch"):
        recipe("scrach")


def test_no_batch_holds_a_single_picture_where_batch_norm_needs_two() -> None:
    norm = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    part = Labelled(np.zeros((65, 2, 2, 1), np.uint8), np.arange(65) % 2)
    plain = Preprocess(size=(2, 2), channels=1, mean=(0.5,), std=(0.5,))
    rows = train_loop(norm, Task(part, part, plain), Recipe(epochs=1, batch_size=64), 0, Silent()).epochs
    assert len(rows) == 1
