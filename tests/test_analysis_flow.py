"""Fields of awkward networks against what really moves their outputs, and what a trace leaves untouched."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import neocog
from neocog.analysis.field import NOTHING, Field
from neocog.errors import UserError

SIZE = (4, 12, 12)


class Fn(nn.Module):
    def __init__(self, run: Callable[[Any, Tensor], Tensor], **modules: nn.Module):
        super().__init__()
        self.run = run
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def conv(kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(4, 4, kernel, padding=kernel // 2)


def support(net: nn.Module, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last line of the picture with a derivative in each number of the output, by finite steps."""
    torch.manual_seed(1)
    net = net.double().eval()
    x = torch.rand(1, *SIZE, dtype=torch.float64)
    with torch.no_grad():
        plain = net(x)
        low, high = np.full(plain.shape, NOTHING), np.full(plain.shape, -1)
        for line in range(SIZE[1 + axis]):
            moved = x.clone()
            moved.select(2 + axis, line).add_(torch.rand(1, 4, 12, dtype=torch.float64))
            changed = (net(moved) != plain).numpy()
            low[changed] = np.minimum(low[changed], line)
            high[changed] = line
    return low, high


def field_of(net: nn.Module) -> tuple[Field, tuple[int, ...]]:
    trace = neocog.trace(net, SIZE)
    last = max(i for i, op in enumerate(trace.ops) if op.output)
    field = neocog.receptive_fields(trace)[last]
    assert field is not None
    return field, trace.ops[last].shape


def attend(s: Any, x: Tensor) -> Tensor:
    tokens = s.c(x).flatten(2)[:, None]
    return F.scaled_dot_product_attention(tokens, tokens, tokens)


def view_before_writing(s: Any, x: Tensor) -> Tensor:
    y = s.c(x)
    z = y.flatten(2)
    y.add_(F.adaptive_avg_pool2d(y, 1))
    return z * 1.0


def sibling_views(s: Any, x: Tensor) -> Tensor:
    y = s.c(x)
    a, b = y[:, :2], y[:, 1:3]
    a += s.d(y)[:, :2]
    return b * 1.0


def pieces_of_a_split(s: Any, x: Tensor) -> Tensor:
    a, b = s.c(x).chunk(2, 1)
    a.add_(1.0)
    return torch.cat([s.d(torch.cat([a, a], 1)), b], 1)


