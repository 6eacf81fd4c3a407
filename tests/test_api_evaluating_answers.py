"""Ensembles, views and dense evaluation beside the same computed from the network's own logits by torch and numpy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from judged import (
    CARD,
    CLASSES,
    EDGE,
    PREPROCESS,
    WIDTH,
    crop,
    in_order,
    logits,
    make_run,
    middles,
    module,
    picture,
    save_digits,
    softmax,
    write_run,
)
from neocog import runtime
from neocog.api.evaluating import answered, answering
from neocog.api.evaluating.evaluate import evaluate
from neocog.api.evaluating.scored import Scored
from neocog.errors import UserError
from neocog.inference.dense import dense
from neocog.models.lenet import lenet5_modern


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("answers")
    make_run(here / "a", 0)
    make_run(here / "b", 1, sure=3.0)
    make_run(here / "c", 2)
    save_digits(here / "data", range(100, 161))
    return here


def run(place: Path, name: str, **options: Any) -> Scored:
    scored = evaluate(place / name, place / "data", **{"engine": "torch", **options})
    assert isinstance(scored, Scored)
    return scored


def own_logits(place: Path, name: str) -> NDArray[np.float64]:
    numbers, _ = in_order(place / "data")
    return logits(module(place / name), middles(numbers))


def test_answers_are_the_softmax_of_the_networks_logits_beside_the_labels(place: Path) -> None:
    scored, (numbers, labels) = run(place, "a"), in_order(place / "data")
    assert [int(Path(path).stem) for path in scored.paths] == numbers
    np.testing.assert_array_equal(scored.labels, labels)
    np.testing.assert_allclose(scored.probabilities, softmax(own_logits(place, "a")), rtol=0, atol=2e-6)
    assert scored.top1 == (own_logits(place, "a").argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("average", ["softmax", "logits"])
@pytest.mark.parametrize("names", [("a", "b"), ("a", "b", "c"), ("b", "c", "b")])
def test_an_ensemble_is_the_mean_of_what_its_members_say(
    place: Path, names: tuple[str, ...], average: str
) -> None:
    scored = run(place, names[0], ensemble=[place / name for name in names[1:]], average=average)
    rows = [own_logits(place, name) for name in names]
    wanted = (
        np.mean([softmax(each) for each in rows], axis=0)
        if average == "softmax"
        else softmax(np.mean(rows, axis=0))
    )
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=4e-6)
    labels = in_order(place / "data")[1]
    assert [name for name, _ in scored.members] == [str(place / name) for name in names]
    for (_, own), row in zip(scored.members, rows, strict=True):
        assert own.top1 == (row.argmax(axis=1) == labels).mean()


def test_the_two_averages_are_not_the_same(place: Path) -> None:
    softmaxes, means = (run(place, "a", ensemble=[place / "b"], average=by) for by in ("softmax", "logits"))
    assert np.abs(softmaxes.probabilities - means.probabilities).max() > 0.05


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_an_ensemble_of_one_is_the_model_bit_for_bit(place: Path, average: str) -> None:
    alone = run(place, "a")
    of_one = run(place, "a", ensemble=[], average=average)
    assert of_one.probabilities.tobytes() == alone.probabilities.tobytes()
    twice = run(place, "a", ensemble=[place / "a"], average=average)
    np.testing.assert_allclose(twice.probabilities, alone.probabilities, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(twice.scores.confusion, alone.scores.confusion)


def test_members_whose_classes_come_in_another_order_are_matched_by_name(place: Path, tmp_path: Path) -> None:
    first = lenet5_modern(10).eval()
    first.load_state_dict(module(place / "a").state_dict())
    swapped = [3, 1, 0, 2, 9, 8, 7, 6, 5, 4]
    with torch.no_grad():
        first.fc5.weight.copy_(module(place / "a").fc5.weight[swapped])  # type: ignore[union-attr,index]
        first.fc5.bias.copy_(module(place / "a").fc5.bias[swapped])  # type: ignore[union-attr,index]
    other = write_run(tmp_path / "swapped", first, replace(CARD, classes=tuple(CLASSES[i] for i in swapped)))
    alone = run(place, "b")
    for average in ("softmax", "logits"):
        mixed = run(place, "b", ensemble=[other], average=average)
        wanted = run(place, "b", ensemble=[place / "a"], average=average)
        np.testing.assert_allclose(mixed.probabilities, wanted.probabilities, rtol=0, atol=1e-6)
        assert dict(mixed.members)[str(other)].top1 == run(place, "a").top1
    assert alone.names == mixed.names == CLASSES


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_mean_of_logits_is_right_where_probabilities_are_all_or_nothing(
    place: Path, tmp_path: Path, activation: str
) -> None:
    """A float32 sigmoid of a logit above 17 is 1, from which the logit cannot be told any more."""
    numbers, _ = in_order(place / "data")
    nets = []
    for name, factor in (("a", 9.0), ("b", -20.0)):
        net = module(place / name)
        with torch.no_grad():
            net.fc5.weight *= factor  # type: ignore[union-attr,operator]
        nets.append(net)
    runs = [
        write_run(tmp_path / str(i), net, replace(CARD, activation=activation)) for i, net in enumerate(nets)
    ]
    raw = [logits(net, middles(numbers)) for net in nets]
    assert min(np.abs(rows).max() for rows in raw) > 40
    mean = np.mean(raw, axis=0)
    wanted = softmax(mean) if activation == "softmax" else 1 / (1 + np.exp(-mean))
    scored = evaluate(runs[0], place / "data", ensemble=[runs[1]], engine="torch", average="logits")
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("zero", *CLASSES[1:]), "lacks 0 and has zero"),
        (CLASSES[:9], "lacks 9; train them on the same classes, or compare them with `neocog compare`"),
    ],
)
def test_members_of_other_classes_are_refused(
    place: Path, tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    taught = [n for n in range(60) if n % 10 < len(names)]
    net = lenet5_modern(len(names))
    other = write_run(tmp_path / "other", net, replace(CARD, classes=names), taught)
    with pytest.raises(UserError) as told:
        run(place, "a", ensemble=[other])
    said = f"the members of an ensemble must know the same classes, {other} {message}"
    assert str(told.value).startswith(said)


def test_members_of_other_kinds_are_refused(place: Path, tmp_path: Path) -> None:
    several = make_run(tmp_path / "several", activation="sigmoid")
    for order in ((place / "a", several), (several, place / "a")):
        with pytest.raises(UserError) as told:
            evaluate(order[0], place / "data", ensemble=[order[1]], engine="torch")
        assert str(told.value) == (
            f"the members of an ensemble must answer alike, {place / 'a'} names one class per picture "
            "and others several"
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": "mean"}, "unknown average 'mean'; there are softmax, logits"),
        ({"average": "logit"}, "unknown average 'logit'; did you mean logits?"),
        ({"protocol": "11-crop"}, "unknown protocol '11-crop'; did you mean 10-crop"),
        (
            {"protocol": "dense", "average": "logits"},
            "dense evaluation averages logits over positions and then probabilities, as its papers do; "
            "leave --average out",
        ),
    ],
)
def test_what_there_is_not_is_refused_in_words(place: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as told:
        run(place, "a", **options)
    assert str(told.value).startswith(message)


def ten_crops(number: int) -> list[NDArray[np.uint8]]:
    """Krizhevsky's corners and middle of a digit and of its mirror image, by PIL."""
    whole = picture(number)
    views = []
    for turned in (whole, whole.transpose(0)):  # 0 is FLIP_LEFT_RIGHT
        corners = [(0, 0), (WIDTH - 32, 0), (0, EDGE - 32), (WIDTH - 32, EDGE - 32), (8, 4)]
        views += [crop(turned, *corner) for corner in corners]
    return views


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_ten_crops_are_those_that_pil_cuts(place: Path, average: str) -> None:
    numbers, _ = in_order(place / "data")
    views = np.stack([view for number in numbers for view in ten_crops(number)])
    rows = logits(module(place / "b"), views).reshape(len(numbers), 10, 10)
    wanted = softmax(rows).mean(axis=1) if average == "softmax" else softmax(rows.mean(axis=1))
    scored = run(place, "b", protocol="10-crop", average=average)
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=4e-6)
    assert (scored.how.views, scored.how.average) == (10, average)


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_views_and_members_are_averaged_together(place: Path, average: str) -> None:
    numbers, _ = in_order(place / "data")
    both = np.stack([view for number in numbers for view in (ten_crops(number)[4], ten_crops(number)[9])])
    rows = np.stack([logits(module(place / name), both).reshape(-1, 2, 10) for name in ("a", "b")])
    wanted = softmax(rows).mean(axis=(0, 2)) if average == "softmax" else softmax(rows.mean(axis=(0, 2)))
    scored = run(place, "a", ensemble=[place / "b"], protocol="flip", average=average)
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=4e-6)


