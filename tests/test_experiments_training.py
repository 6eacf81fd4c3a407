"""The experiments on training: their laws at a tiny scale; statistics against scipy; counts against the papers'."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from neocog.api.experiment import write_outcome
from neocog.api.reproduce import reproduce
from neocog.data.builtin import digits
from neocog.data.reading import Reading
from neocog.errors import UserError
from neocog.experiments.training import batch_norm, head, pictures, positions, smoothness, stacks
from neocog.experiments.training.arm import SGD, params
from neocog.experiments.training.catalogue import STUDIES, study
from neocog.experiments.training.deep import deep, responses, with_identities
from neocog.experiments.training.fit import History, Measured, averaged, error_of, fit, initialised, logits
from neocog.experiments.training.interval import interval
from neocog.experiments.training.nets import convnet
from neocog.experiments.training.pictures import Pictures, drawn
from neocog.experiments.training.record import Notebook
from neocog.experiments.training.run import run
from neocog.experiments.training.scale import NAMES, Scale
from neocog.experiments.training.study import Contrast, Record, Study, Verdict
from neocog.models import build
from neocog.progress import Silent

TINY = Scale(train=40, test=20, epochs=1, seeds=2, width=4, depth=14)


def small_digits(scale: Scale, seed: int, size: int = 28) -> Pictures:
    """scikit-learn's digits in the size of the experiments' pictures: each pixel three times, a margin of two."""
    data = digits(Reading())
    pixels = np.stack([np.asarray(data.samples.read(i)) for i in range(len(data))])
    larger = np.pad(np.kron(pixels, np.ones((1, 3, 3), np.uint8)), ((0, 0), (2, 2), (2, 2)))
    edge = (size - 28) // 2
    grown = (
        np.pad(larger, ((0, 0), (edge, edge), (edge, edge)))[..., None]
        if edge >= 0
        else larger[:, ::2, ::2, None]
    )
    return drawn(
        "digits", (grown[300:], data.labels[300:]), (grown[:300], data.labels[:300]), scale, seed, (0.2, 0.3)
    )


SIDES = {"lenet-1998": 32, "depth": 14, "construction": 14}


def tiny(name: str, **changes: int) -> Study:
    """An experiment at a scale of seconds, on digits that every installation has."""
    found = study(name)
    scale = replace(TINY, **changes)
    return replace(
        found,
        scales=dict.fromkeys(NAMES, scale),
        pictures=partial(small_digits, size=SIDES.get(name, 28)),
    )


# --- the statistics


@given(
    st.lists(
        st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)),
        min_size=2,
        max_size=12,
        unique=True,
    ).filter(lambda pairs: np.std([a - b for a, b in pairs]) > 1e-3)
)
def test_the_paired_interval_is_scipys(pairs: list[tuple[float, float]]) -> None:
    high, low = zip(*pairs, strict=True)
    wanted = stats.ttest_rel(high, low).confidence_interval(0.95)
    found = interval([a - b for a, b in pairs])
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-9, abs=1e-12)
    assert found.n == len(pairs)


CONTRAST = Contrast(claim="c", lower=("a", "error"), higher=("b", "error"))


def records(lower: list[float], higher: list[float]) -> dict[tuple[str, int], Record]:
    rows = {("a", seed): Record({"error": value}) for seed, value in enumerate(lower)}
    return rows | {("b", seed): Record({"error": value}) for seed, value in enumerate(higher)}


def test_seeds_are_paired() -> None:
    """Seeds differ far more than arms: only the pairs show the difference."""
    lower = [0.1, 0.5, 0.9]
    higher = [0.111, 0.512, 0.91]
    found = CONTRAST.find(records(lower, higher))
    assert found.verdict is Verdict.SUPPORTED
    assert found.interval.mean == pytest.approx(0.011)
    assert CONTRAST.find(records(higher, lower)).verdict is Verdict.CONTRADICTED
    assert CONTRAST.find(records(lower, [0.91, 0.111, 0.512])).verdict is Verdict.UNSEEN


def test_a_ratio_is_judged_by_its_logarithms() -> None:
    contrast = replace(CONTRAST, times=2.0)
    found = contrast.find(records([1.0, 1.0, 1.0], [2.0, 4.0, 8.0]))
    assert found.interval.mean == pytest.approx(4.0)  # the geometric mean
    half = stats.t.ppf(0.975, 2) * np.std([1, 2, 3], ddof=1) / math.sqrt(3)
    assert found.interval.low == pytest.approx(2 ** (2 - half))
    assert found.verdict is Verdict.UNSEEN
    assert contrast.find(records([1.0, 1.0], [3.0, 3.0])).verdict is Verdict.SUPPORTED
    assert contrast.find(records([1.0, 1.0], [1.9, 1.9])).verdict is Verdict.CONTRADICTED


def test_equal_means_to_the_last_digit() -> None:
    contrast = replace(CONTRAST, equal=True)
    assert contrast.find(records([3.0, 4.0], [3.0, 4.0])).verdict is Verdict.SUPPORTED
    assert contrast.find(records([3.0, 4.0], [4.0, 3.0])).verdict is Verdict.CONTRADICTED


def test_no_verdict_calls_a_claim_refuted() -> None:
    assert [verdict.value for verdict in Verdict] == [
        "supported",
        "not seen at this scale",
        "contradicted at this scale",
    ]


# --- the networks


@pytest.mark.parametrize("depth", [20, 56])
def test_the_deep_nets_have_the_counts_of_the_papers(depth: int) -> None:
    """He et al.'s at width 16, less the two colours that grey pictures lack; plain and residual have equally many."""
    known = {20: 269_722, 56: 853_018}[depth]
    for shortcut in ("A", "none"):
        assert params(deep(depth, 16, shortcut)) == known - 2 * 16 * 9  # type: ignore[arg-type]


