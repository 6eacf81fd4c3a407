"""Fine-tuning that begins with the probe: where it begins, what is kept, and what is said of it."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.special import log_softmax
from scipy.stats import binomtest
from torch import nn

import neocog as package
from door import neocog, refused
from neocog.api.answers import ONE, SEVERAL
from neocog.api.training.beginning import put_in_head
from neocog.api.training.beside_probe import Verdict, beside_probe
from neocog.api.training.by_gradient import Ready, get_ready
from neocog.api.training.planning import PlanOptions, Timed, planned
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays
from neocog.inference.network import Head
from neocog.layers.chain import chain
from neocog.models.head import LinearOnMaps
from neocog.progress import Silent
from neocog.training.judging import predict_logits
from neocog.training.loop import normaliser
from neocog.training.processes.exchange import ALONE
from neocog.training.recipes.named import RECIPES, recipe
from neocog.training.recipes.recipe import Recipe
from runs import WORDS, make_data, weights
from worlds import neocog_in_world

TRANSFORMER = """
import torch
from neocog.models.vit import vit

def attending():
    net = vit("tiny", 4, 12, num_classes=7)
    net.blocks = net.blocks[:1]
    return net
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = make_data(tmp_path_factory.mktemp("finetune"))
    (here / "vit.py").write_text(TRANSFORMER)
    return here


def ready(place: Path, folder: Path, model: str, **options: Any) -> tuple[Ready, PlanOptions]:
    """All that a run needs before its first step."""
    given: PlanOptions = {"img_size": 12, "engine": "torch", **options}  # type: ignore[typeddict-item]
    folder.mkdir()
    plan = planned(
        str(place / "data"), model, {"recipe": "scratch", "head_start": True, **given}, Timed(Silent())
    )
    return get_ready(plan, Silent(), folder, ALONE), given


def said(run: Path) -> dict[str, NDArray[np.float64]]:
    """The probabilities of the five best classes of each held-out picture, by class."""
    with (run / "predictions.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    return {
        path: np.array(
            [float(p) for _, p in sorted((row[f"label{k}"], row[f"probability{k}"]) for k in (1, 2, 3))]
        )
        for path, row in rows.items()
    }


