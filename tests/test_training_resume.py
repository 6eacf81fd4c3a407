import csv
import json
import os
import random
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from door import neocog, refused
from runs import WORDS, Going, make_data, newest, weights, without_clock

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")
SHORT = ("--best-by", "top1", "--average", "ema", "--epochs", 4)
SAVING = ("--save-every", 0, "--resume", "auto")
LEARNERS = {
    "plateau, patient": "--average ema --lr .3 --sched plateau --decay-epochs 1 --best-by loss --patience 3 --epochs 8",
    "mixup, one-cycle, two passes": "--mixup .4 --sched one-cycle --opt nesterov --grad-accum-steps 2 --epochs 8",
    "balanced, repeats, lookahead": "--balanced --aug-repeats 2 --average lookahead --ema-decay .5 --epochs 4",
    "whitened, shifted, polyak": "--whiten --shift .1 --flip --average polyak --epochs 5",
    "probe first, unfrozen, pulled back": "--head-start --head-epochs 1 --unfreeze 1 --l2sp .05 --epochs 6",
    "sdlm": "-m net.py:plain --opt sdlm --lr .001 --best-by top5 --epochs 4",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("runs"))


def begun_like(run: Path, other: Path) -> Path:
    """What a run leaves that is killed before its first checkpoint: how steps are computed was measured by then."""
    other.mkdir()
    shutil.copy(run / "machine.json", other)
    return other


def best_epoch(run: Path) -> object:
    return json.loads((run / "model.json").read_text())["recipe"].get("weights of epoch")


def killed_and_continued(draw: random.Random, *words: object, cwd: Path, run: Path, most: int) -> int:
    """Kill the command at random steps, in the middle of whatever it does, until it has come to its end."""
    kills = 0
    while True:
        going = Going(*words, "-o", run, *SAVING, cwd=cwd)
        goal = newest(run) + draw.randrange(1, 12)
        if kills < most and going.until(lambda goal=goal: newest(run) >= goal):  # type: ignore[misc]
            going.send(signal.SIGKILL)
        code = going.end()
        assert code in (0, -signal.SIGKILL), going.said
        if code == 0:
            return kills
        kills += 1


@pytest.mark.parametrize("learner", LEARNERS)
def test_killed_at_random_and_continued_a_run_ends_with_the_same_bits(place: Path, learner: str) -> None:
    words, name = (*WORDS, *LEARNERS[learner].split()), learner.replace(",", "").replace(" ", "-")
    undisturbed = place / name
    neocog(*words, "-o", undisturbed, cwd=place)
    run = begun_like(undisturbed, place / f"{name}-killed")
    kills = killed_and_continued(random.Random(learner), *words, cwd=place, run=run, most=3)
    assert kills >= 2
    assert weights(run) == weights(undisturbed)
    assert without_clock(run) == without_clock(undisturbed)
    assert best_epoch(run) == best_epoch(undisturbed)
    assert not (run / "checkpoints").exists()


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """A run that nobody disturbed."""
    neocog(*WORDS, *SHORT, "-o", "whole", cwd=place)
    return place / "whole"


@pytest.fixture(scope="module")
def halfway(place: Path, whole: Path) -> Path:
    """The same run, killed when it had four checkpoints at least."""
    run = begun_like(whole, place / "halfway")
    going = Going(*WORDS, *SHORT, *SAVING, "-o", run, cwd=place)
    assert going.until(lambda: newest(run) >= 9)
    going.send(signal.SIGKILL)
    assert going.end() == -signal.SIGKILL
    return run


def log(run: Path) -> list[object]:
    """The kinds of the events in the run's log."""
    path = run / "events.jsonl"
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()] if path.exists() else []


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def goes_on(run: Path, place: Path, whole: Path) -> str:
    """What the run says that goes on to its end and has the same bits then."""
    said = neocog(*WORDS, *SHORT, "-o", run, "--resume", "auto", cwd=place).stderr
    assert weights(run) == weights(whole)
    assert without_clock(run) == without_clock(whole)
    return said


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGUSR1", "time"])
def test_stopped_a_run_saves_and_ends_with_130(place: Path, whole: Path, tmp_path: Path, how: str) -> None:
    run = begun_like(whole, tmp_path / "run")
    long = (*WORDS, *SHORT[:-1], 2000, "-o", run, "--resume", "auto")
    going = Going(*long, *(("--time-limit", "0.1s") if how == "time" else ()), cwd=place)
    if how != "time":
        assert going.until(lambda: "epoch" in log(run))
        going.send(signal.Signals[how])
    assert going.end() == 130, going.said
    said = f": saved; the same command with --resume {run} goes on from there"
    assert going.said.splitlines()[-1].endswith(said)
    step = newest(run)
    assert step > 0
    assert (run / "report.html").exists() == (how in ("SIGINT", "time"))
    again = Going(*long, "--time-limit", "0.1s", cwd=place)
    assert again.end() == 130
    assert f"going on from step {step:,}" in again.said
    assert newest(run) > step