def test_alexnets_head_has_its_parameters() -> None:
    """fc6 to fc8 of AlexNet on 256 maps of 6x6 are 58,631,144; here the maps are 7x7 and the classes ten."""
    with torch.device("meta"):
        alexnet = build("alexnet")
    known = sum(p.numel() for name, p in alexnet.named_parameters() if name.startswith("classifier"))
    ours = params(head.fully_connected(256, 1000))
    assert ours - known == 256 * (49 - 36) * 4096
    assert params(head.global_average(64)) == 64 * 10 + 10


def test_a_stack_has_27_and_a_layer_49_times_k_squared_weights() -> None:
    for kernel, weights in ((3, 27), (7, 49)):
        convs = [c for c in stacks.stack(5, kernel).children() if isinstance(c, nn.Conv2d)]
        assert sum(c.weight.numel() for c in convs) == weights * 25
        assert 1 + sum(c.kernel_size[0] - 1 for c in convs) == 7  # the receptive field


def test_without_positions_the_order_of_the_patches_does_not_matter() -> None:
    """And with any it does."""
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    patches = F.unfold(x, 4, stride=4)
    shuffled = F.fold(patches[:, :, torch.randperm(49)], (28, 28), 4, stride=4)
    for name, kind in positions.WAYS.items():
        net = initialised(partial(positions.TinyViT, 16, 2, kind), 1).eval()
        same = torch.allclose(net(x), net(shuffled), atol=1e-5)
        assert same is (name == "none"), name


def test_identity_blocks_change_no_bit() -> None:
    """A plain net whose batch norms have moved, deepened from 8 layers to 26: the same logits."""
    net = initialised(partial(deep, 8, 4, "none"), 3)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    deeper = with_identities(net, 3)  # type: ignore[arg-type]
    x = torch.randn(40, 1, 14, 14)
    assert torch.equal(logits(net, x), logits(deeper, x))
    assert sum(isinstance(m, nn.Conv2d) for m in deeper.modules()) == 26 - 1
    assert params(deeper) > params(net)