NETS: dict[str, Callable[[], nn.Module]] = {
    "a view taken before a write": lambda: Fn(view_before_writing, c=conv()),
    "overlapping views": lambda: Fn(sibling_views, c=conv(), d=conv()),
    "pieces of a split": lambda: Fn(pieces_of_a_split, c=conv(), d=conv()),
    "a map plus its transpose": lambda: Fn(lambda s, x: s.c(x) + s.d(x).transpose(2, 3), c=conv(), d=conv(1)),
    "attention among channels": lambda: Fn(attend, c=conv()),
    "reshape_as": lambda: Fn(lambda s, x: s.d(s.c(x).flatten(2).reshape_as(x)), c=conv(), d=conv()),
    "a column selected": lambda: Fn(lambda s, x: s.c(x).select(2, 5), c=conv()),
    "smoothed resize": lambda: Fn(
        lambda s, x: s.c(F.interpolate(x, size=(5, 5), mode="bilinear", antialias=True)), c=conv()
    ),
    "smoothed bicubic resize": lambda: Fn(
        lambda s, x: s.c(F.interpolate(x, size=(5, 7), mode="bicubic", antialias=True)), c=conv()
    ),
    "instance norm with stored statistics": lambda: Fn(
        lambda s, x: s.c(s.g(s.c(x))), c=conv(), g=nn.InstanceNorm2d(4, track_running_stats=True)
    ),
    "an index made on the way": lambda: Fn(
        lambda s, x: s.c(x.index_select(3, torch.tensor([3, 1, 2]))), c=conv()
    ),
    "a constant from the CPU": lambda: Fn(
        lambda s, x: s.c(x + torch.linspace(0, 1, x.shape[-1], dtype=x.dtype)), c=conv()
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_a_field_holds_all_that_moves_the_output_and_if_exact_no_more(name: str) -> None:
    net = NETS[name]()
    field, shape = field_of(net)
    for axis in (0, 1):
        low, high = support(net, axis)
        ours = np.broadcast_to(field.low(axis), shape)
        last = np.broadcast_to(np.where(field.bounds[2 * axis + 1] == NOTHING, -1, field.high(axis)), shape)
        if field.exact:
            assert (ours == low).all() and (last == high).all()
        else:
            assert (ours <= low).all() and (last >= high).all()


@pytest.mark.parametrize(
    "name", ["a map plus its transpose", "attention among channels", "a column selected"]
)
def test_no_triple_is_given_where_positions_meet_other_positions(name: str) -> None:
    field, _ = field_of(NETS[name]())
    assert field.affine == (None, None)


def test_pieces_of_a_split_stay_exact() -> None:
    assert field_of(NETS["pieces of a split"]())[0].exact


def test_multi_head_attention_is_global_from_the_first_layer() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(4, 16, 4, 4)
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)

        def forward(self, x: Tensor) -> Tensor:
            tokens: Tensor = self.encoder(self.embed(x).flatten(2).transpose(1, 2))
            return tokens

    made = neocog.summary(Tokens(), input_size=SIZE)
    assert "from encoder.layers.0.self_attn" in str(made)


def test_a_recurrent_layer_with_computed_weights_costs_what_a_plain_one_does() -> None:
    class Same(nn.Module):
        def forward(self, w: Tensor) -> Tensor:
            return w * 1.0

    def cost(parametrised: bool) -> int:
        lstm = nn.LSTM(4, 5, batch_first=True)
        if parametrised:
            nn.utils.parametrize.register_parametrization(lstm, "weight_hh_l0", Same())
        net = Fn(lambda s, x: s.l(x.mean(2).transpose(1, 2))[0], l=lstm)
        return neocog.summary(net, input_size=SIZE).summary.macs

    assert cost(True) == cost(False) == 12 * (4 * 5 * 4 + 4 * 5 * 5)


def test_layouts_in_memory_are_those_of_torch() -> None:
    runs = Fn(
        lambda s, x: s.l(F.gelu(s.c(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).view(x.shape[0], -1)),
        c=conv(), l=nn.Linear(576, 3),
    )  # fmt: skip
    assert runs(torch.zeros(1, *SIZE)).shape == (1, 3)
    assert neocog.summary(runs, input_size=SIZE).rows[-1].output_size == (3,)
    refused = Fn(lambda s, x: F.relu(s.c(x).permute(0, 2, 3, 1)).view(x.shape[0], -1), c=conv())
    with pytest.raises(RuntimeError):
        refused(torch.zeros(1, *SIZE))
    with pytest.raises(UserError, match="does not run"):
        neocog.summary(refused, input_size=SIZE)


def test_constants_of_the_forward_pass_do_not_stop_memory_and_proof() -> None:
    made = neocog.summary(NETS["a constant from the CPU"](), input_size=SIZE)
    assert made.to_json()["totals"]["training_bytes"] > 0
    assert made.check().ok


def test_training_memory_is_null_where_the_network_cannot_train() -> None:
    net = nn.Sequential(nn.Conv2d(4, 8, 12), nn.BatchNorm2d(8))  # one number a channel
    assert neocog.summary(net, input_size=SIZE).to_json()["totals"]["training_bytes"] is None


def test_hooks_of_the_user_do_not_see_the_trace() -> None:
    kept: dict[str, Tensor] = {}
    net = nn.Sequential(conv(), nn.ReLU())
    net[0].register_forward_hook(lambda module, args, out: kept.__setitem__("x", out))
    net(torch.rand(1, *SIZE))
    neocog.summary(net, input_size=SIZE)
    assert kept["x"].device.type == "cpu"


def test_no_random_generator_is_moved() -> None:
    def draws(s: Any, x: Tensor) -> Tensor:
        return s.c(x) * float(torch.rand(())) + random.random() + float(np.random.rand())  # noqa: NPY002

    made = neocog.summary(Fn(draws, c=conv()), input_size=SIZE)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[2]  # noqa: NPY002
    neocog.summary(made.net, input_size=SIZE)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (random.getstate(), np.random.get_state()[2]) == before[1:]  # noqa: NPY002


def test_counts_are_exact_where_only_the_field_has_no_rule() -> None:
    net = Fn(lambda s, x: s.c(x).scatter(3, torch.zeros(1, 4, 12, 12, dtype=torch.long), 1.0), c=conv())
    told = neocog.summary(net, input_size=SIZE).totals()
    assert told["multiply-adds"] == f"{12 * 12 * 4 * 4 * 9:,}"
    assert told["partial"] == "receptive fields are upper bounds behind scatter"


def test_tokens_without_a_batch_keep_their_own_patches() -> None:
    """(1, tokens, dim) as (tokens, dim) is not one vector."""
    net = Fn(
        lambda s, x: s.l(s.c(x).flatten(2).transpose(1, 2).reshape(-1, 4)),
        c=nn.Conv2d(4, 4, 4, 4), l=nn.Linear(4, 3),
    )  # fmt: skip
    assert [row.receptive_field for row in neocog.summary(net, input_size=SIZE).rows] == [(4, 4), (4, 4)]


def test_attention_keeps_the_layout_of_its_queries() -> None:
    """Heads cut out of one tensor: a CPU's result can be viewed as joined heads without a copy."""

    def joins(s: Any, x: Tensor) -> Tensor:
        tokens = s.c(x).flatten(2).transpose(1, 2)
        q, k, v = s.qkv(tokens).unflatten(-1, (3, 2, 4)).unbind(2)
        out = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        return out.transpose(1, 2).view(len(x), -1, 8)

    net = Fn(joins, c=nn.Conv2d(4, 8, 4, 4), qkv=nn.Linear(8, 24)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, *SIZE)).shape == (1, 9, 8)
    assert neocog.summary(net, input_size=SIZE).rows[-1].cause == "scaled_dot_product_attention"


def halves(s: Any, x: Tensor) -> Tensor:
    return F.glu(s.c(x), dim=2)


def overlapping_columns(s: Any, x: Tensor) -> Tensor:
    return s.c(x).unfold(dimension=3, size=3, step=2)


@pytest.mark.parametrize("run", [halves, overlapping_columns])
def test_pieces_of_positions_are_exact_and_have_no_triple(run: Callable[[Any, Tensor], Tensor]) -> None:
    net = Fn(run, c=conv())
    field, shape = field_of(net)
    assert field.exact and field.affine == (None, None)
    for axis in (0, 1):
        low, high = support(net, axis)
        assert (np.broadcast_to(field.low(axis), shape) == low).all()
        assert (np.broadcast_to(field.high(axis), shape) == high).all()


def test_outputs_in_a_dataclass_are_outputs() -> None:
    @dataclass
    class Both:
        first: Tensor
        second: Tensor

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(), conv()

        def forward(self, x: Tensor) -> Both:
            return Both(self.a(x), self.b(x))

    assert [op.kind for op in neocog.trace(Two(), SIZE).ops if op.output] == ["conv2d", "conv2d"]


class Banded(nn.Module):
    """Tokens of rows that attend to themselves and the row before."""

    def __init__(self) -> None:
        super().__init__()
        self.c = conv()
        self.register_buffer("mask", torch.ones(12, 12).tril().triu(-1).bool())

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.c(x).transpose(1, 2).flatten(2)[:, None]
        return F.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=self.mask)