def test_ctrl_c_before_the_first_step_ends_with_130_and_one_line(place: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n\ndef net():\n    pathlib.Path('building').touch()\n    time.sleep(60)\n"
    )
    words = ("train", place / "data", "-m", "slow.py:net", "--recipe", "scratch", "--img-size", 12)
    going = Going(*words, cwd=tmp_path)
    assert going.until((tmp_path / "building").exists)
    going.send(signal.SIGINT)
    assert going.end() == 130
    assert going.said.splitlines()[-1] == "neocog: interrupted; what was finished is kept"
    assert going.said.count("interrupted") == 1


@pytest.mark.parametrize("damage", ["card cut", "tensors cut", "a bit of the tensors", "card missing"])
def test_where_the_newest_checkpoint_is_damaged_the_one_before_leads_to_the_same_bits(
    place: Path, whole: Path, halfway: Path, tmp_path: Path, damage: str
) -> None:
    run = copied(halfway, tmp_path)
    step = newest(run)
    card = run / "checkpoints" / f"step-{step:08}.json"
    tensors = run / "checkpoints" / json.loads(card.read_text())["tensors"]
    before = sorted(int(path.stem.split("-")[1]) for path in card.parent.glob("step-*.json"))[-2]
    if damage == "card missing":
        card.unlink()
    elif damage == "a bit of the tensors":
        raw = bytearray(tensors.read_bytes())
        raw[len(raw) // 2] ^= 1
        tensors.write_bytes(raw)
    else:
        file = card if damage == "card cut" else tensors
        os.truncate(file, file.stat().st_size // 2)
    said = goes_on(run, place, whole)
    assert f"going on from step {before:,}" in said
    assert str(card if "card" in damage else tensors) in said


def test_the_epoch_whose_weights_stay_is_said(place: Path) -> None:
    """The first with the most held-out pictures named right, as `metrics.csv` has them."""
    done = neocog(*WORDS, *SHORT, "-o", "best", cwd=place)
    with (place / "best" / "metrics.csv").open() as lines:
        top1 = [float(row["eval_top1"]) for row in csv.DictReader(lines)]
    assert f"the weights are those of epoch {top1.index(max(top1)) + 1}, the best by top1" in done.stderr


def test_a_finished_run_says_so(place: Path, whole: Path) -> None:
    for words in (("-o", whole, "--resume", "auto"), ("--resume", whole)):
        done = neocog(*WORDS, *SHORT, *words, cwd=place)
        assert "there is nothing left to train" in done.stderr
        assert "accuracy" in done.stdout


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("data", "-m", "net.py:plain", "--recipe", "scratch"), "net.py:plain; give what it was made with"),
        (("data", "-m", "net.py:small", "--recipe", "resnet-cifar"), "recipe scratch, got resnet-cifar"),
        (
            ("other", "-m", "net.py:small", "--recipe", "scratch"),
            "classes class0, class1, class2 (3 in all), got a, b (2 in all)",
        ),
    ],
)
def test_a_finished_run_does_not_answer_for_another_one(
    place: Path, whole: Path, words: tuple[str, ...], rule: str
) -> None:
    for name in "ab":
        shutil.copytree(place / "data" / "class0", place / "other" / name, dirs_exist_ok=True)
    assert rule in refused("train", *words, "--img-size", 12, "--resume", whole, cwd=place)


@pytest.mark.parametrize("words", [(), ("--recipe", "neocognitron-1988", "-m", "neocognitron_1988")])
def test_a_recipe_without_checkpoints_leaves_those_of_another_run_alone(
    place: Path, halfway: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = copied(halfway, tmp_path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = refused("train", "data", *words, "--resume", run, cwd=place)
    assert "keeps no checkpoints" in said and "which is another run's" in said
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("-m", "net.py:plain"), "net.py:plain; give what it was made with"),
        (("--lr", 0.003), "made with recipe lr 0.002, got lr 0.003"),
        (("--mixup", 0.2), "made with recipe augment"),
        (("--seed", 1), "made with seed 0, got 1"),
        (("--resize-mode", "pad"), "made with preprocessing resize_mode crop, got resize_mode pad"),
    ],
)
def test_a_run_that_is_another_one_is_refused(
    place: Path, halfway: Path, tmp_path: Path, words: tuple[object, ...], rule: str
) -> None:
    run = copied(halfway, tmp_path)
    before = sorted(path.name for path in run.rglob("*"))
    assert rule in refused(*WORDS, *SHORT, *words, "--resume", run, cwd=place)
    assert sorted(path.name for path in run.rglob("*")) == before