def test_responses_are_the_deviations_behind_each_batch_norm() -> None:
    net = initialised(partial(deep, 8, 4, "none"), 0)
    x = torch.randn(30, 1, 14, 14)
    found = responses(net, x)
    net.eval()
    with torch.no_grad():
        first = net.bn1(net.conv1(x))  # type: ignore[operator]
        block = net.layer1[0]  # type: ignore[index]
        second = block.bn1(block.conv1(first.relu()))
    assert len(found) == 7
    assert found[:2] == pytest.approx([first.numpy().std(ddof=1), second.numpy().std(ddof=1)], rel=1e-5)


def test_a_last_scale_of_zero_makes_a_block_its_shortcut() -> None:
    net = initialised(partial(deep, 14, 4, "A", True), 0).eval()
    x = torch.rand(3, 4, 14, 14)
    assert torch.equal(net.layer1(x), x)  # type: ignore[operator]


# --- what is measured


def quadratic() -> nn.Module:
    return nn.Linear(3, 2, bias=False)


def test_the_loss_along_its_gradient_is_that_of_the_moved_weights() -> None:
    torch.manual_seed(0)
    net, x, y = quadratic(), torch.randn(20, 3), torch.randint(2, (20,))
    before = net.weight.detach().clone()
    found = smoothness.look(net, x, y, [0.5, 2.0])
    weights = before.numpy().astype(np.float64)
    inputs, wanted = x.numpy().astype(np.float64), np.eye(2)[y.numpy()]

    def loss_and_gradient(w: np.ndarray) -> tuple[float, np.ndarray]:
        """Softmax regression written out."""
        scores = inputs @ w.T
        p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        return -np.log((p * wanted).sum(1)).mean(), (p - wanted).T @ inputs / len(inputs)

    loss, gradient = loss_and_gradient(weights)
    steps = [loss_and_gradient(weights - length * gradient) for length in (0.5, 2.0)]
    turned = [np.linalg.norm(g - gradient) for _, g in steps]
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.losses == pytest.approx([value for value, _ in steps], rel=1e-5)
    assert found.turned == pytest.approx(turned, rel=1e-4)
    gone = [length * np.linalg.norm(gradient) for length in (0.5, 2.0)]
    assert found.smoothness == pytest.approx(max(t / g for t, g in zip(turned, gone, strict=True)), rel=1e-4)
    assert found.range == pytest.approx(steps[0][0] - steps[1][0], rel=1e-4)
    assert torch.equal(net.weight, before)


def test_looking_leaves_the_network_as_it_was() -> None:
    net = convnet(4, norm=nn.BatchNorm2d).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, y = torch.randn(8, 1, 28, 28), torch.arange(8)
    smoothness.look(net, x, y, [0.1])
    batch_norm.entering(net, "act2", x)
    logits(net, x)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_enters_layer_two_is_normalised_while_training() -> None:
    net = initialised(partial(batch_norm.perceptron, 20, True), 0)
    seen = batch_norm.entering(net, "act2", torch.randn(200, 1, 28, 28))
    assert seen.shape == (200, 20)
    assert seen.mean(0).abs().max() < 1e-4
    assert seen.var(0, correction=0).numpy() == pytest.approx(np.ones(20), abs=1e-2)


def test_drift_is_zero_for_a_net_that_stays() -> None:
    net = initialised(partial(batch_norm.perceptron, 8, False), 0)
    shift = batch_norm.Shift(net, torch.randn(50, 1, 28, 28), 1, [], [])
    for step in range(3):
        shift.watch(step)
    assert shift.drift() == 0
    with torch.no_grad():
        net.fc2.bias.add_(1.0)  # type: ignore[operator, union-attr]
    shift.watch(3)
    spread = shift.seen[-1].std(0).numpy()
    assert shift.drift() == pytest.approx((3 / spread / 4).mean(), rel=1e-5)  # three of four looks lie 1 away


def test_errors_are_counted_and_averages_are_means_of_probabilities() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0], [math.nan, 1.0], [3.0, 4.0]])
    assert error_of(scores, torch.tensor([0, 0, 0, 1])) == 0.5
    one, other = nn.Linear(4, 3), nn.Linear(4, 3)
    x = torch.randn(5, 4)
    probabilities = [
        np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        for scores in (one(x).detach().numpy(), other(x).detach().numpy())
    ]
    assert averaged([one, other], x).numpy() == pytest.approx(sum(probabilities) / 2, abs=1e-6)


