import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from neocog.data.builtin import whole_photographs
from neocog.data.preprocess import Preprocess
from neocog.errors import UserError
from neocog.inference import engines
from neocog.inference.network import Head, Network

PREPROCESS = Preprocess(size=(24, 32))
Floats = NDArray[np.float32]


def simple() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        conv = nn.Conv2d(3, 8, 5, 3)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def network(net: nn.Module | None = None, name: str = "a test") -> Network:
    return Network(name, PREPROCESS, "digest of the weights", lambda: net or simple())


def never_built(name: str = "a test") -> Network:
    """A network whose backbone must be found compiled."""

    def build() -> nn.Module:
        raise AssertionError("the backbone was built again")

    return Network(name, PREPROCESS, "digest of the weights", build)


def pixels() -> NDArray[np.uint8]:
    photographs = whole_photographs()
    return np.stack([PREPROCESS(photographs.read(i)) for i in range(len(photographs))])


def expected_features(net: nn.Module) -> Floats:
    """torch's own answer on the photographs."""
    x = torch.from_numpy((pixels() / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
    with torch.no_grad():
        features: Floats = net.double()(x).numpy()
    return features


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled networks are kept, empty at first."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def choose(network: Network, head: Head | None = None, wanted: str = "auto") -> engines.Chosen:
    """The engine on the CPU, also where there is an accelerator."""
    return engines.choose(network, head, wanted, "cpu")


def only(place: Path, suffix: str) -> Path:
    (path,) = place.glob(f"*{suffix}")
    return path


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


class Raising(nn.Module):
    """Works in torch, and raises while it is traced."""

    def __init__(self, error: Exception):
        super().__init__()
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        if torch.jit.is_tracing():
            raise self.error
        return x.mean((2, 3))


class SingularValues(nn.Module):
    """An operation that OpenVINO has no word for."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(x.float()).flatten(1)


class OneByOne(nn.Module):
    """The number of pictures becomes a constant when it is traced."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x[i].mean((1, 2))[None] for i in range(len(x))])


class Branching(nn.Module):
    """What it computes depends on the picture; tracing sees one of the ways."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) if bool((x == 0).all()) else x.amax((2, 3))


class NotANumber(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x.mean((2, 3)) - 2).log()


def test_auto_takes_openvino_where_it_agrees_with_torch() -> None:
    chosen = choose(network())
    assert (chosen.engine.name, chosen.why[:6]) == ("openvino", "agrees")


def test_the_chosen_engine_computes_the_features() -> None:
    expected = expected_features(simple())
    off = np.abs(choose(network()).engine(pixels()) - expected).max()
    assert off <= 1e-5 * np.abs(expected).max()  # single precision


def test_nothing_is_compiled_the_second_time() -> None:
    first = choose(network())
    again = choose(never_built(), None, "openvino")
    assert again.engine.name == "openvino"
    assert (again.engine(pixels()) == first.engine(pixels())).all()


def test_a_compiled_network_is_not_taken_for_another() -> None:
    choose(network())
    with pytest.raises(UserError, match="the backbone was built again"):
        choose(never_built("another"), None, "openvino")


@pytest.mark.parametrize("suffix", [".blob", ".check"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
def test_one_flipped_bit_of_what_is_kept_is_noticed_and_all_is_made_again(
    place: Path, suffix: str, share: float
) -> None:
    choose(network())
    path = only(place, suffix)
    flip(path, int(share * path.stat().st_size))
    with pytest.raises(UserError, match="the backbone was built again"):
        choose(never_built(), None, "openvino")
    choose(network())
    assert choose(never_built(), None, "openvino").engine.name == "openvino"


@pytest.mark.parametrize("suffix", [".blob", ".check"])
def test_a_file_cut_short_is_made_again(place: Path, suffix: str) -> None:
    choose(network())
    path = only(place, suffix)
    path.write_bytes(path.read_bytes()[:100])
    choose(network())
    assert choose(never_built(), None, "openvino").engine.name == "openvino"


@pytest.mark.parametrize("suffix", [".blob", ".check"])
def test_a_missing_file_is_made_again(place: Path, suffix: str) -> None:
    choose(network())
    only(place, suffix).unlink()
    choose(network())
    assert choose(never_built(), None, "openvino").engine.name == "openvino"


UNFIT = {
    "it raises": (Raising(RuntimeError("my own reason")), "cannot run this network (my own reason)"),
    "it raises something else": (Raising(KeyError("odd")), "cannot run this network ('odd')"),
    "an unknown operation": (SingularValues(), "aten::linalg_svdvals)"),
    "a fixed number of pictures": (OneByOne(), "OpenVINO"),
    "a branch": (Branching(), "differs from torch by"),
    "no numbers": (NotANumber(), "differs from torch by inf"),
}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("what", UNFIT)
def test_a_network_unfit_for_openvino_runs_on_torch_and_says_why(what: str) -> None:
    net, reason = UNFIT[what]
    chosen = choose(network(net))
    assert chosen.engine.name == "torch"
    assert reason in chosen.why
    assert "\n" not in chosen.why
    expected = expected_features(net)
    found = chosen.engine(pixels())
    single = 1e-5 * np.nanmax(np.abs(expected), initial=0)
    assert np.allclose(found, expected, rtol=0, atol=single, equal_nan=True)


def test_openvino_asked_for_a_network_it_cannot_run_is_a_readable_error() -> None:
    with pytest.raises(UserError, match=r"cannot run this network \(my own reason\); use --engine torch"):
        choose(network(Raising(ValueError("my own reason"))), None, "openvino")


def sensitive_head() -> Head:
    """A head that makes a difference of 0.23 or more of the two engines' last bits."""
    one, other = (choose(network(), None, name).engine(pixels()) for name in ("torch", "openvino"))
    off = np.abs(one - other)
    picture, feature = np.unravel_index(off.argmax(), off.shape)
    weight = np.zeros((2, one.shape[1]), np.float32)
    weight[1, feature] = 2.0 ** np.ceil(-np.log2(off.max()))  # a power of two: its products are exact
    return Head(weight, np.array([0, -weight[1, feature] * one[picture, feature]], np.float32))


def test_a_head_that_blows_a_difference_up_runs_on_torch_and_says_so() -> None:
    chosen = choose(network(), sensitive_head())
    assert chosen.engine.name == "torch"
    assert re.fullmatch(r"OpenVINO differs from torch by [2-5]\.\de-01, above 1e-04", chosen.why)


def test_the_verdict_on_another_head_needs_no_new_compilation() -> None:
    head = sensitive_head()
    tame = Head(head.weight / head.weight.max(), np.zeros(2, np.float32))
    assert choose(never_built(), tame).engine.name == "openvino"


def test_torch_is_taken_where_it_is_asked_for(place: Path) -> None:
    chosen = choose(network(), None, "torch")
    assert (chosen.engine.name, chosen.why) == ("torch", "asked for")
    assert not place.exists()


def test_an_unknown_engine_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UserError, match="one of auto, openvino, torch, got 'tensorrt'"):
        choose(network(), None, "tensorrt")


def test_openvino_on_another_device_is_an_error() -> None:
    with pytest.raises(UserError, match="runs on the CPU, got device 'cuda'"):
        engines.choose(network(), None, "openvino", "cuda")


def test_without_a_place_to_keep_it_a_network_is_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache's folder would lie below a file, which not even root can write to."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        assert choose(network()).engine.name == "openvino"


numbers = st.floats(-8, 8, width=32)


@given(arrays(np.float32, (2, 4, 3), elements=numbers), arrays(np.float32, (5, 3), elements=numbers))
def test_the_difference_is_that_of_the_softmax(features: Floats, weight: Floats) -> None:
    bias = np.linspace(-1, 1, 5, dtype=np.float32)
    logits = features.astype(float) @ weight.astype(float).T + bias
    one, other = softmax(logits, axis=-1)
    found = engines.difference(features[0], features[1], Head(weight, bias))
    assert abs(found - np.abs(one - other).max()) <= 1e-4  # single precision of logits up to 200


def test_without_a_head_the_difference_is_relative_to_the_largest_feature() -> None:
    reference = np.array([[1, -200], [3, 4]], np.float32)
    given = np.array([[1, -199], [3.5, 4]], np.float32)
    assert engines.difference(reference, given, None) == pytest.approx(1 / 200, rel=1e-6)  # single precision


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("head", [None, Head(np.ones((2, 2), np.float32), np.zeros(2, np.float32))])
def test_features_that_are_no_numbers_differ_infinitely(wrong: float, head: Head | None) -> None:
    reference = np.array([[1, 2], [3, 4]], np.float32)
    given = np.array([[1, 2], [3, wrong]], np.float32)
    assert engines.difference(reference, given, head) == float("inf")