@pytest.mark.parametrize("change", ["added", "changed", "relabelled", "class added"])
def test_a_data_set_that_has_changed_is_refused(
    place: Path, halfway: Path, tmp_path: Path, change: str
) -> None:
    run = copied(halfway, tmp_path)
    shutil.copytree(place / "data", tmp_path / "data")
    picture = tmp_path / "data" / "class0" / "00.png"
    if change == "added":
        Image.new("L", (12, 12), 9).save(picture.with_name("24.png"))
    elif change == "changed":
        Image.new("L", (12, 12), 9).save(picture)
    elif change == "relabelled":
        picture.rename(picture.parents[1] / "class1" / "24.png")
    else:
        picture.parent.with_name("class3").mkdir()
        Image.new("L", (12, 12), 9).save(picture.parents[1] / "class3" / "00.png")
    what = "got class3 (4 in all)" if change == "class added" else "made with pictures"
    assert what in refused(*WORDS, *SHORT, "-m", place / "net.py:small", "--resume", run, cwd=tmp_path)


def test_what_cannot_go_on_is_refused_in_words(
    place: Path, whole: Path, halfway: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    words = (*WORDS, *SHORT)
    assert "has no checkpoints to go on from" in refused(*words, "--resume", tmp_path / "empty", cwd=place)
    assert "leave one out" in refused(*words, "--resume", halfway, "-o", whole, cwd=place)
    assert "go on with it by --resume auto" in refused(*words, "-o", halfway, cwd=place)
    run = copied(halfway, tmp_path)
    for text in ('{"precision": "float32', "[]", '{"speed": 3}', '{"precision": "float7"}'):
        (run / "machine.json").write_text(text)
        assert f"{run / 'machine.json'} must say how" in refused(*words, "--resume", run, cwd=place)
    for path in (run / "checkpoints").iterdir():
        os.truncate(path, 40)
    shutil.copy(halfway / "machine.json", run)
    assert "none is" in refused(*words, "--resume", run, cwd=place)


def test_a_loss_that_is_no_number_names_step_and_pictures_and_keeps_the_state_before(
    place: Path, tmp_path: Path
) -> None:
    """The network has a mask of infinities, too, which is no reason to refuse a checkpoint."""
    run = tmp_path / "run"
    said = refused(*WORDS, *SHORT, "-m", "net.py:burning", "--save-every", 0, "-o", run, cwd=place)
    found = re.search(
        r"the loss became nan in step (\d+) of epoch (\d); the state after step (\d+) is kept", said
    )
    assert found, said
    step, epoch, kept = map(int, found.groups())
    assert kept == step - 1 == newest(run)
    assert epoch == (step - 1) // 8 + 1  # 57 pictures in batches of 8
    named = said.partition("what was in that step: ")[2].split(", ")
    assert len(named) in (7, 8)
    assert len({str(place / name) for name in named if (place / name).is_file()}) == len(named)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", folder], capture_output=True
    ).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_is_full_is_told_and_with_room_again_the_run_goes_on(
    place: Path, whole: Path, small_disk: Path
) -> None:
    run = begun_like(whole, small_disk / "run")
    (small_disk / "filler").write_bytes(bytes(100_000))
    said = refused(*WORDS, *SHORT, *SAVING, "-o", run, cwd=place)
    assert "a checkpoint needs" in said
    step = newest(run)
    assert step > 0
    assert f"--resume auto goes on from step {step:,}" in said
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=40m", small_disk], check=True)
    assert f"going on from step {step:,}" in goes_on(run, place, whole)


def test_a_bundle_that_the_disk_has_no_room_for_leaves_nothing_that_looks_like_a_run(
    place: Path, small_disk: Path
) -> None:
    run, filler = small_disk / "run", small_disk / "filler"
    filler.write_bytes(bytes(300 * 1024))  # the weights fit into the rest, the self-test does not
    said = refused(*WORDS, *SHORT, "-o", run, cwd=place)
    assert f"cannot write {run / 'golden.safetensors'}: No space left on device" in said
    assert "the bundle of the run was not finished and is not kept; then train again" in said
    assert not run.exists()
    filler.write_bytes(bytes(208 * 1024))  # the bundle fits, the report does not
    said = refused(*WORDS, *SHORT, "-o", run, cwd=place)
    assert f"cannot write {run / 'report.html'}: No space left on device" in said
    assert (
        f"the bundle in {run} is whole, and `neocog eval` takes it, but it lacks report.html, run.json"
        in said
    )
    filler.unlink()
    assert "still computes the same" in neocog("verify", run, cwd=place).stdout
    neocog("eval", run, "data", "-m", "net.py:small", cwd=place)
