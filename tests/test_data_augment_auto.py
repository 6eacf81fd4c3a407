import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from neocog.data.augment import operations
from neocog.data.augment.auto import automatic, parse
from neocog.data.augment.draws import Draws
from neocog.data.builtin import HERE
from neocog.errors import UserError
from reference import augment as ref

Pixels = NDArray[np.uint8]
SIZE = (48, 60)
PHOTOGRAPHS = np.stack(
    [
        np.asarray(Image.open(HERE / "whole" / f"{name}.jpg").convert("RGB").resize(SIZE[::-1]))
        for name in ("coffee", "rocket", "camera", "chelsea")
    ]
)
MANY = PHOTOGRAPHS[np.arange(64) % 4]
DRAWS = Draws(2, 1, np.arange(64))


def automated(text: str, count: int = len(MANY)) -> Pixels:
    planes: Tensor = torch.from_numpy(MANY[:count]).permute(0, 3, 1, 2).contiguous()
    pixels: Pixels = automatic(planes, DRAWS.rows(np.arange(count)), text).permute(0, 2, 3, 1).numpy()
    return pixels


def assert_alike(found: Pixels, expected: list[Pixels]) -> None:
    """Within a grey level but for the odd pixel that a warp takes from beside, which a later operation may stretch."""
    apart = np.abs(found.astype(int) - np.stack(expected)) > 1
    assert apart.mean() < 0.002
    assert apart.mean(axis=(1, 2, 3)).max() < 0.02


def test_randaugment_is_torchvisions_by_pillow() -> None:
    which, signs = (
        DRAWS.integers("auto.which", 3, 14).tolist(),
        (DRAWS.uniform("auto.sign", 3) < 0.5).tolist(),
    )
    expected = []
    for picture, own, negative in zip(MANY, which, signs, strict=True):
        image = ref.to_image(picture)
        for w, minus in zip(own, negative, strict=True):
            name = ref.WIDE[w]
            image = ref.operation(image, name, ref.torchvision_number(name, 11, minus, SIZE, trivial=False))
        expected.append(ref.to_pixels(image))
    assert len({name for own in which for name in own}) == 14
    assert_alike(automated("randaugment-m11-n3"), expected)


def test_trivialaugment_is_torchvisions_by_pillow() -> None:
    which, strengths = (
        DRAWS.integers("auto.which", 1, 14).tolist(),
        DRAWS.integers("auto.strength", 1, 31).tolist(),
    )
    signs = (DRAWS.uniform("auto.sign") < 0.5).tolist()
    expected = []
    for picture, (w,), (bin_,), (minus,) in zip(MANY, which, strengths, signs, strict=True):
        number = ref.torchvision_number(ref.WIDE[w], bin_, minus, SIZE, trivial=True)
        expected.append(ref.to_pixels(ref.operation(ref.to_image(picture), ref.WIDE[w], number)))
    assert_alike(automated("trivialaugment"), expected)


@pytest.mark.parametrize(
    ("text", "increasing", "spread", "probability"),
    [
        ("rand-m7-n2-inc1-mstd0.5", True, 0.5, 0.5),
        ("rand-m4-n2-p0.9", False, 0, 0.9),
        ("rand-m9-mstd101-inc1", True, 101, 0.5),
    ],
)
def test_rand_is_timms_by_pillow(text: str, increasing: bool, spread: float, probability: float) -> None:
    most = float(text.split("-")[1][1:])
    which, signs = (
        DRAWS.integers("auto.which", 2, 15).tolist(),
        (DRAWS.uniform("auto.sign", 2) < 0.5).tolist(),
    )
    applied = (DRAWS.uniform("auto.applied", 2) < probability).tolist()
    if spread > 100:
        levels = DRAWS.uniform("auto.strength", 2) * most
    else:
        levels = (most + spread * DRAWS.normal("auto.strength", 2)).clamp(0, 10)
    expected = []
    for i, picture in enumerate(MANY):
        image = ref.to_image(picture)
        for w, minus, on, level in zip(which[i], signs[i], applied[i], levels[i].tolist(), strict=True):
            if on:
                number = ref.timm_number(ref.TIMM[w], level, minus, SIZE, increasing)
                image = ref.operation(image, ref.TIMM[w], number, ref.BILINEAR, 128)
        expected.append(ref.to_pixels(image))
    assert_alike(automated(text), expected)