@pytest.mark.parametrize(
    ("model", "size"),
    [("net.py:plain", 12), ("vit.py:attending", 12), ("lenet5", 32)],
)
def test_training_begins_where_the_probe_ends(place: Path, tmp_path: Path, model: str, size: int) -> None:
    """With a linear last layer, or LeNet-5's distances: the loss before the first step is the probe's, and so is every
    answer; with LoRA, too, since it adds nothing yet."""
    name = f"{place / model}" if ".py" in model else model
    lora = {"lora": 2} if "vit" in model else {}
    begun, given = ready(place, tmp_path / "run", name, img_size=size, **lora)
    given = {key: value for key, value in given.items() if key != "lora"}  # type: ignore[assignment]
    probe = package.train(str(place / "data"), name, recipe="probe", output=tmp_path / "probe", **given)
    with (probe.folder / "metrics.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    normalise = normaliser(begun.task.preprocess, torch.device("cpu"))
    for part, column in ((begun.task.train, "train_loss"), (begun.task.held_out, "eval_loss")):
        logits = predict_logits(begun.net, part, normalise)
        losses = -log_softmax(logits.astype(np.float64), 1)[np.arange(len(part)), part.labels]
        assert losses.mean() == pytest.approx(float(row[column]), rel=1e-3, abs=1e-5)
    assert begun.probed
    for mine, theirs in zip(begun.probed.probabilities, said(probe.folder).values(), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_where_the_last_layer_was_a_convolution_it_begins_with_the_probe_too() -> None:
    net = chain(body=nn.Conv2d(2, 6, 1), pool=nn.AdaptiveAvgPool2d(1), head=LinearOnMaps(6, 3))
    rng, x = np.random.default_rng(0), torch.randn(4, 2, 5, 5)
    found = Head(rng.standard_normal((3, 6), np.float32), rng.standard_normal(3, np.float32))
    put_in_head(net, "head", found)
    features = net.body(x).mean((2, 3)).detach().numpy()
    np.testing.assert_allclose(
        net(x).detach().numpy(), features @ found.weight.T + found.bias, rtol=1e-5, atol=1e-6
    )


def judged(trained: str, probe: str, keep_probe: bool = True) -> Verdict:
    """By pictures of two classes, of which `+` are right."""
    truth = np.arange(len(trained)) % 2
    both = []
    for marks in (trained, probe):
        right = np.array([mark == "+" for mark in marks])
        said = np.where(right, truth, 1 - truth)
        both.append(np.where(np.arange(2) == said[:, None], np.float32(0.9), np.float32(0.1)))
    scores = (ONE.score(both[0], truth, ("a", "b")), ONE.score(both[1], truth, ("a", "b")))
    return beside_probe(both[0], both[1], truth, scores, keep_probe)


@pytest.mark.parametrize(
    ("trained", "probe", "beaten", "kept", "words"),
    [
        ("+" * 18 + "--", "+" * 8 + "-" * 12, True, "trained", "fine-tuning beat the probe"),
        (
            "+" * 18 + "--",
            "+" * 16 + "----",
            False,
            "trained",
            "did not beat the probe that it began with by more than",
        ),
        (
            "+" * 16 + "----",
            "-" * 4 + "+" * 16,
            False,
            "trained",
            "did not beat the probe that it began with: accuracy",
        ),
        (
            "+" * 8 + "-" * 12,
            "+" * 18 + "--",
            False,
            "probe",
            "the probe's weights are kept, chosen by these pictures",
        ),
    ],
)
def test_what_is_better_is_kept_and_what_chance_may_give_is_said(
    trained: str, probe: str, beaten: bool, kept: str, words: str
) -> None:
    found = judged(trained, probe)
    assert (found.beaten, found.kept) == (beaten, kept)
    assert words in str(found)
    assert (found.trained, found.probe) == (trained.count("+") / 20, probe.count("+") / 20)
    alone = [
        sum(a == "+" != b for a, b in zip(x, y, strict=True)) for x, y in ((trained, probe), (probe, trained))
    ]
    assert found.paired.p == pytest.approx(binomtest(alone[0], sum(alone)).pvalue)


@pytest.mark.parametrize("keep_probe", [True, False])
def test_of_equals_the_trained_network_is_kept_and_it_is_said(keep_probe: bool) -> None:
    found = judged("+" * 16 + "----", "-" * 4 + "+" * 16, keep_probe)
    assert str(found).endswith("p = 1; the fine-tuned weights are kept, as of equals")


def test_without_keep_probe_the_trained_network_stays_and_it_is_said() -> None:
    found = judged("+" * 8 + "-" * 12, "+" * 18 + "--", keep_probe=False)
    assert found.kept == "trained"
    assert str(found).endswith("; the fine-tuned weights are kept (--no-keep-probe)")


def test_of_several_classes_a_picture_is_right_where_each_is() -> None:
    truth = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], np.float32)
    trained = np.array([[0.9, 0.1, 0.8], [0.2, 0.7, 0.51], [0.5, 0.9, 0.6]], np.float32)  # the second is not
    probe = np.array([[0.6, 0.3, 0.4], [0.2, 0.3, 0.7], [0.5, 0.2, 0.6]], np.float32)  # none is
    scores = (SEVERAL.score(trained, truth, ("a", "b", "c")), SEVERAL.score(probe, truth, ("a", "b", "c")))
    found = beside_probe(trained, probe, truth, scores, True)
    assert (found.paired.both, found.paired.only_first, found.paired.only_second, found.paired.neither) == (
        0,
        2,
        0,
        1,
    )
    assert (found.figure, found.kept) == ("map", "trained")
    assert "mAP 1.0000 against" in str(found)


