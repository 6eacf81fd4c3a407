import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neocog.errors import UserError
from neocog.layers.lrn import LocalResponseNorm, local_response_norm
from reference import loops


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return 20 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 9), st.floats(0.25, 2), st.floats(1, 3))
def test_the_printed_formula(size: int, channels: int, beta: float, k: float) -> None:
    x = random(2, channels, 2, 1)
    first = [max(0, i - size // 2) for i in range(channels)]
    last = [min(channels - 1, i + size // 2) for i in range(channels)]
    expected = loops.local_response_norm(x.numpy(), first, last, alpha=0.01, beta=beta, k=k)
    got = local_response_norm(x, size, 0.01, beta, k)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-13)


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(1, 9))
def test_divided_by_size_it_is_torchs_for_every_size(size: int, channels: int) -> None:
    x = random(2, channels, 2, 3)
    theirs = torch.nn.LocalResponseNorm(size, alpha=0.03, beta=0.75, k=1.5)(x)
    ours = LocalResponseNorm(size, alpha=0.03, beta=0.75, k=1.5, divide_by_size=True)(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_the_printed_formula_is_torchs_with_size_times_alpha(size: int) -> None:
    x = random(2, 9, 2, 3)
    theirs = torch.nn.LocalResponseNorm(size, alpha=size * 0.01, beta=0.75, k=2.0)(x)
    torch.testing.assert_close(LocalResponseNorm(size, alpha=0.01)(x), theirs, rtol=1e-13, atol=0)


def test_for_an_even_size_the_printed_window_has_one_channel_more() -> None:
    channels, one = torch.zeros(1, 9, 1, 1, dtype=torch.float64), 4
    channels[0, one] = 10
    ones = torch.ones_like(
        channels
    )  # what is normalised is each channel; who feels channel 4 is what differs
    ones[0, one] = 10
    for divided, window in ((False, 5), (True, 4)):
        felt = local_response_norm(ones, 4, 1.0, 1.0, 1.0, divided)
        alone = local_response_norm(torch.ones_like(ones), 4, 1.0, 1.0, 1.0, divided)
        assert int((felt != alone).sum()) == window


def test_the_defaults_are_alexnets() -> None:
    x = random(1, 8, 1, 1)
    torch.testing.assert_close(LocalResponseNorm()(x), local_response_norm(x, 5, 1e-4, 0.75, 2.0))
    torch.testing.assert_close(LocalResponseNorm()(x), torch.nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)(x))


@pytest.mark.parametrize("divided", [False, True])
def test_the_gradient_is_torchs(divided: bool) -> None:
    x, theirs = random(2, 7, 2, 2).requires_grad_(), random(2, 7, 2, 2).requires_grad_()
    weights = random(2, 7, 2, 2, seed=1)
    (local_response_norm(x, 5, 0.1, divide_by_size=divided) * weights).sum().backward()
    (torch.nn.LocalResponseNorm(5, 0.1 if divided else 0.5, k=2.0)(theirs) * weights).sum().backward()
    torch.testing.assert_close(x.grad, theirs.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3), (2, 6, 3, 2, 2)])
def test_any_number_of_axes_behind_the_channels(shape: tuple[int, ...]) -> None:
    x = random(*shape)
    flat = local_response_norm(x.reshape(2, 6, -1, 1), 3, 0.1)
    torch.testing.assert_close(local_response_norm(x, 3, 0.1), flat.reshape(shape), rtol=0, atol=0)


def test_it_is_onnx_runtimes() -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("LRN", ["x"], ["y"], size=5, alpha=0.05, beta=0.75, bias=2.0)
    ends = [helper.make_tensor_value_info(name, kind, [2, 8, 3, 3]) for name in "xy"]
    graph = helper.make_graph([node], "lrn", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = random(2, 8, 3, 3).float()
    (expected,) = session.run(None, {"x": x.numpy()})
    ours = local_response_norm(x, 5, 0.05, divide_by_size=True)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5)  # single precision
    np.testing.assert_allclose(local_response_norm(x, 5, 0.01).numpy(), expected, rtol=1e-5)


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="size must be a channel or more, got 0; AlexNet's is 5"):
        local_response_norm(torch.ones(1, 2, 3, 3), 0)