def test_the_whole_picture_is_answered_densely(place: Path) -> None:
    numbers, labels = in_order(place / "data")
    twin = dense(module(place / "a"), (1, 32, 32))
    rows = []
    for number in numbers:
        whole = np.asarray(picture(number))
        answers = []
        for pixels in (whole, whole[:, ::-1]):
            maps = logits(twin, pixels[None])[0]
            assert maps.shape == (10, 3, 5)  # a position for every four pixels more than 32
            answers.append(softmax(maps.reshape(10, -1).mean(axis=1)))
        rows.append(np.mean(answers, axis=0))
    scored = run(place, "a", protocol="dense")
    np.testing.assert_allclose(scored.probabilities, np.stack(rows), rtol=0, atol=4e-6)
    assert scored.top1 == (np.argmax(rows, axis=1) == labels).mean()
    assert (scored.how.views, scored.how.engine) == (2, "torch")


@pytest.fixture(scope="module")
def counted(place: Path) -> Scored:
    return run(place, "a")


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (3, 2), (8, 4), (64, 2)])
def test_counts_depend_on_neither_batches_nor_threads_nor_engine(
    place: Path, counted: Scored, monkeypatch: pytest.MonkeyPatch, engine: str, batch: int, threads: int
) -> None:
    monkeypatch.setattr(answering, "BATCH", batch)
    monkeypatch.setattr(runtime, "threads", lambda: threads)
    scored = run(place, "a", engine=engine)
    assert scored.how.engine == engine
    assert scored.paths == counted.paths
    np.testing.assert_array_equal(scored.scores.confusion, counted.scores.confusion)
    assert (scored.scores.top5, scored.scores.n) == (counted.scores.top5, counted.scores.n)
    np.testing.assert_allclose(scored.probabilities, counted.probabilities, rtol=0, atol=1e-4)


