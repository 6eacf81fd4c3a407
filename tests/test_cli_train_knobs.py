"""Wrong flags of `neocog train`, typed in a shell: one line, nothing left behind."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from door import neocog, refused


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("knobs")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (here / "photos" / name).mkdir(parents=True)
        for i in range(8):
            pixels = rng.integers(0, 256, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(here / "photos" / name / f"{i}.png")
    (here / "weights.csv").write_text("cat,2\ndogs,1\n")
    return here


SCRATCH = ("train", "photos", "-m", "lenet5_modern", "--recipe", "scratch")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--opt sdg", "unknown optimizer 'sdg'; did you mean sgd"),
        ("--best-by accuracy", "unknown best_by 'accuracy'; did you mean top1?"),
        ("--class-weights weights.csv", "weights.csv: unknown class 'dogs'; did you mean dog?"),
        ("--freeze conv9.*", "unknown parameters to freeze 'conv9.*'; did you mean conv"),
        ("--warmup 0.1 --warmup-epochs 2", "give warmup or warmup_epochs, not both"),
        ("--decay-milestones 5,many", "--decay-milestones must be numbers joined by commas, got '5,many'"),
        (
            "--sched step --decay-milestones 5,99 --epochs 10",
            "must lie before the end of the 10 epochs, got 5, 99",
        ),
        (
            "--drop-path 0.1",
            "drop_path 0.1 needs layers that drop something, the network has none; leave it out",
        ),
        ("--model-ema --average polyak", "give --model-ema or --average, not both: they say the same"),
        ("--hflip 0.3", "--hflip must be 0.5 or 0: half of the pictures are mirrored, or none, got 0.3"),
        ("--norm-weight-decay 0.01", "--norm-weight-decay must be 0, got 0.01; --decay-all gives"),
        ("--lr-scheduler steplr", "unknown schedule 'steplr'; did you mean exponential?"),
        ("--model-ema-decay 0.99", "average_decay counts for nothing with the average none"),
        ("--sizes 8 --epochs 1", "an epoch for each of its sizes and one at full size"),
        ("--sizes 8 --epochs 2", "8x8"),
    ],
)
def test_a_wrong_flag_is_refused_in_a_line(place: Path, words: str, message: str) -> None:
    assert message in refused(*SCRATCH, *words.split(), cwd=place)
    assert not list(place.glob("runs/*"))


@pytest.mark.parametrize(
    ("one", "two"),
    list(itertools.combinations(("--print-config", "--seeds 2", "--find-lr", "--prove-resume"), 2)),
)
def test_of_two_things_to_do_instead_of_training_neither_is_dropped(place: Path, one: str, two: str) -> None:
    said = refused("train", "data", *f"{two} {one}".split(), cwd=place)
    assert f"got {one.split()[0]} and {two.split()[0]}" in said


@pytest.mark.parametrize(
    "words", ["--time-limit 5m", "--tensorboard", "--precision bfloat16", "--compile", "--grad-checkpointing"]
)
def test_what_a_loop_alone_reads_is_refused_without_one(place: Path, words: str) -> None:
    said = refused("train", "photos", "--recipe", "probe", *words.split(), cwd=place)
    assert "is for recipes that train all weights step by step, probe has no steps; leave it out" in said
    assert not list(place.glob("runs/*"))


def test_knobs_without_weights_to_train_are_refused(place: Path) -> None:
    said = refused("train", "photos", "--recipe", "probe", "--lr", "0.1", cwd=place)
    assert "the recipe probe has no lr; use --recipe scratch to train all weights" in said


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "--model-ema --model-ema-decay 0.99 --hflip 0.5 --bce-loss --clip-grad 1",
            "--average ema --ema-decay 0.99 --flip --loss bce --clip-grad-norm 1",
        ),
        ("--hflip 0", "--no-flip"),
        (
            "--lr-warmup-epochs 2 --lr-scheduler cosineannealinglr --lr-min 1e-5 --label-smoothing 0.1 "
            "--mixup-alpha 0.2 --cutmix-alpha 1 --random-erase 0.1 --norm-weight-decay 0 --clip-grad-norm 1",
            "--warmup-epochs 2 --sched cosine --min-lr 1e-5 --smoothing 0.1 --mixup 0.2 --cutmix 1 --reprob 0.1 "
            "--no-decay-all --clip-grad 1",
        ),
    ],
    ids=["timm", "timm, unmirrored", "torchvision"],
)
def test_another_program_s_flags_give_the_same_run(place: Path, theirs: str, ours: str) -> None:
    one, other = (
        neocog(*SCRATCH, *words.split(), "--print-config", cwd=place).stdout for words in (theirs, ours)
    )
    assert one == other
    assert one != neocog(*SCRATCH, "--print-config", cwd=place).stdout


def test_a_run_of_many_knobs_is_described_by_its_card(place: Path) -> None:
    words = (
        "--epochs 2 -b 4 --grad-accum-steps 2 --opt sgd --lr 0.01 --flip-test --average ema --precise-bn "
        "--aug-repeats 2"
    )
    neocog(*SCRATCH, *words.split(), "-o", "many", cwd=place)
    card = (place / "many" / "model.json").read_text()
    for text in ('"accumulate": 2', '"optimizer": "sgd"', '"repeats": 2', '"mirrored": true'):
        assert text in card
    assert "still computes the same" in neocog("verify", "many", cwd=place).stdout


@pytest.mark.parametrize(("size", "told"), [(136, True), (128, False)])
def test_pictures_enlarged_more_than_four_times_are_told_before_the_time_is_spent(
    place: Path, tmp_path: Path, size: int, told: bool
) -> None:
    words = (
        "train",
        "photos",
        "-m",
        "quick_convnet",
        "--recipe",
        "scratch",
        "--epochs",
        1,
        "-o",
        tmp_path / "run",
    )
    done = neocog(*words, "--img-size", size, cwd=place)
    line = (
        "warning: pictures of 32x32 pixels are enlarged 4.25 times to 136x136: each step costs 18 times what their "
        "content does; take a smaller --img-size, or a network for small pictures"
    )
    assert (line in done.stderr) == told
    assert ("enlarged" in done.stderr) == told