@pytest.mark.parametrize(("text", "depth"), [("augmix-m4-w2-a0.7", 0), ("augmix-m10-w3-d2", 2)])
def test_augmix_is_its_papers_by_pillow(text: str, depth: int) -> None:
    _, told = parse(text)
    width = int(told["w"])
    which, signs = DRAWS.integers("auto.which", 3 * width, 9), DRAWS.uniform("auto.sign", 3 * width) < 0.5
    levels = DRAWS.uniform("auto.strength", 3 * width, 0.1, told["m"])
    depths = DRAWS.integers("auto.depth", width, 3) + 1
    weights, mixed = DRAWS.dirichlet("auto.weights", width, told["a"]), DRAWS.beta("auto.mixed", told["a"])
    expected = []
    for i, picture in enumerate(MANY[:24]):
        mix = np.zeros(picture.shape)
        for chain in range(width):
            image = ref.to_image(picture)
            for step in range(depth or int(depths[i, chain])):
                column = 3 * chain + step
                name = ref.AUGMIX[int(which[i, column])]
                number = ref.augmix_number(name, float(levels[i, column]), bool(signs[i, column]), SIZE)
                image = ref.operation(image, name, number, ref.BILINEAR)
            mix += float(weights[i, chain]) * ref.to_pixels(image)
        whole = (1 - float(mixed[i])) * picture + float(mixed[i]) * mix
        expected.append(np.rint(whole).clip(0, 255).astype(np.uint8))
    assert_alike(automated(text, 24), expected)


def names(chosen: tuple[operations.Operation, ...]) -> tuple[str, ...]:
    return tuple(operation.name for operation in chosen)


def test_the_lists_of_operations_are_those_of_the_papers() -> None:
    assert names(operations.RANDAUGMENT) == names(operations.TRIVIALAUGMENT) == ref.WIDE
    assert names(operations.AUGMIX) == ref.AUGMIX
    assert names(operations.TIMM) == names(operations.TIMM_INCREASING) == ref.TIMM
    for chosen in (
        operations.RANDAUGMENT,
        operations.TRIVIALAUGMENT,
        operations.AUGMIX,
        operations.TIMM_INCREASING,
    ):
        assert {o.name for o in chosen if not o.signed} <= set(ref.UNSIGNED)
        assert not {o.name for o in chosen if o.signed} & set(ref.UNSIGNED)


@pytest.mark.parametrize("trivial", [False, True])
def test_every_strength_stands_for_torchvisions_number(trivial: bool) -> None:
    chosen = operations.TRIVIALAUGMENT if trivial else operations.RANDAUGMENT
    shares = torch.arange(31) / 30
    for operation in chosen:
        for sign in (1, -1) if operation.signed else (1,):
            found = operation.amount(sign * shares.double(), (224, 320))
            wanted = [
                ref.torchvision_number(operation.name, b, sign < 0, (224, 320), trivial) for b in range(31)
            ]
            if operation.name not in ("Identity", "AutoContrast", "Equalize"):
                assert found.tolist() == pytest.approx(wanted, abs=1e-5), operation.name


def test_settings_are_read_as_timm_writes_them() -> None:
    """timm 1.0: rand has strength 10, two operations and probability 0.5 unless told; augmix 3, three chains."""
    assert parse("rand-m9-mstd0.5-inc1") == ("rand", {"m": 9, "n": 2, "mstd": 0.5, "inc": 1, "p": 0.5})
    assert parse("rand") == ("rand", {"m": 10, "n": 2, "mstd": 0, "inc": 0, "p": 0.5})
    assert parse("augmix-w4") == ("augmix", {"m": 3, "w": 4, "d": 0, "a": 1})
    assert parse("randaugment") == ("randaugment", {"m": 9, "n": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("autoaugment", "unknown automatic augmentation 'autoaugment'; did you mean"),
        ("rand-m11", "m of rand must be from 0 to 10, got 11"),
        ("randaugment-n1.5", "n of randaugment must be a whole number from 1 to 20, got 1.5"),
        ("rand-m9-x3", "rand takes m10, n2, mstd0, inc0, p0.5, got 'x3' in 'rand-m9-x3'"),
        ("trivialaugment-m3", "trivialaugment takes no settings, got 'm3'"),
        ("augmix-m", "augmix takes m3, w3, d0, a1, got 'm'"),
    ],
)
def test_what_cannot_be_read_is_a_readable_error(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(text)
    assert message in str(caught.value)