# --- training


def test_a_history_is_what_the_trained_net_comes_to() -> None:
    """Measured before the first step and after each part of an epoch; the last row is that of the net itself."""
    scale = replace(TINY, train=150, test=60, epochs=3)
    given = small_digits(scale, 0)
    net = initialised(partial(convnet, 4, norm=nn.BatchNorm2d), 0)
    steps: list[int] = []
    history = fit(net, given, replace(SGD, epochs=3, lr=0.01), 0, steps.append, often=2)
    assert [row.epoch for row in history.rows] == pytest.approx([0, 2 / 3, 1, 5 / 3, 2, 8 / 3, 3], abs=0.4)
    assert len(history.rows) == 7
    assert steps == list(range(1, 3 * math.ceil(150 / 64) + 1))
    net.eval()
    with torch.no_grad():
        scores = net(given.inputs(given.test))
        known = net(given.inputs(given.train))
    assert history.last.test_error == pytest.approx((scores.argmax(1).numpy() != given.test.labels).mean())
    assert history.last.train_loss == pytest.approx(
        F.cross_entropy(known, torch.from_numpy(given.train.labels)).item(), rel=1e-5
    )
    assert history.last.train_loss < history.rows[0].train_loss
    assert not history.diverged


def test_a_training_follows_from_its_seed() -> None:
    recipe = replace(SGD, epochs=1, lr=0.01)
    runs = [
        fit(initialised(partial(convnet, 4), s), small_digits(TINY, s), recipe, s).rows for s in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]


def test_a_training_that_diverges_counts_as_guessing() -> None:
    net = initialised(partial(convnet, 4), 0)
    history = fit(net, small_digits(TINY, 0), replace(SGD, epochs=3, lr=1e30, warmup=0.0), 0)
    assert history.diverged
    assert len(history.rows) == 4
    assert history.last.test_error == pytest.approx(0.9)


def test_the_first_epoch_that_reaches_an_error() -> None:
    rows = tuple(
        Measured(epoch, 1.0, error, 0.5) for epoch, error in ((0, 0.9), (0.5, 0.3), (1.0, 0.4), (1.5, 0.2))
    )
    history = History(rows)
    assert [history.sooner(error) for error in (1.0, 0.3, 0.25, 0.1)] == [0, 0.5, 1.5, None]


def test_training_pictures_follow_from_the_seed_and_test_pictures_do_not() -> None:
    one, again, other = (small_digits(TINY, seed) for seed in (0, 0, 1))
    pixels = [np.asarray(p.train.pixels) for p in (one, again, other)]
    assert np.array_equal(pixels[0], pixels[1]) and not np.array_equal(pixels[0], pixels[2])
    assert np.array_equal(np.asarray(one.test.pixels), np.asarray(other.test.pixels))
    assert len(one.train) == TINY.train and len(one.test) == TINY.test


def test_halving_takes_the_mean_of_each_square() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 1), np.uint8)
    wanted = F.avg_pool2d(torch.from_numpy(pixels[..., 0]).double(), 2).round().numpy()
    assert np.array_equal(pictures.halved(pixels)[..., 0], wanted)


def test_lenets_ground_and_ink() -> None:
    """-0.1 and 1.175 (LeCun et al. 1998, section II.B)."""
    mean, std = pictures.LENET
    assert (0 - mean) / std == pytest.approx(-0.1)
    assert (1 - mean) / std == pytest.approx(1.175)


# --- every experiment, end to end


