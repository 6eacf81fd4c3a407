"""Calibration beside scipy's minimiser on torch's logits, what is stored of it, and the sets that it promises."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from door import neocog, refused
from judged import (
    CARD,
    CLASSES,
    DIGITS,
    encoded,
    in_order,
    logits,
    make_run,
    middles,
    module,
    save_digits,
    softmax,
    write_run,
)
from neocog import bundle, files
from neocog.api.classifier import load
from neocog.api.evaluating.calibrate import Calibrated, calibrate
from neocog.api.evaluating.evaluate import evaluate
from neocog.api.evaluating.scored import Scored
from neocog.api.verify import verify
from neocog.bundle import Bundle, Golden, read_bundle, read_calibration, write_bundle
from neocog.errors import UserError

MIXED = np.random.default_rng(0).permutation(np.arange(100, 700))  # a page of digits is one writer's
USED, OTHERS = MIXED[:300].tolist(), MIXED[300:].tolist()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("calibrate")
    make_run(here / "plain", 0, sure=4.0)
    shutil.copytree(here / "plain", here / "run")
    save_digits(here / "used", USED)
    save_digits(here / "others", OTHERS)
    return here


@pytest.fixture(scope="module")
def found(place: Path) -> Calibrated:
    """What the calibration of `run` returned."""
    return calibrate(place / "run", place / "used", engine="torch")


def raw(place: Path, data: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    numbers, labels = in_order(place / data)
    return logits(module(place / "plain"), middles(numbers)), labels


def halves(numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    """Every other picture by its content: those that find the temperature, and those that promise."""
    order = sorted(numbers, key=lambda number: hashlib.sha256(encoded(number)).digest())
    return order[::2], order[1::2]


def half(place: Path, numbers: Sequence[int], promise: bool) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    chosen = halves(numbers)[promise]
    return logits(module(place / "plain"), middles(chosen)), np.asarray(DIGITS.target[chosen])


def nll(rows: NDArray[np.float64], labels: NDArray[np.int64], temperature: float) -> float:
    return float(-np.log(softmax(rows / temperature)[np.arange(len(labels)), labels]).mean())


def ece(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Guo et al.'s, bin by bin."""
    sure, right = softmax(rows).max(axis=1), rows.argmax(axis=1) == labels
    gaps = 0.0
    for i in range(15):
        within = (sure > i / 15) & (sure <= (i + 1) / 15)
        gaps += abs(right[within].sum() - sure[within].sum())
    return gaps / len(labels)


def best_temperature(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    found = minimize_scalar(
        lambda t: nll(rows, labels, t), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-6}
    )
    return float(found.x)


def test_the_temperature_is_the_one_that_scipy_finds(place: Path, found: Calibrated) -> None:
    assert found.temperature == pytest.approx(best_temperature(*half(place, USED, promise=False)), rel=1e-3)
    assert found.temperature > 2
    rows, labels = half(place, USED, promise=True)
    assert found.nll == pytest.approx((nll(rows, labels, 1), nll(rows, labels, found.temperature)), rel=1e-3)
    assert (found.n_fit, found.n_promise, found.left_out) == (150, 150, 0)
    assert found.ece == pytest.approx((ece(rows, labels), ece(rows / found.temperature, labels)), rel=1e-3)
    assert found.ece[1] < found.ece[0]
    assert found.to_json()["highest_coverage"] == 150 / 151


def test_probabilities_are_those_of_the_divided_logits_and_the_answer_stays(
    place: Path, found: Calibrated
) -> None:
    rows, _ = raw(place, "others")
    scored = evaluate(place / "run", place / "others", engine="torch")
    np.testing.assert_allclose(scored.probabilities, softmax(rows / found.temperature), rtol=0, atol=2e-6)
    np.testing.assert_array_equal(scored.probabilities.argmax(axis=1), rows.argmax(axis=1))
    assert scored.how.temperature == found.temperature