RUINED = ("--opt", "sgd", "--lr", 30, "--warmup", 0, "--epochs", 1, "--head-start")


def test_where_training_spoils_the_network_the_probe_is_kept(place: Path, tmp_path: Path) -> None:
    """Its bundle has the weights of a run of `probe`, and the report says why."""
    words = ("train", "data", "-m", "net.py:small", "--img-size", 12, "-j", 0)
    neocog(*words, "--recipe", "probe", "-o", tmp_path / "probe", cwd=place)
    done = neocog(*words, "--recipe", "scratch", *RUINED, "--keep-probe", "-o", tmp_path / "kept", cwd=place)
    figures = json.loads((tmp_path / "kept" / "run.json").read_text())
    found = figures["beside_probe"]
    assert found["kept"] == "probe" and not found["beaten"]
    assert found["words"] in done.stdout
    assert "the fine-tuned network: " in done.stdout  # beside it
    assert figures["top1"] == found["probe"] > found["trained"]
    one, other = (load_file(tmp_path / run / "model.safetensors") for run in ("probe", "kept"))
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    page = (tmp_path / "kept" / "report.html").read_text()
    assert "but they decided which weights to take" in page
    assert "the fine-tuned network" in page and page.count("did not beat the probe that it began with") == 2
    card = json.loads((tmp_path / "kept" / "model.json").read_text())
    assert card["recipe"]["beside the probe"] == found["words"]
    assert "still computes the same" in neocog("verify", tmp_path / "kept", cwd=place).stdout
    spoiled = neocog(*words, "--recipe", "scratch", *RUINED, "-o", tmp_path / "spoiled", cwd=place).stdout
    assert "the fine-tuned weights are kept" in spoiled
    assert weights(tmp_path / "spoiled") != weights(tmp_path / "kept")


def test_several_processes_begin_with_one_probe(place: Path, tmp_path: Path) -> None:
    told = (
        *WORDS,
        "--head-start",
        "--head-epochs",
        1,
        "--unfreeze",
        1,
        "--epochs",
        3,
        "-o",
        tmp_path / "run",
    )
    answers = neocog_in_world(2, *told, cwd=place)
    assert [code for code, *_ in answers] == [0, 0], answers
    assert "the probe that it began with" in answers[0][1]
    assert not answers[1][1]


def test_after_lora_the_bundle_is_the_plain_network(place: Path, tmp_path: Path) -> None:
    words = ("train", "data", "-m", "vit.py:attending", "--img-size", 12, "-j", 0)
    lora = ("--head-start", "--lora", 2, "--epochs", 2, "-b", 16, "--lr", 0.02, "--snapshots", 1)
    done = neocog(*words, "--recipe", "scratch", *lora, "-o", tmp_path / "run", cwd=place)
    assert "the probe that it began with" in done.stdout
    neocog(*words, "--recipe", "probe", "-o", tmp_path / "probe", cwd=place)
    one, other = (load_file(tmp_path / run / "model.safetensors") for run in ("probe", "run"))
    assert {name: array.shape for name, array in one.items()} == {name: a.shape for name, a in other.items()}
    moved = {name for name in one if not np.array_equal(one[name], other[name])}
    assert moved == {"blocks.0.attn.qkv.weight", "head.weight", "head.bias"}
    change = (other["blocks.0.attn.qkv.weight"] - one["blocks.0.attn.qkv.weight"]).reshape(3, 192, 192)
    assert [int(np.linalg.matrix_rank(part, tol=1e-4)) for part in change] == [2, 0, 2]
    assert "still computes the same" in neocog("verify", tmp_path / "run", cwd=place).stdout
    assert "top-1 0." in neocog("eval", f"{tmp_path / 'run'}@2", "data", cwd=place).stdout