CHANGES: dict[str, dict[str, int]] = {"ensemble": {"depth": 2}, "positions": {"width": 16, "depth": 1}}


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "head"])
def test_an_experiment_runs_and_is_written_down(name: str, tmp_path: Path) -> None:
    its = tiny(name, **CHANGES.get(name, {}))
    outcome = run(its, "minutes", tmp_path, Silent())
    scale = its.scales["minutes"]
    assert len(outcome.records) == len(its.arms(scale)) * scale.seeds
    assert len(outcome.findings) == len(its.contrasts)
    assert all(finding.interval.n == scale.seeds for finding in outcome.findings)
    stored = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    assert stored["claims"] and len(stored["trials"]) == len(outcome.records)
    write_outcome(outcome, tmp_path / "pages")
    page = (tmp_path / "pages" / f"{name}.md").read_text("utf-8")
    plots = sorted(path.name for path in (tmp_path / "pages").glob("*.svg"))
    assert len(plots) == len(its.plots)
    for plot in plots:
        assert f"({plot})" in page
        assert ElementTree.parse(tmp_path / "pages" / plot).getroot().tag.endswith("svg")
    assert all(contrast.claim.replace("_", "\\_").split("(")[0] in page for contrast in its.contrasts)
    if name == "construction":
        assert outcome.findings[0].verdict is Verdict.SUPPORTED  # a law, whatever the scale
    assert run(its, "minutes", tmp_path, Silent()).records == outcome.records  # read back, not run again


@pytest.mark.parametrize("name", list(STUDIES))
def test_an_experiment_is_well_formed(name: str) -> None:
    found = study(name)
    assert found.name == name
    assert tuple(found.scales) == NAMES
    assert all(scale.seeds >= 3 for scale in found.scales.values())
    for scale in found.scales.values():
        arms = found.arms(scale)
        assert all(
            cell[0] in arms for contrast in found.contrasts for cell in (contrast.lower, contrast.higher)
        )
    assert found.says and found.source and found.setup
    claims = [contrast.claim for contrast in found.contrasts]
    assert len(set(claims)) == len(claims)


# --- a stopped experiment goes on


def test_a_stopped_experiment_runs_only_what_is_missing(tmp_path: Path) -> None:
    asked: list[int] = []

    def pictures_of(scale: Scale, seed: int) -> Pictures:
        asked.append(seed)
        if len(asked) == 3 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        return small_digits(scale, seed)

    its = replace(tiny("pooling"), pictures=pictures_of)
    with pytest.raises(KeyboardInterrupt):
        run(its, "minutes", tmp_path, Silent())
    [path] = tmp_path.glob("*.jsonl")
    assert len(path.read_text().splitlines()) == 2
    path.write_text(path.read_text() + '{"arm": "maximum 3/2", "seed": 0, "rec')  # and one cut short
    (tmp_path / "again").touch()
    asked.clear()
    outcome = run(its, "minutes", tmp_path, Silent())
    assert asked == [0, 1, 1, 1, 0]  # what was missing, and the name of the pictures
    asked.clear()
    run(its, "minutes", tmp_path, Silent())
    assert asked == [0]  # all lines can be read, those behind the one cut short, too
    whole = run(replace(tiny("pooling")), "minutes", tmp_path / "elsewhere", Silent())
    assert outcome.records == whole.records


def test_trials_of_another_scale_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    Notebook(path, TINY).write("a", 0, Record({"error": 0.5}, {"c": [(1.0, 2.0)]}), 1.5)
    assert Notebook(path, TINY).read() == {("a", 0): (Record({"error": 0.5}, {"c": [(1.0, 2.0)]}), 1.5)}
    assert Notebook(path, replace(TINY, epochs=3)).read() == {}


# --- the command


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "neocog", "reproduce", *arguments], cwd=cwd, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_wrong_request_gets_one_line(tmp_path: Path) -> None:
    done = command("depth", "--scale", "minute", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "neocog: unknown scale 'minute'; did you mean minutes?"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("dropuot",), "unknown experiment 'dropuot'; did you mean dropout?"),
        (("tables", "hour"), "tables is computed at once and printed; leave out the scale"),
        (("tables", None, "folder"), "tables is computed at once and printed; leave out the scale"),
    ],
)
def test_wrong_requests_from_python(arguments: tuple[str, ...], error: str) -> None:
    with pytest.raises(UserError, match=error):
        reproduce(*arguments)


def test_the_list_has_every_experiment(tmp_path: Path) -> None:
    listed = json.loads(command("--json", cwd=tmp_path).stdout)
    assert [row["experiment"] for row in listed] == ["tables", "ilsvrc", "decaf", *STUDIES]