def test_a_mask_of_unknown_values_makes_an_upper_bound() -> None:
    field, shape = field_of(Banded())
    low, high = support(Banded(), 0)
    assert not field.exact
    assert (np.broadcast_to(field.low(0), shape) <= low).all()
    assert (np.broadcast_to(field.high(0), shape) >= high).all()
    assert neocog.summary(Banded(), input_size=SIZE).summary.partial == ("scaled_dot_product_attention",)


@pytest.mark.parametrize("narrow_first", [True, False])
def test_a_sum_of_branches_has_the_window_around_both(narrow_first: bool) -> None:
    """1x1 without padding and 5x5 with 2: the wider one; 4x4 with 3 at the start reaches from -3 to 0 instead."""
    first, second = (conv(1), conv(5)) if narrow_first else (conv(5), conv(1))
    row = neocog.summary(Fn(lambda s, x: s.a(x) + s.b(x), a=first, b=second), input_size=SIZE).rows[-1]
    assert (row.receptive_field, row.effective_padding, row.aligned) == ((5, 5), (2, 2), True)
    left, right = nn.Conv2d(4, 4, 4), conv(3)
    pair = (lambda s, x: s.a(F.pad(x, (3, 0, 3, 0))), lambda s, x: s.b(x))
    one, other = pair if narrow_first else pair[::-1]
    row = neocog.summary(Fn(lambda s, x: one(s, x) + other(s, x), a=left, b=right), input_size=SIZE).rows[-1]
    assert (row.receptive_field, row.effective_padding, row.aligned) == ((5, 5), (3, 3), False)