def test_the_recipe_finetune_from_the_shell(place: Path, tmp_path: Path) -> None:
    words = ("--recipe", "finetune", "--img-size", 32, "--epochs", 1, "-j", 0, "--engine", "torch")
    done = neocog("train", "data", *words, "-o", tmp_path / "run", cwd=place)
    assert "the probe that it began with: accuracy" in done.stdout
    assert "fit" in json.loads((tmp_path / "run" / "run.json").read_text())["seconds"]
    config = json.loads(neocog("train", "data", *words, "--print-config", cwd=place).stdout)
    assert (config["recipe"]["head_start"], config["recipe"]["keep_probe"]) == (True, True)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (
            "--recipe finetune --lora 4",
            "LoRA stands beside linear layers, the network has none but the last",
        ),
        ("--recipe scratch -m vit.py:attending --lora 400", "must lie in 1..192"),
        ("--recipe scratch -m vit.py:attending --lora 4 --lora-layers *.mlp", "did you mean *.mlp.*, "),
        ("--recipe scratch -m vit.py:attending --lora 4 --lora-layers *.qvk", "did you mean *attn.qkv"),
        ("--recipe scratch -m net.py:small --head-epochs 20", "the last layer would learn alone to the end"),
        ("--recipe probe --lora 4", "the recipe probe has no lora"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(place: Path, words: str, rule: str) -> None:
    assert rule in refused("train", "data", "--img-size", 12, *words.split(), cwd=place)


def pictures(per_class: int) -> Dataset:
    noise = np.random.default_rng(0).integers(0, 256, (4 * per_class, 9, 9, 3), np.uint8)
    labels = np.arange(4 * per_class) % 4
    return Dataset("few", Arrays(list(noise)), labels, tuple("abcd"), np.full(len(labels), ""))


def decided(per_class: int, model: str | None = None, **options: Any) -> tuple[Recipe, str]:
    given: PlanOptions = {"recipe": "finetune", **options}  # type: ignore[typeddict-item]
    plan = planned(pictures(per_class), model, given, Timed(Silent()))
    return plan.loop_recipe, "\n".join(plan.decisions)


def test_few_pictures_are_told_of_and_what_is_changed_for_them_is_said() -> None:
    """Of 5 a class a fifth is held out: 16 train, whose epoch is of 2 steps in batches of 8."""
    usual = RECIPES["finetune"]
    assert isinstance(usual, Recipe)
    many, lines = decided(50)
    assert many == usual and "few:" not in lines
    few, lines = decided(5)
    assert few.batch_size == 8
    assert "few: about 4 pictures of a class" in lines and "batch_size: 8" in lines
    kept, lines = decided(5, batch_size=32, freeze_bn=False)
    assert kept.batch_size == 32 and "batch_size:" not in lines
    assert "--freeze-bn keeps the trained ones" in lines


def test_a_config_of_few_pictures_is_not_changed_a_second_time(tmp_path: Path) -> None:
    first = package.train_config(pictures(5), recipe="finetune")
    assert package.train_config(pictures(50), config=first)["recipe"] == first["recipe"]


def test_beside_lora_every_block_has_one_rate() -> None:
    told, lines = decided(50, model="vit_tiny_patch16_224", weights="any.npz", lora=4)
    assert told.layer_decay == 1 and "layer_decay: 1, since" in lines
    given, lines = decided(50, model="vit_tiny_patch16_224", weights="any.npz", lora=4, layer_decay=0.9)
    assert given.layer_decay == 0.9 and "layer_decay" not in lines


def test_papers_recipes_begin_as_their_papers_say() -> None:
    begun = {name for name, found in RECIPES.items() if isinstance(found, Recipe) and found.head_start}
    assert begun == {"finetune"}


def test_a_recipe_given_whole_that_begins_with_the_probe_takes_the_published_weights() -> None:
    """As `finetune` by name does: a changed copy of it must not begin with drawn ones."""
    whole = replace(recipe("finetune"), lr=1e-4)
    named, own, scratch = (
        planned("builtin/photos", None, {"recipe": one}, Timed(Silent()))
        for one in ("finetune", whole, replace(whole, head_start=False, keep_probe=False))
    )
    assert own.weights == named.weights is not None
    assert scratch.weights is None