@pytest.mark.parametrize("average", ["softmax", "logits"])
def test_each_member_of_an_ensemble_has_its_own_temperature(
    place: Path, tmp_path: Path, found: Calibrated, average: str
) -> None:
    other = make_run(tmp_path / "other", 1)
    data = save_digits(tmp_path / "data", OTHERS[:40])
    numbers, _ = in_order(data)
    first = logits(module(place / "plain"), middles(numbers)) / found.temperature
    rows = np.stack([first, logits(module(other), middles(numbers))])
    wanted = softmax(rows).mean(axis=0) if average == "softmax" else softmax(rows.mean(axis=0))
    for runs in ((place / "run", other), (other, place / "run")):
        scored = evaluate(runs[0], data, ensemble=[runs[1]], engine="torch", average=average)
        np.testing.assert_allclose(scored.probabilities, wanted, rtol=0, atol=4e-6)
        assert scored.how.temperature is None
        assert "each at its own temperature" in str(scored.how)
        assert dict(scored.members)[str(place / "run")].how.temperature == found.temperature


def test_the_command_predicts_with_the_temperature(place: Path, found: Calibrated) -> None:
    numbers = OTHERS[:3]
    paths = [place / "others" / CLASSES[DIGITS.target[n]] / f"{n:04}.png" for n in numbers]
    said = json.loads(neocog("predict", place / "run", *paths, "--json", "-k", 10, cwd=place).stdout)
    wanted = softmax(logits(module(place / "plain"), middles(numbers)) / found.temperature)
    for one, row in zip(said, wanted, strict=True):
        given = {answer["label"]: answer["probability"] for answer in one["predictions"]}
        np.testing.assert_allclose([given[name] for name in CLASSES], row, rtol=0, atol=1e-5)


def test_the_card_says_what_was_found_and_on_what(place: Path, found: Calibrated) -> None:
    card = json.loads((place / "run" / "model.json").read_text())
    stored = [path.name for path in (place / "run").glob("calibration-*.safetensors")]
    assert len(stored) == 1
    data = (place / "run" / stored[0]).read_bytes()
    assert card["sha256"][stored[0]] == hashlib.sha256(data).hexdigest()
    assert (card["format"], card["calibration"]["temperature"]) == (3, found.temperature)
    assert (card["calibration"]["n_promise"], card["calibration"]["data"]) == (150, "used")
    tensors = load_file(place / "run" / stored[0])
    rows, labels = half(place, USED, promise=True)
    scores = 1 - softmax(rows / found.temperature)[np.arange(len(labels)), labels]
    np.testing.assert_allclose(tensors["scores"], np.sort(scores), atol=2e-6)
    assert {row.tobytes() for row in tensors["hashes"]} == {
        hashlib.sha256(encoded(number)).digest() for number in USED
    }


def test_the_self_test_holds_after_a_calibration(place: Path, found: Calibrated) -> None:
    assert verify(place / "run").ok


def test_pictures_that_trained_are_left_out_whatever_they_are_called(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "plain", tmp_path / "run")
    data = save_digits(tmp_path / "data", [*range(40), *range(200, 300)])
    for path in [*data.rglob("000?.png")]:
        path.rename(path.with_name(f"9{path.name}"))
    result = calibrate(tmp_path / "run", data, engine="torch")
    assert (result.n_fit + result.n_promise, result.left_out) == (100, 40)
    fitting = half(place, range(200, 300), promise=False)
    assert result.temperature == pytest.approx(best_temperature(*fitting), rel=1e-3)