def test_a_sum_keeps_its_layout_in_memory() -> None:
    net = Fn(
        lambda s, x: s.l((s.c(x).transpose(2, 3) + 1).transpose(2, 3).view(x.shape[0], -1)),
        c=conv(), l=nn.Linear(576, 3),
    )  # fmt: skip
    assert net(torch.zeros(1, *SIZE)).shape == (1, 3)
    assert neocog.summary(net, input_size=SIZE).rows[-1].output_size == (3,)


@pytest.mark.parametrize(("mode", "triple"), [("zeros", True), ("reflect", True), ("circular", False)])
def test_a_triple_is_given_only_where_the_intervals_bear_it_out(mode: str, triple: bool) -> None:
    """Around a circle the first position sees the last pixels too, which no window of three does."""
    net = nn.Conv2d(4, 4, 3, padding=1, padding_mode=mode)
    row = neocog.summary(net, input_size=SIZE).rows[-1]
    assert row.effective_padding == ((1, 1) if triple else None)
    assert row.receptive_field == ((3, 3) if triple else (12, 12))


def brightest_column(s: Any, x: Tensor) -> Tensor:
    return s.d(x).gather(3, s.c(x).argmax(3, keepdim=True))


def rows_by_order(s: Any, x: Tensor) -> Tensor:
    return s.d(x).index_select(2, s.c(x).mean((0, 1, 3)).argsort())


def table_of_order(s: Any, x: Tensor) -> Tensor:
    return s.t(s.c(x).argmax(1))


def near_places(s: Any, x: Tensor) -> Tensor:
    return s.d(x).gather(3, s.c(x).argmax(1, keepdim=True).expand(-1, 4, -1, -1))


PICKING: dict[str, Callable[[], nn.Module]] = {
    "gather": lambda: Fn(brightest_column, c=conv(), d=conv(1)),
    "gather by what is near": lambda: Fn(near_places, c=nn.Conv2d(4, 6, 1), d=conv(1)),
    "index_select": lambda: Fn(rows_by_order, c=conv(1), d=conv(1)),
    "embedding": lambda: Fn(table_of_order, c=conv(), t=nn.Embedding(4, 3)),
}


@pytest.mark.parametrize("kind", PICKING)
def test_places_that_the_picture_decides_may_be_any_that_they_can_be(kind: str) -> None:
    """No probe sees through whole numbers; many pictures, each changed in one line, reach what is claimed, no more."""
    torch.manual_seed(1)
    net, size = PICKING[kind]().double().eval(), (4, 5, 6)
    trace = neocog.trace(net, size)
    op, field = trace.ops[-1], neocog.receptive_fields(trace)[-1]
    assert op.kind == kind.split()[0] and field is not None and field.exact
    dice, many = torch.Generator().manual_seed(3), 40 if kind == "index_select" else 600
    x = torch.randn(many, *size, dtype=torch.float64, generator=dice)
    for axis in (0, 1):
        low, high = np.full(op.shape[1:], NOTHING), np.full(op.shape[1:], -1)
        for line in range(size[1 + axis]):
            moved = x.clone()
            other = torch.randn(many, *size, dtype=torch.float64, generator=dice)
            moved.select(2 + axis, line).copy_(other.select(2 + axis, line))
            with torch.no_grad():
                if kind == "index_select":  # its order is that of one picture
                    changed = torch.cat([net(a[None]) != net(b[None]) for a, b in zip(x, moved, strict=True)])
                else:
                    changed = net(x) != net(moved)
            seen = changed.any(0).numpy()
            low[seen], high[seen] = np.minimum(low[seen], line), line
        assert (np.broadcast_to(field.low(axis), op.shape)[0] == low).all()
        assert (np.broadcast_to(field.high(axis), op.shape)[0] == high).all()


def test_a_picked_number_is_global_and_says_by_what() -> None:
    """A place decided by the whole picture; a table of constants of unknown values is an upper bound instead."""
    net = Fn(lambda s, x: s.c(x).gather(3, s.c(x).flatten(1).argmax(1)[:, None, None, None] % 12), c=conv())
    fields = [f for f in neocog.receptive_fields(neocog.trace(net, SIZE)) if f is not None]
    assert fields[-1].cause and fields[-1].exact
    with torch.device("meta"):
        blank = Fn(lambda s, x: s.c(x)[:, :, s.e.weight[0].long()], c=conv(), e=nn.Embedding(1, 5))
    field, _ = field_of(blank)
    assert not field.exact and field.low(0).min() == 0 and field.high(0).max() == 11
