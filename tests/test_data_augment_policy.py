from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neocog.data.augment.draws import Draws
from neocog.data.augment.erase import Erasing
from neocog.data.augment.jitter import Jitter
from neocog.data.augment.mix import cutmix, mixup
from neocog.data.augment.policy import POLICIES, Augment, RandomCrop, ScaleJitter, policy
from neocog.data.builtin import HERE
from neocog.data.loading.order import Order
from neocog.errors import UserError
from reference.augment import moved

NAMES = ("coffee", "rocket", "camera", "chelsea")
PHOTOGRAPHS = torch.from_numpy(
    np.stack(
        [np.asarray(Image.open(HERE / "whole" / f"{n}.jpg").convert("RGB").resize((48, 40))) for n in NAMES]
    )
)
N = 16
PIXELS = PHOTOGRAPHS.repeat(N // 4, 1, 1, 1)
DRAWS = Draws(1, 2, np.arange(100, 100 + N))


@pytest.mark.parametrize("name", POLICIES)
def test_a_picture_is_changed_alike_in_any_batch(name: str) -> None:
    """A batch of 16 is one of 9 with smaller ones, whatever came before."""
    told = replace(POLICIES[name], size=(32, 36))
    whole = told(PIXELS, DRAWS)
    parts = np.split(np.arange(N), [1, 2, 4, 7])
    changed = [told(PIXELS[torch.from_numpy(part)], DRAWS.rows(part)) for part in parts]
    assert whole.shape == (N, 32, 36, 3)
    assert whole.dtype == torch.uint8
    assert torch.equal(whole, torch.cat(changed))


def test_large_batches_that_are_changed_in_parts_are_changed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = POLICIES["deit"](PIXELS, DRAWS)
    monkeypatch.setattr("neocog.data.augment.policy.AT_ONCE", 3 * PIXELS[0].numel())
    assert torch.equal(POLICIES["deit"](PIXELS, DRAWS), whole)


@pytest.mark.parametrize("name", [n for n in POLICIES if n != "none"])
def test_every_policy_changes_pictures_another_way_each_epoch(name: str) -> None:
    first, again, second = (POLICIES[name](PIXELS, Draws(1, epoch, np.arange(N))) for epoch in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != second).flatten(1).any(1).sum() > N / 4
    assert torch.equal(PIXELS[:4], PHOTOGRAPHS)  # what was given stays as it was


def test_nothing_is_done_by_default() -> None:
    assert torch.equal(Augment()(PIXELS, DRAWS), PIXELS)
    pixels, targets = Augment().mix(PIXELS, torch.eye(N), DRAWS)
    assert torch.equal(pixels, PIXELS)
    assert torch.equal(targets, torch.eye(N))


@pytest.mark.parametrize(
    "name", ["none", "digits", "resnet-cifar", "randaugment", "trivialaugment", "augmix", "deit"]
)
def test_grey_pictures_are_welcome(name: str) -> None:
    assert POLICIES[name](PIXELS[..., :1], DRAWS).shape == (N, 40, 48, 1)


def test_the_cifar_policy_is_a_mirror_then_padding_by_four_and_a_crop() -> None:
    pixels = PIXELS[:, :32, :32]
    found = POLICIES["resnet-cifar"](pixels, DRAWS).numpy()
    mirrored = DRAWS.uniform("flip")[:, 0] < 0.5
    offsets = (DRAWS.uniform("shift", 2) * 9).floor().long() - 4
    for i in range(N):
        own = pixels[i].numpy()[:, ::-1] if mirrored[i] else pixels[i].numpy()
        assert (found[i] == moved(own, int(offsets[i, 0]), int(offsets[i, 1]), 0)).all()
    assert offsets.min() == -4
    assert offsets.max() == 4
    assert 0 < mirrored.sum() < N


def test_with_both_half_of_the_pictures_get_cutmix_and_half_mixup() -> None:
    targets = torch.eye(N)
    found, mixed = Augment(mixup=0.8, cutmix=1.0).mix(PIXELS, targets, DRAWS)
    cut, blend = cutmix(PIXELS, targets, DRAWS, 1.0), mixup(PIXELS, targets, DRAWS, 0.8)
    chosen = (DRAWS.uniform("mix.cut")[:, 0] < 0.5).tolist()
    assert 3 < sum(chosen) < N - 3
    for i, is_cut in enumerate(chosen):
        wanted = cut if is_cut else blend
        assert torch.equal(found[i], wanted[0][i].float())
        assert torch.equal(mixed[i], wanted[1][i])
    assert torch.equal(Augment(cutmix=1.0).mix(PIXELS, targets, DRAWS)[0], cut[0])
    assert torch.equal(Augment(mixup=0.8).mix(PIXELS, targets, DRAWS)[0], blend[0])


def test_repeated_pictures_are_changed_in_different_ways() -> None:
    """The order counts the copies of a picture, the random numbers tell them apart."""
    order = Order(size=4, batch_size=12, repeats=3)
    picks = order.epoch(1)
    draws = Draws(order.seed, 1, picks.indices, picks.copies)
    found = POLICIES["randaugment"](PHOTOGRAPHS[torch.from_numpy(picks.indices)], draws)
    assert np.bincount(picks.indices).tolist() == [3, 3, 3, 3]
    assert len({one.numpy().tobytes() for one in found}) == 12


def test_policies_are_found_by_name_or_made_of_a_text() -> None:
    assert policy("alexnet-2012") == Augment(crop=ScaleJitter(256 / 224, 256 / 224), flip=True, lighting=0.1)
    assert policy("rand-m5-n1") == Augment(auto="rand-m5-n1")
    with pytest.raises(UserError, match="unknown augmentation 'alexnet'; did you mean alexnet-2012"):
        policy("alexnet")
    with pytest.raises(UserError, match="m of rand must be from 0 to 10, got 99"):
        policy("rand-m99")


def test_settings_name_what_is_not_the_default() -> None:
    told = Augment(size=(32, 36), crop=RandomCrop(), flip=True, shift=0.25, jitter=Jitter(0.4, hue=0.1))
    assert told.settings() == (
        "size 32..36, crop scale 0.08..1 ratio 0.75..1.33, flip on, shift 0.25, "
        "jitter brightness 0.4 contrast 0 saturation 0 hue 0.1"
    )
    assert Augment().settings() == "nothing"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": (0, 3)}, "size of an augmentation must be two numbers from 1 on, got (0, 3)"),
        ({"shift": 0.5}, "shift of an augmentation must lie in 0..0.5, below 0.5, got 0.5"),
        ({"shift_fill": 256}, "shift_fill of an augmentation must lie in 0..255 or be None, got 256"),
        ({"lighting": -0.1}, "lighting of an augmentation must be at least 0, got -0.1"),
        ({"mixup": -1.0}, "mixup of an augmentation must be at least 0, got -1.0"),
        ({"cutmix": float("nan")}, "cutmix of an augmentation must be at least 0, got nan"),
        (
            {"crop": RandomCrop((0.5, 0.2))},
            "crop of an augmentation must have ranges above 0, the lower end first",
        ),
        ({"crop": ScaleJitter(0.9, 1.0)}, "crop of an augmentation must"),
        ({"jitter": Jitter(hue=0.6)}, "jitter of an augmentation must be at least 0, the hue at most 0.5"),
        ({"erasing": Erasing(1.2)}, "erasing of an augmentation must have shares of 0..1, ratios above 0"),
        ({"auto": "rand-m9-q1"}, "rand takes m10, n2, mstd0, inc0, p0.5, got 'q1'"),
    ],
)
def test_impossible_policies_are_readable_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        Augment(**fields)
    assert message in str(caught.value)


def test_pictures_of_another_form_are_readable_errors() -> None:
    form = "pictures to augment must be uint8 (n, height, width, 1 or 3 channels), got torch.float32 (16, 40, 48, 3)"
    with pytest.raises(UserError) as caught:
        Augment()(PIXELS.float(), DRAWS)
    assert str(caught.value) == form
    with pytest.raises(UserError, match=r"got torch.uint8 \(16, 3, 40, 48\)"):
        Augment()(PIXELS.permute(0, 3, 1, 2), DRAWS)
    with pytest.raises(UserError, match="got 16 for 4 pictures"):
        Augment()(PHOTOGRAPHS, DRAWS)


def test_no_pictures_are_no_pictures() -> None:
    assert POLICIES["deit"](PIXELS[:0], DRAWS.rows(np.arange(0))).shape == (0, 40, 48, 3)