def test_fewer_than_forty_are_refused_and_nothing_is_stored(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "plain", tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    data = save_digits(tmp_path / "data", [*range(10), *range(100, 139)])
    assert refused("calibrate", tmp_path / "run", data, "--engine", "torch", cwd=tmp_path) == (
        "calibration needs at least 40 pictures of known classes that did not train, got 39 of 49; give others"
    )
    save_digits(data, [139, 140], names=["other"] * 10)
    with pytest.raises(UserError, match="got 39 of 51"):
        calibrate(tmp_path / "run", data, engine="torch")
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_a_second_calibration_takes_the_place_of_the_first(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "plain", tmp_path / "run")
    first = calibrate(tmp_path / "run", place / "others", engine="torch")
    (name,) = (path.name for path in (tmp_path / "run").glob("calibration*"))
    second = calibrate(tmp_path / "run", place / "used", engine="torch")
    (other,) = (path.name for path in (tmp_path / "run").glob("calibration*"))
    assert name != other
    fitting, (rows, labels) = half(place, USED, promise=False), half(place, USED, promise=True)
    assert second.temperature == pytest.approx(best_temperature(*fitting), rel=1e-3)
    assert second.nll[0] == pytest.approx(nll(rows, labels, 1), rel=1e-3)  # before any, not before this one
    assert read_bundle(tmp_path / "run").card.temperature == second.temperature != first.temperature


@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_survives_a_calibration_that_ends_before_its_card(
    place: Path, tmp_path: Path, found: Calibrated, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / ("run" if earlier else "plain"), run)
    card = (run / "model.json").read_bytes()

    def killed(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "write_text", killed)
        calibrate(run, place / "others", engine="torch")
    assert len([*run.glob("calibration-*")]) == 1 + earlier  # the new one is there, and nobody's
    assert (run / "model.json").read_bytes() == card
    assert read_bundle(run).card.temperature == (found.temperature if earlier else 1)
    kept = read_calibration(run)
    assert (kept is not None) is earlier
    assert kept is None or len(kept.scores) == 150
    calibrate(run, place / "others", engine="torch")
    assert len([*run.glob("calibration-*")]) == 1


def test_a_damaged_calibration_is_told(place: Path, tmp_path: Path, found: Calibrated) -> None:
    run = tmp_path / "run"
    shutil.copytree(place / "run", run)
    (stored,) = run.glob("calibration-*")
    data = bytearray(stored.read_bytes())
    data[-5] ^= 1
    stored.write_bytes(data)
    picture = next((place / "others").rglob("*.png"))
    message = f"{stored} is damaged: its SHA-256 is not the one in model.json; restore it from a copy"
    assert refused("verify", run, cwd=tmp_path) == message
    assert refused("predict", run, picture, "--coverage", 0.9, cwd=tmp_path) == message
    stored.unlink()
    with pytest.raises(UserError, match=f"lacks {stored.name}; restore it"):
        load(run, engine="torch").predict(picture, coverage=0.9)


def test_a_card_without_calibration_has_the_bytes_that_it_always_had(tmp_path: Path) -> None:
    """Formats 1 and 2, field by field as neocog 0.1 spelled them."""
    for activation, version in (("softmax", 1), ("sigmoid", 2)):
        card = replace(CARD, activation=activation)
        write_bundle(
            tmp_path, Bundle(card, {"fc5.weight": np.eye(10)}), Golden((), np.zeros((0, 10), np.float32))
        )
        text = (tmp_path / "model.json").read_text()
        sums = {
            name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            for name in ("model.safetensors", "golden.safetensors")
        }
        wanted: dict[str, Any] = {
            "format": version,
            "kind": "neocog bundle",
            "model": "lenet5_modern",
            "head": "fc5",
            "classes": list(CLASSES),
            "preprocess": json.loads(json.dumps(asdict(CARD.preprocess))),
            "recipe": {},
            "data": {},
            "metrics": {},
            "versions": {},
            "license": "CC0-1.0",
            "source_sha256": "",
            "head_added": False,
            "mirrored": False,
            "activation": activation,
            "sha256": sums,
        }
        spelled = json.dumps(wanted, indent=2) + "\n"
        wanted["card_sha256"] = hashlib.sha256(spelled.encode()).hexdigest()
        assert text == json.dumps(wanted, indent=2) + "\n"
        assert read_bundle(tmp_path).card == card
        assert read_calibration(tmp_path) is None


def test_a_card_of_the_first_format_is_read(place: Path, tmp_path: Path) -> None:
    """As the first neocog wrote it: without `mirrored` and `activation`."""
    shutil.copytree(place / "plain", tmp_path / "run")
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    for name in ("mirrored", "activation", "card_sha256"):
        del card[name]
    card["card_sha256"] = hashlib.sha256((json.dumps(card, indent=2) + "\n").encode()).hexdigest()
    (tmp_path / "run" / "model.json").write_text(json.dumps(card, indent=2) + "\n")
    assert read_bundle(tmp_path / "run").card.calibration is None
    assert calibrate(tmp_path / "run", place / "used", engine="torch").n_fit == 150


def test_readers_of_earlier_formats_refuse_what_they_would_answer_wrongly(
    place: Path, found: Calibrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "FORMAT", 2)
    with pytest.raises(UserError) as told:
        read_bundle(place / "run")
    path = place / "run" / "model.json"
    assert str(told.value) == f"{path} has format 3, this neocog reads up to 2; install a newer neocog"
    assert read_bundle(place / "plain").card.temperature == 1


def sets_of(place: Path, temperature: float, coverage: float) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which classes the sets of the other pictures hold, by the order statistic of the half that promises."""
    rows, labels = half(place, USED, promise=True)
    scores = np.sort(1 - softmax(rows / temperature)[np.arange(len(labels)), labels])
    limit = scores[int(np.ceil(151 * coverage)) - 1]
    others, truth = raw(place, "others")
    return 1 - softmax(others / temperature) <= limit + 1e-7, truth


def test_the_measured_coverage_is_what_was_promised(place: Path, found: Calibrated) -> None:
    scored = evaluate(place / "run", place / "others", engine="torch")
    assert isinstance(scored, Scored)
    assert [row.wanted for row in scored.coverage] == [0.8, 0.9, 0.95, 0.99]
    for row in scored.coverage:
        sets, truth = sets_of(place, found.temperature, row.wanted)
        assert (row.n, row.covered) == (300, sets[np.arange(300), truth].sum())
        assert row.mean_size == pytest.approx(sets.sum(axis=1).mean())
        low, high = binomtest(row.covered, row.n).proportion_ci(0.95, "exact")
        assert row.interval == pytest.approx((low, high))
        assert low <= row.wanted <= high
        assert row.kept


def test_coverage_is_of_pictures_that_neither_trained_nor_calibrated(
    place: Path, tmp_path: Path, found: Calibrated
) -> None:
    data = save_digits(tmp_path / "data", [*range(50), *USED[:50], *OTHERS[:30]])
    scored = evaluate(place / "run", data, engine="torch")
    assert isinstance(scored, Scored)
    assert {row.n for row in scored.coverage} == {30}
    assert scored.leaked
    assert scored.leaked.same == 50
    (tmp_path / "sets.json").write_text(json.dumps([[d] for d in in_order(data)[1].tolist()]))
    for other in (
        {"protocol": "flip"},
        {"ensemble": [place / "plain"]},
        {"subset": ["0", "1"]},
        {"label_sets": tmp_path / "sets.json"},
    ):
        scored = evaluate(place / "run", data, engine="torch", **other)  # type: ignore[arg-type]
        assert isinstance(scored, Scored)
        assert scored.coverage == ()
    scored = evaluate(place / "run", place / "used", engine="torch")
    assert isinstance(scored, Scored)
    assert scored.coverage == ()


@pytest.fixture(scope="module")
def chosen(place: Path, found: Calibrated, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[str]]:
    """A few pictures: some with a set of one class, some with none or several; and the sets."""
    sets, _ = sets_of(place, found.temperature, 0.8)
    paths = sorted((place / "others").rglob("*.png"))
    rows, _ = raw(place, "others")
    named = [
        [CLASSES[i] for i in np.argsort(-row, kind="stable") if held[i]]
        for row, held in zip(rows, sets, strict=True)
    ]
    sizes = np.array([len(one) for one in named])
    few = [int(i) for size in (0, 1, 2, 3) for i in np.flatnonzero(sizes == size)[:2]]
    assert {len(named[i]) for i in few} >= {1, 2}
    return {paths[i]: named[i] for i in few}


def wanted_answer(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else "unknown"


def test_predict_answers_with_sets_in_json(place: Path, chosen: dict[Path, list[str]]) -> None:
    said = json.loads(
        neocog("predict", place / "run", *chosen, "--coverage", "0.8", "--json", cwd=place).stdout
    )
    for one, (path, labels) in zip(said, chosen.items(), strict=True):
        assert list(one) == ["path", "answer", "abstained", "predictions"]
        assert (one["path"], one["answer"]) == (str(path), wanted_answer(labels))
        assert [row["label"] for row in one["predictions"]] == labels


def test_predict_answers_with_sets_in_csv_and_skips_what_it_cannot_read(
    place: Path, tmp_path: Path, chosen: dict[Path, list[str]]
) -> None:
    (tmp_path / "bad.png").write_text("nothing")
    done = neocog(
        *("predict", place / "run", *chosen, tmp_path / "bad.png", "--coverage", "0.8", "--csv"), cwd=place
    )
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0]) == ["path", "answer", "label", "probability", "error"]
    for row, (path, labels) in zip(rows, chosen.items(), strict=False):
        assert (row["path"], row["answer"]) == (str(path), wanted_answer(labels))
        assert row["label"] == "|".join(labels)
        assert len(row["probability"].split("|")) == max(1, len(labels))
    assert (rows[-1]["answer"], rows[-1]["label"]) == ("", "")
    assert rows[-1]["error"]


def test_predict_answers_with_sets_in_words(place: Path, chosen: dict[Path, list[str]]) -> None:
    lines = neocog("predict", place / "run", *chosen, "--coverage", "0.8", cwd=place).stdout.splitlines()
    for line, (path, labels) in zip(lines, chosen.items(), strict=True):
        said = line.removeprefix(f"{path}: ")
        if len(labels) == 1:
            assert said.startswith(f"{labels[0]} 0.")
            assert "," not in said
        else:
            assert said.startswith("unknown (")
            assert [word.split()[0] for word in said.strip("unkow )").strip("(").split(", ")] == (
                labels or ["no"]
            )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 0.8, "topk": 3}, "a coverage decides how many labels a picture gets; leave out topk"),
        ({"coverage": 0.8, "threshold": 0.5}, "leave out topk and threshold"),
        ({"coverage": 1.0}, "coverage must lie between 0 and 1, got 1"),
        ({"coverage": 0.0}, "coverage must lie between 0 and 1, got 0"),
        ({"coverage": 0.999}, "a coverage of 0.999 needs at least 999 calibration pictures, got 150"),
    ],
)
def test_what_cannot_be_promised_is_refused(
    place: Path, found: Calibrated, options: dict[str, Any], message: str
) -> None:
    picture = next((place / "others").rglob("*.png"))
    with pytest.raises(UserError) as told:
        load(place / "run", engine="torch").predict(picture, **options)
    assert message in str(told.value)


def test_without_a_calibration_the_command_says_how_to_get_one(place: Path) -> None:
    picture = next((place / "others").rglob("*.png"))
    assert refused("predict", place / "plain", picture, "--coverage", 0.9, cwd=place) == (
        "a coverage can be promised once pictures that did not train have been looked at; "
        f"run: neocog calibrate {place / 'plain'} DATA"
    )
    with pytest.raises(UserError, match="run: neocog calibrate efficientnet_lite0 DATA"):
        load("efficientnet_lite0", engine="torch").predict(picture, coverage=0.9)


def test_runs_of_several_classes_and_published_models_are_refused(place: Path, tmp_path: Path) -> None:
    several = write_run(tmp_path / "several", module(place / "plain"), replace(CARD, activation="sigmoid"))
    with pytest.raises(UserError, match="runs that name one class per picture, this one names several"):
        calibrate(several, place / "used", engine="torch")
    with pytest.raises(UserError, match="for models that name one class per picture, this one names several"):
        load(several, engine="torch").predict(next((place / "used").rglob("*.png")), coverage=0.9)
    with pytest.raises(UserError, match="efficientnet_lite0 is a published model without a folder"):
        calibrate("efficientnet_lite0", place / "used")


def test_the_command_calibrates_and_says_what_it_left_out(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "plain", tmp_path / "run")
    data = save_digits(tmp_path / "data", [*range(5), *range(200, 260)])
    (data / "3" / "bad.png").write_text("nothing")
    done = neocog("calibrate", "run", "data", "--json", cwd=tmp_path)
    figures = json.loads(done.stdout)
    assert list(figures) == [
        *(
            "run",
            "temperature",
            "n_fit",
            "n_promise",
            "left_out",
            "nll",
            "ece",
            "data",
            "note",
            "highest_coverage",
        )
    ]
    assert (figures["n_fit"] + figures["n_promise"], figures["left_out"], figures["data"]) == (60, 5, "data")
    assert "left out 5 pictures that trained the run" in done.stderr
    assert "bad.png" in done.stderr
    card = json.loads((tmp_path / "run" / "model.json").read_text())
    assert card["calibration"]["temperature"] == figures["temperature"]
    assert str(tmp_path) not in json.dumps(card["calibration"])


def test_without_a_mistake_no_temperature_is_found(place: Path, tmp_path: Path) -> None:
    """Nothing then limits how sure to be: a perfectly calibrated run would come to say 0 and 1 alone."""
    shutil.copytree(place / "plain", tmp_path / "run")
    scored = load(place / "plain", engine="torch").evaluate(place / "used")
    assert isinstance(scored, Scored)
    right = [Path(path) for path, hit in zip(scored.paths, scored.right, strict=True) if hit]
    for path in right:
        (tmp_path / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "data" / path.parent.name)
    found = calibrate(tmp_path / "run", tmp_path / "data", engine="torch")
    assert found.temperature == 1.0 == read_bundle(tmp_path / "run").card.temperature
    assert found.note.startswith("probabilities stay as they are: ")
