import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from neocog.data.augment.policy import Augment
from neocog.data.loading.pictures import Labelled
from neocog.data.preprocess import Preprocess
from neocog.progress import Silent
from neocog.training.loop import Setting, Task, train_loop
from neocog.training.processes.distributed import World
from neocog.training.recipes.recipe import Recipe
from neocog.training.resume.checkpoint import read_checkpoint, steps
from neocog.training.resume.saving import Saving
from runs import WORDS, Going, make_data, newest, without_clock
from worlds import free_port, in_world, variables

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")
ALONE = World()
N, BATCH, EPOCHS = 83, 8, 2  # the last of the 11 batches of an epoch are smaller
GREY = Preprocess(size=(6, 6), channels=1, mean=(0.0,), std=(1.0,))
Seen = list[list[int]]


class Watching(nn.Module):
    """Notes which pictures it is shown in training; a picture's first pixel is its number."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen.append((x[:, 0, 0, 0] * 255).round().int().tolist())
        return x


def numbered(n: int) -> Labelled:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (n, 6, 6, 1), dtype=np.uint8)
    pixels[:, 0, 0, 0] = np.arange(n)
    return Labelled(pixels, np.arange(n) % 3)


def learn(world: World, folder: Path, stop: int | None) -> Seen:
    """Go on in `folder` until `stop` steps are done, saving after each; what the process saw at each step."""
    torch.manual_seed(7)
    net = nn.Sequential(
        Watching(), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )
    recipe = Recipe(epochs=EPOCHS, batch_size=BATCH, optimizer="nesterov", lr=0.02, augment=Augment())
    saving = Saving(folder=folder, every=0, keep=99, resume=True, steps=stop)
    train_loop(net, Task(numbered(N), numbered(31), GREY), recipe, 3, Silent(), Setting(saving, world=world))
    seen: Seen = net[0].seen  # type: ignore[assignment]
    return seen


def learned(folder: Path, size: int, stop: int | None = None) -> Seen:
    """The same in `size` processes: the pictures of each global batch, in the order of its places."""
    if size == 1:
        return learn(ALONE, folder, stop)
    shares = in_world(size, learn, folder, stop)
    return [
        [i for i in chain.from_iterable(zip_longest(*step)) if i is not None]
        for step in zip(*shares, strict=True)
    ]


def losses(folder: Path) -> list[float]:
    """Summed over the pictures of the epoch so far, after each step that was the last of no epoch."""
    return [
        read_checkpoint(folder / "checkpoints", step).facts["loss"] for step in steps(folder / "checkpoints")
    ]


@pytest.mark.parametrize("sizes", [(2, 1), (1, 2)])
def test_a_run_goes_on_in_another_number_of_processes_at_the_same_picture(
    tmp_path: Path, sizes: tuple[int, int]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    one = learned(whole, 1)
    for epoch in range(EPOCHS):
        shown = one[epoch * len(one) // EPOCHS :][: len(one) // EPOCHS]
        assert sorted(chain.from_iterable(shown)) == list(range(N))
    assert learned(parts, sizes[0], stop=9) + learned(parts, sizes[1]) == one
    assert len(one) == 22
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-5)
    rows = [
        read_checkpoint(folder / "checkpoints", steps(folder / "checkpoints")[-1]).facts["rows"]
        for folder in (whole, parts)
    ]
    assert [row["judged"]["top1"] for row in rows[0]] == [row["judged"]["top1"] for row in rows[1]]


@pytest.fixture
def told_by_torchrun() -> Iterator[list[dict[str, str]]]:
    """What two processes are told whose store outlives them, as torchrun's does."""
    port = free_port()
    store = dist.TCPStore("127.0.0.1", port, None, True, timedelta(seconds=60), wait_for_workers=False)
    yield [variables(rank, 2, port) | {"TORCHELASTIC_USE_AGENT_STORE": "True"} for rank in range(2)]
    del store


def both(
    told: list[dict[str, str]], *words: object, cwd: Path, rank_1: tuple[object, ...] = ()
) -> tuple[Going, Going]:
    return Going(*words, cwd=cwd, told=told[0]), Going(*words, *rank_1, cwd=cwd, told=told[1])


def told_once(told: list[dict[str, str]], *words: object, cwd: Path, rank_1: tuple[object, ...] = ()) -> str:
    """The one line with which both processes end."""
    started = both(told, *words, cwd=cwd, rank_1=rank_1)
    assert [going.end() for going in started] == [2, 2]
    wrong = [line for going in started for line in going.said.splitlines() if line.startswith("neocog: ")]
    assert len(wrong) == 1, wrong
    return wrong[0]


def test_what_is_wrong_in_one_process_or_in_all_is_told_once(
    told_by_torchrun: list[dict[str, str]], tmp_path: Path
) -> None:
    told, place = told_by_torchrun, make_data(tmp_path)
    run = tmp_path / "run"
    assert "nowhere does not exist" in told_once(told, "train", "nowhere", cwd=place)
    assert "runs in one process" in told_once(told, *WORDS[:4], "--recipe", "probe", cwd=place)
    words = (*WORDS, "--epochs", 2, "-o", run)
    assert "val_fraction must lie" in told_once(told, *words, cwd=place, rank_1=("--val-fraction", 2))
    assert not run.exists()


def test_pictures_of_all_processes_are_named_where_a_loss_is_no_number(
    told_by_torchrun: list[dict[str, str]], tmp_path: Path
) -> None:
    place, run = make_data(tmp_path), tmp_path / "run"
    words = (*WORDS, "--epochs", 4, "-m", "net.py:burning", "--save-every", 0, "-o", run)
    said = told_once(told_by_torchrun, *words, cwd=place)
    assert f"the state after step {newest(run)} is kept" in said
    named = said.partition("what was in that step: ")[2].split(", ")
    assert len(named) in (7, 8)
    assert len({name for name in named if (place / name).is_file()}) == len(named)


def test_stopped_together_the_processes_go_on_alone_and_only_the_first_speaks(
    told_by_torchrun: list[dict[str, str]], tmp_path: Path
) -> None:
    told, place, run = told_by_torchrun, make_data(tmp_path), tmp_path / "run"
    words = (*WORDS, "--epochs", 30, "--save-every", 0, "-o", run, "--resume", "auto")
    first, second = both(told, *words, cwd=place)
    assert first.until(lambda: newest(run) >= 9)
    for going in (first, second):
        going.send(signal.SIGTERM)
    assert (first.end(), second.end()) == (130, 0)
    assert "terminated by SIGTERM: saved" in first.said
    assert not second.said
    step = newest(run)
    alone = Going(*words, cwd=place)
    assert alone.end() == 0
    assert f"going on from step {step}" in alone.said
    assert len(without_clock(run)) == 30
    first, second = both(told, *words, cwd=place)
    assert (first.end(), second.end()) == (0, 0)
    assert "nothing left to train" in first.said
    assert not second.said
    assert not (second.folder / "stdout").read_text()
