"""Averaged weights, fewer answers and other truths, beside the same by numpy on the network's own logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from judged import CARD, CLASSES, in_order, logits, make_run, middles, module, save_digits, softmax, write_run
from neocog.api.classifier import load
from neocog.api.evaluating.calibrate import calibrate
from neocog.api.evaluating.evaluate import evaluate
from neocog.api.evaluating.scored import Scored
from neocog.api.evaluating.soup import soup
from neocog.bundle import Bundle, Golden, write_bundle
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.models.lenet import lenet5_modern
from runs import NETWORK, make_data

SUBSET = (2, 3, 5, 7)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("soup")
    for seed, name in enumerate("abc"):
        make_run(here / name, seed)
    save_digits(here / "data", range(100, 161))
    save_digits(here / "few", [n for n in range(100, 200) if in_subset(n)])
    return here


def in_subset(number: int) -> bool:
    from judged import DIGITS

    return int(DIGITS.target[number]) in SUBSET


def judged(place: Path, name: str, data: str = "data", **options: Any) -> Scored:
    scored = evaluate(place / name, place / data, **{"engine": "torch", **options})
    assert isinstance(scored, Scored)
    return scored


def own_logits(place: Path, name: str, data: str = "data") -> NDArray[np.float64]:
    return logits(module(place / name), middles(in_order(place / data)[0]))


def mixed(place: Path, *names: str) -> torch.nn.Module:
    """The network of the mean weights, by numpy."""
    states = [load_file(place / name / "model.safetensors") for name in names]
    net = lenet5_modern()
    mean = {key: np.mean([state[key] for state in states], axis=0, dtype=np.float64) for key in states[0]}
    net.load_state_dict({key: torch.from_numpy(np.float32(value)) for key, value in mean.items()})
    return net


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a", "c")])
def test_a_soup_answers_with_the_mean_weights(place: Path, names: tuple[str, ...]) -> None:
    scored = judged(place, names[0], ensemble=[place / name for name in names[1:]], soup=True)
    raw = logits(mixed(place, *names), middles(in_order(place / "data")[0]))
    np.testing.assert_allclose(scored.probabilities, softmax(raw), rtol=0, atol=4e-6)
    assert scored.how.members == tuple(str(place / name) for name in names)
    assert (scored.how.soup, scored.members) == (True, ())


def test_a_soup_of_a_run_with_itself_is_the_run(place: Path) -> None:
    loaded = load(place / "a").loaded
    same = soup([loaded, loaded, loaded]).bundle
    assert same
    tensors = load_file(place / "a" / "model.safetensors")
    assert {name: tensor.tobytes() for name, tensor in same.tensors.items()} == {
        name: tensor.tobytes() for name, tensor in tensors.items()
    }
    scored = judged(place, "a", ensemble=[place / "a"], soup=True)
    assert scored.probabilities.tobytes() == judged(place, "a").probabilities.tobytes()


def test_a_calibrated_members_temperature_is_not_the_soups(place: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "hot", 0, sure=4.0)
    assert calibrate(run, save_digits(tmp_path / "data", range(200, 260)), engine="torch").temperature > 1.5
    scored = evaluate(run, place / "data", ensemble=[place / "b"], soup=True, engine="torch")
    states = [load_file(each / "model.safetensors") for each in (run, place / "b")]
    net = lenet5_modern()
    net.load_state_dict({k: torch.from_numpy((states[0][k] + states[1][k]) / 2) for k in states[0]})
    raw = logits(net, middles(in_order(place / "data")[0]))
    np.testing.assert_allclose(scored.probabilities, softmax(raw), rtol=0, atol=1e-5)


def with_norms(here: Path, name: str, seed: int) -> Path:
    """A run of the network with a batch norm in `net.py`, whose statistics are drawn."""
    space: dict[str, Any] = {}
    exec(NETWORK, space)
    torch.manual_seed(seed)
    net = space["small"]()
    net[1].running_mean.normal_(0, 0.1)
    net[1].running_var.uniform_(0.5, 2)
    net[1].num_batches_tracked.fill_(100 + seed)
    from neocog.api import names

    given = f"{here / 'net.py'}:small"
    card = replace(
        CARD,
        model=given,
        head="7",
        classes=("class0", "class1", "class2"),
        preprocess=Preprocess(size=(12, 12)),
        source_sha256=names.source_sha256(names.parse(given)),
    )
    tensors = {key: tensor.numpy() for key, tensor in net.state_dict().items()}
    write_bundle(here / name, Bundle(card, tensors), Golden((), np.empty((0, 3), np.float32)))
    return here / name


def test_statistics_are_averaged_and_counts_kept(tmp_path: Path) -> None:
    make_data(tmp_path)
    first, second = with_norms(tmp_path, "first", 1), with_norms(tmp_path, "second", 2)
    given = f"{tmp_path / 'net.py'}:small"
    made = soup([load(run, model=given).loaded for run in (first, second)], given).bundle
    assert made
    one, two = (load_file(run / "model.safetensors") for run in (first, second))
    for name, tensor in made.tensors.items():
        assert tensor.dtype == one[name].dtype
        if tensor.dtype == np.int64:
            assert (name, tensor) == ("1.num_batches_tracked", 101)
        else:
            mean = (one[name].astype(np.float64) + two[name].astype(np.float64)) / 2
            np.testing.assert_array_equal(tensor, mean.astype(np.float32))
    scored = evaluate(
        first, tmp_path / "data", ensemble=[second], soup=True, model=given, part=None, engine="torch"
    )
    assert scored.scores.n == 72


def _other_model(place: Path, folder: Path) -> str:
    write_run(folder, module(place / "a"), replace(CARD, model="lenet5_caffe"))
    return f"but the model of {folder} is another; average their answers instead (without --soup)"


def _other_classes(place: Path, folder: Path) -> str:
    write_run(folder, module(place / "a"), replace(CARD, classes=CLASSES[::-1]))
    return f"but the classes of {folder} is another"


def _other_shape(place: Path, folder: Path) -> str:
    net = module(place / "a")
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    tensors["conv3.bias"] = tensors["conv3.bias"][:119]
    write_bundle(folder, Bundle(CARD, tensors), Golden((), np.empty((0, 10), np.float32)))
    return f"must have tensors of the same shapes, but conv3.bias of {folder} differs"


@pytest.mark.parametrize("other", [_other_model, _other_classes, _other_shape])
def test_runs_that_are_not_alike_make_no_soup(
    place: Path, tmp_path: Path, other: Callable[[Path, Path], str]
) -> None:
    message = other(place, tmp_path / "other")
    with pytest.raises(UserError) as told:
        judged(place, "a", ensemble=[tmp_path / "other"], soup=True)
    assert message in str(told.value)


def test_a_soup_needs_runs_and_two_of_them(place: Path) -> None:
    with pytest.raises(UserError) as told:
        judged(place, "a", soup=True)
    assert str(told.value) == "a soup needs at least two runs; name the others with --with"
    with pytest.raises(UserError) as told:
        evaluate("efficientnet_lite0", place / "data", ensemble=[place / "a"], soup=True, engine="torch")
    assert str(told.value) == (
        "a soup is made of runs, efficientnet_lite0 is a published model; give folders of runs"
    )


def given_as(place: Path, tmp_path: Path, how: str) -> object:
    """The subset in one of the ways to say it."""
    files = {
        "names.txt": "7\n5\n\n 3\n2\n",
        "numbers.json": json.dumps([3, 2, 7, 5]),
        "names.json": json.dumps(["2", "3", "5", "7"]),
    }
    if how not in files:
        return "data" if how == "data" else [2, "3", 5, "7"]
    (tmp_path / how).write_text(files[how])
    return str(tmp_path / how)


@pytest.mark.parametrize("how", ["data", "names.txt", "numbers.json", "names.json", "list"])
def test_a_subset_leaves_its_own_columns_only(place: Path, tmp_path: Path, how: str) -> None:
    scored = judged(place, "a", "few", subset=given_as(place, tmp_path, how))
    raw = own_logits(place, "a", "few")[:, list(SUBSET)]
    truth = np.searchsorted(SUBSET, in_order(place / "few")[1])
    np.testing.assert_allclose(scored.probabilities, softmax(raw), rtol=0, atol=1e-5)
    assert scored.top1 == (raw.argmax(axis=1) == truth).mean()
    assert scored.top1 > judged(place, "a", "few").top1  # there are fewer wrong answers to give
    assert scored.names == tuple(str(digit) for digit in SUBSET)
    assert scored.how.subset == 4


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_members_answer_within_the_subset(place: Path, average: str) -> None:
    scored = judged(place, "a", "few", ensemble=[place / "b"], subset="data", average=average)
    rows = np.stack([own_logits(place, name, "few")[:, list(SUBSET)] for name in ("a", "b")])
    wanted = softmax(rows).mean(axis=0) if average == "softmax" else softmax(rows.mean(axis=0))
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=1e-5)
    truth = np.searchsorted(SUBSET, in_order(place / "few")[1])
    for (_, own), row in zip(scored.members, rows, strict=True):
        assert own.top1 == (row.argmax(axis=1) == truth).mean()


def test_pictures_of_classes_outside_the_subset_count_as_wrong(place: Path) -> None:
    scored = judged(place, "a", subset=["7", "5", "3", "2"])
    raw, labels = own_logits(place, "a"), in_order(place / "data")[1]
    right = np.array(SUBSET)[raw[:, list(SUBSET)].argmax(axis=1)] == labels
    assert scored.top1 == right.mean()
    assert set(scored.unknown_classes) == {str(d) for d in range(10)} - {str(d) for d in SUBSET}


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (["eleven"], "unknown class 'eleven'"),
        ([10], "a class's number must be below 10, the model's classes, got 10"),
        ([3, "3"], "a subset of classes must name each once, got 3 several times"),
        ([], "a subset of classes must name at least one, got none"),
        (["0"], "model and data must share a class; the model has 0, the data has 2, 3, 5, 7"),
    ],
)
def test_a_subset_that_is_none_is_refused(place: Path, subset: list[int | str], message: str) -> None:
    with pytest.raises(UserError) as told:
        judged(place, "a", "few", subset=subset)
    assert message in str(told.value)


def real(place: Path) -> dict[int, list[int]]:
    """For each digit a set: itself and one more, or none for every fifth."""
    return {
        number: [] if i % 5 == 4 else sorted({int(label), (number * 7) % 10})
        for i, (number, label) in enumerate(zip(*in_order(place / "data"), strict=True))
    }


@pytest.mark.parametrize("how", ["list", "by file", "by path", "named"])
@pytest.mark.parametrize("ensemble", [(), ("b",)])
def test_label_sets_say_what_is_right(
    place: Path, tmp_path: Path, how: str, ensemble: tuple[str, ...]
) -> None:
    sets = real(place)
    label = {number: CLASSES[target] for number, target in zip(*in_order(place / "data"), strict=True)}
    stored: Any = {
        "list": list(sets.values()),
        "by file": {f"{number:04}.png": right for number, right in sets.items()},
        "by path": {f"{label[number]}/{number:04}.png": right for number, right in sets.items()},
        "named": {f"{number:04}.png": [CLASSES[i] for i in right] for number, right in sets.items()},
    }[how]
    (tmp_path / "real.json").write_text(json.dumps(stored))
    scored = judged(
        place, "a", label_sets=tmp_path / "real.json", ensemble=[place / name for name in ensemble]
    )
    raw = np.mean([softmax(own_logits(place, name)) for name in ("a", *ensemble)], axis=0)
    first, five = raw.argmax(axis=1), np.argsort(-raw, axis=1)[:, :5]
    kept = [i for i, right in enumerate(sets.values()) if right]
    rights = list(sets.values())
    assert scored.top1 == np.mean([first[i] in rights[i] for i in kept])
    assert scored.scores.top5 == np.mean([bool({*five[i]} & {*rights[i]}) for i in kept])
    assert (scored.scores.n, scored.excluded) == (len(kept), 61 - len(kept)) == (49, 12)
    assert scored.how.label_sets == "real.json"


def test_a_list_of_label_sets_counts_pictures_that_cannot_be_read(place: Path, tmp_path: Path) -> None:
    data = save_digits(tmp_path / "data", range(100, 121))
    numbers, labels = in_order(data)
    sets = [[int(label)] for label in labels]
    sets[0], sets[20] = [(sets[0][0] + 1) % 10], [(sets[20][0] + 1) % 10]
    (tmp_path / "real.json").write_text(json.dumps(sets))
    next(data.rglob(f"{numbers[7]:04}.png")).write_bytes(b"no picture")
    scored = evaluate(place / "a", data, label_sets=tmp_path / "real.json", engine="torch")
    said = logits(module(place / "a"), middles(numbers)).argmax(axis=1)
    right = [said[i] in sets[i] for i in range(21) if i != 7]
    assert isinstance(scored, Scored)
    assert (scored.scores.n, scored.top1) == (20, np.mean(right))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("{", {}, "must be JSON, got something else"),
        ("[[1], [2]]", {}, "must have one for each picture, got 2 for 61; name the pictures"),
        ('{"0100.png": [1]}', {}, "must name every picture, 60 of 61 are not named"),
        ("[3]", {}, "must hold lists of class numbers or names"),
        ("[[1]]", {"subset": [1, 2]}, "among all classes of a model; leave the subset out"),
    ],
)
def test_label_sets_that_do_not_fit_are_refused_before_a_picture_is_read(
    place: Path, tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    (tmp_path / "real.json").write_text(text)
    told: list[str] = []
    with pytest.raises(UserError) as error:
        judged(place, "a", label_sets=tmp_path / "real.json", progress=Heard(told), **options)
    assert message in str(error.value)
    assert "pictures" not in told


class Heard:
    """Progress that keeps what steps there were."""

    def __init__(self, steps: list[str]):
        self.steps = steps

    def step(self, name: str, total: int) -> Any:
        from contextlib import nullcontext

        self.steps.append(name)
        return nullcontext(lambda n: None)

    def say(self, text: str) -> None:
        pass