def test_an_unreadable_picture_is_left_out_for_all_members_and_counted(place: Path, tmp_path: Path) -> None:
    data = save_digits(tmp_path / "data", range(100, 120))
    bad = next(data.rglob("*.png"))
    bad.write_bytes(bad.read_bytes()[:40])
    scored = evaluate(place / "a", data, ensemble=[place / "b"], engine="torch")
    assert isinstance(scored, Scored)
    assert [Path(path).name for path, _ in scored.skipped] == [bad.name]
    assert [own.scores.n for _, own in scored.members] == [19, 19]
    assert bad.name not in {Path(path).name for path in scored.paths}
    with pytest.raises(UserError, match=bad.name):
        evaluate(place / "a", data, engine="torch", strict=True)


def test_pictures_that_one_member_read_are_told_apart_from_those_that_all_did() -> None:
    empty = np.empty((2, 32), np.uint8)
    first, second = (
        answered.Answered(
            np.array([0, kept]),
            np.eye(2, dtype=np.float32),
            ((3 - kept, "odd"),),
            np.array([kept > 1, False]),
            empty,
        )
        for kept in (1, 2)
    )
    for one, other in ((first, second), (second, first)):
        kept, _ = answered.agreed([one, other])
        assert kept.indices.tolist() == [0]
        assert kept.unread == ((1, "odd"), (2, "odd"))
        assert kept.probabilities.tolist() == [[1, 0]]


def test_the_preprocessing_of_each_member_is_its_own(place: Path, tmp_path: Path) -> None:
    other = write_run(
        tmp_path / "wide",
        module(place / "b"),
        replace(CARD, preprocess=replace(PREPROCESS, crop_pct=1.0, resize_mode="squash", mean=(0.25,))),
    )
    alone, scored = evaluate(other, place / "data", engine="torch"), run(place, "a", ensemble=[other])
    wanted = (softmax(own_logits(place, "a")) + alone.probabilities) / 2
    np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=4e-6)
