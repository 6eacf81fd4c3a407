"""The verb `adapt` through its door, on made-up domains of small pictures."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from door import neocog, refused

COLOURS = {"red": (200, 40, 40), "green": (40, 170, 60), "blue": (50, 60, 200)}


def pictures(root: Path, seed: int, each: int, dark: bool, names: tuple[str, ...] = tuple(COLOURS)) -> Path:
    """A folder a class: squares of its colour on noise; `dark` ones are a third as bright."""
    rng = np.random.default_rng(seed)
    for name in names:
        (root / name).mkdir(parents=True)
        for i in range(each):
            pixels = rng.integers(90, 170, (32, 32, 3))
            x, y = rng.integers(2, 14, 2)
            pixels[y : y + 16, x : x + 16] = np.array(COLOURS.get(name, (0, 0, 0))) + rng.integers(-15, 16, 3)
            shown = (pixels / (3 if dark else 1)).clip(0, 255).astype(np.uint8)
            Image.fromarray(shown).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("domains")
    pictures(root / "light", 0, 9, dark=False)
    pictures(root / "dark", 1, 8, dark=True)
    return root


FAST = ("--img-size", 64, "--splits", 2, "--engine", "torch")
SMALL = ("--layer", "blocks.2")  # 40 features


def test_the_table_the_figures_and_the_page(domains: Path) -> None:
    done = neocog(
        *("adapt", "efficientnet_lite0", "--source", "light", "--target", "dark", *FAST, *SMALL, "-o", "out"),
        *("--methods", "S, ST", "--methods", "coral,adabn"),
        cwd=domains,
    )
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["method", "blocks.2"]
    rows = [re.split(r"\s{2,}", line)[0] for line in lines[1:7]]
    assert rows == [
        "Logistic Reg. (S)",
        "SVM (S)",
        "Logistic Reg. (ST)",
        "SVM (ST)",
        "Sun et al. (2016)",
        "Li et al. (2017)",
    ]
    assert lines[-1] == "report  out/adaptation.html"
    found = json.loads((domains / "out" / "adaptation.json").read_text())
    assert found["classes"] == ["blue", "green", "red"]
    assert found["judged"] == [15, 15]  # 3 of 8 are labelled in each of three classes
    assert found["source_per_class"] == 8  # a class has 9, fewer than 20
    for row in found["rows"]:
        shares = row["balanced"]["splits"]
        assert len(shares) == 2
        assert row["balanced"]["mean"] == pytest.approx(np.mean(shares))
        assert row["balanced"]["std"] == pytest.approx(np.std(shares, ddof=1))
        # as many judge in each class, so both figures are counts of 15
        assert row["top1"]["splits"] == pytest.approx(shares)
        assert row["top1"]["splits"][0] * 15 == pytest.approx(round(row["top1"]["splits"][0] * 15))
        name, figure = row["row"], f"{100 * np.mean(shares):.1f} ± {100 * np.std(shares, ddof=1):.1f}"
        assert next(line for line in lines if line.startswith(f"{name} ")).endswith(figure)
    page = (domains / "out" / "adaptation.html").read_text()
    assert page.count('class="ncp"') == 2
    assert 'src="http' not in page


def test_without_labels_in_the_target_and_beside_a_classical_method(domains: Path) -> None:
    done = neocog(
        *("adapt", "efficientnet_lite0", "--source", "light", "--target", "dark", *FAST, "--behind", "ridge"),
        *(
            "--labels-per-class",
            0,
            "--beside",
            "classical:lbp+tiny",
            "--methods",
            "coral,adabn",
            "--no-cache",
            "--json",
        ),
        cwd=domains,
    )
    found = json.loads(done.stdout)
    assert found["layers"] == ["features", "classical:lbp+tiny"]
    assert [(row["row"], row["layer"]) for row in found["rows"]] == [
        ("Sun et al. (2016)", "features"),
        ("Li et al. (2017)", "features"),
        ("Sun et al. (2016)", "classical:lbp+tiny"),  # which has no batch norm
    ]
    assert found["judged"] == [24, 24]
    assert "No picture of the target is labelled; 24 pictures judge." in found["notes"]


def test_what_is_wrong_is_said_in_a_line(domains: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "other", 2, 4, False, ("cyan", "pink"))
    ask = ("adapt", "efficientnet_lite0", *FAST, "--source", domains / "light")
    assert "share two classes or more by name, got none" in refused(
        *ask, "--target", tmp_path / "other", cwd=tmp_path
    )
    assert "got 8 of blue, 8 of green, 8 of red; ask for fewer with --labels-per-class" in refused(
        *ask, "--target", domains / "dark", "--labels-per-class", 8, cwd=tmp_path
    )
    assert "did you mean coral" in refused(
        *ask, "--target", domains / "dark", "--methods", "corall", cwd=tmp_path
    )
    assert "MODEL may be left out only where both domains are files of features" in refused(
        "adapt", "--source", domains / "light", "--target", domains / "dark", cwd=tmp_path
    )


def test_files_of_features_give_the_figures_of_their_network(domains: Path, tmp_path: Path) -> None:
    what = ("--img-size", 64, "--engine", "torch", *SMALL)
    for name in ("light", "dark"):
        neocog("embed", "efficientnet_lite0", domains / name, *what, "-o", f"{name}.npz", cwd=tmp_path)
    ask = ("--splits", 2, "--methods", "coral,daume", "--behind", "ridge", "--json")
    direct = ("efficientnet_lite0", "--source", domains / "light", "--target", domains / "dark", *what)
    found = [
        json.loads(neocog("adapt", *given, *ask, cwd=tmp_path).stdout)["rows"]
        for given in (("--source", "light.npz", "--target", "dark.npz"), direct)
    ]
    assert found[0] == found[1]


def test_options_of_features_reach_them(domains: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "odd", 3, 2, False)
    (tmp_path / "odd" / "red" / "broken.png").write_bytes(b"no picture")
    ask = ("adapt", "efficientnet_lite0", *FAST, "--source", tmp_path / "odd", "--target", domains / "dark")
    assert "broken.png" in refused(*ask, "--strict", cwd=tmp_path)
    assert "bend" in refused(*ask, "--resize-mode", "bend", cwd=tmp_path)
    assert "fold" in refused(*ask, "--fold", 1, cwd=tmp_path)
    assert "none.json" in refused(*ask, "--split", "none.json", cwd=tmp_path)
