"""`--seeds`: each run is the one that its seed alone gives, and the spread is that of numpy and scipy."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from door import neocog, refused

DIGITS = ("train", "builtin/digits", "-m", "lenet5_modern", "--recipe", "scratch", "--epochs", "1")
SAME = ("--precision", "float32", "-b", "256")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the first of two runs was ended, then gone on with, and a third was added."""
    here = tmp_path_factory.mktemp("seeds")
    run = (*DIGITS, *SAME, "--seed", "4", "-o", "out")
    ended = neocog(*run, "--seeds", "2", "--time-limit", "0.001s", cwd=here, ok=False)
    assert ended.returncode == 130, ended.stderr
    assert "--resume out goes on" in ended.stderr
    assert json.loads((here / "out" / "seeds.json").read_text())["seeds"] == []
    assert not (here / "out" / "seed-5").exists()
    neocog(*run, "--seeds", "2", "--resume", "auto", cwd=here)
    before = (here / "out" / "seed-4" / "run.json").stat().st_mtime_ns
    (here / "said.json").write_text(
        neocog(*run, "--seeds", "3", "--resume", "auto", "--json", cwd=here).stdout
    )
    assert (here / "out" / "seed-4" / "run.json").stat().st_mtime_ns == before
    return here


def test_each_run_is_that_of_its_seed(place: Path) -> None:
    """The one that was ended and gone on with, too."""
    for seed in ("4", "5"):
        neocog(*DIGITS, *SAME, "--seed", seed, "-o", f"alone-{seed}", cwd=place)
        for table in ("predictions.csv", "split.csv"):
            alone = (place / f"alone-{seed}" / table).read_bytes()
            assert (place / "out" / f"seed-{seed}" / table).read_bytes() == alone


def test_mean_and_spread(place: Path) -> None:
    said = json.loads((place / "said.json").read_text())
    assert said == json.loads((place / "out" / "seeds.json").read_text())
    rows = list(csv.DictReader((place / "out" / "seeds.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["4", "5", "6"]
    accuracies = []
    for row in rows:
        answers = csv.DictReader(
            (place / "out" / f"seed-{row['seed']}" / "predictions.csv").read_text().splitlines()
        )
        accuracies.append(np.mean([answer["label1"] == answer["truth"] for answer in answers]))
        assert float(row["top1"]) == pytest.approx(accuracies[-1])
    assert said["top1_mean"] == pytest.approx(np.mean(accuracies))
    assert said["top1_std"] == pytest.approx(np.std(accuracies, ddof=1))
    error = stats.sem(accuracies)
    assert said["top1_interval"] == pytest.approx(stats.t.interval(0.95, 2, np.mean(accuracies), error))


def test_what_cannot_be_is_refused_in_words(place: Path) -> None:
    assert "seeds must be at least 2" in refused(*DIGITS, "--seeds", "1", cwd=place)
    run = (*DIGITS, *SAME, "--seeds", "2", "--resume", "auto")
    assert "needs --output" in refused(*run, cwd=place)
    assert "out has runs of another configuration" in refused(*run, "-o", "out", "--lr", "0.1", cwd=place)
