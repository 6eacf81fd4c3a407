"""Small networks made by hand, each with one thing that receptive fields are got wrong by."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Net(nn.Module):
    """A forward pass given as a function of the module and the picture."""

    def __init__(self, run: Callable[[Any, Tensor], Any], **layers: nn.Module):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def shifted_window_attention(m: Any, x: Tensor) -> Tensor:
    x = m.c(x)
    b, c, h, w = x.shape
    x = torch.roll(x, (-2, -2), (2, 3)).permute(0, 2, 3, 1)
    x = x.view(b, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
    q, k, v = m.qkv(x).chunk(3, -1)
    x = (q @ k.transpose(-2, -1)).softmax(-1) @ v
    x = x.view(b, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
    return torch.roll(x, (2, 2), (1, 2)).permute(0, 3, 1, 2)


def shuffled(m: Any, x: Tensor) -> Tensor:
    x = m.a(x)
    b, c, h, w = x.shape
    out: Tensor = m.b(x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w))
    return out


def squeezed(m: Any, x: Tensor) -> Tensor:
    x = m.c(x)
    return x * torch.sigmoid(m.expand(F.relu(m.reduce(x.mean((2, 3), keepdim=True)))))


def tokens(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.c(x).flatten(2).transpose(1, 2)
    return out


def products(m: Any, x: Tensor) -> Tensor:
    x = tokens(m, x)
    return (x @ x.transpose(1, 2)).softmax(-1) @ x


def fused(m: Any, x: Tensor) -> Tensor:
    x = tokens(m, x)[:, None]
    return F.scaled_dot_product_attention(x, x, x)


def causal(m: Any, x: Tensor) -> Tensor:
    x = tokens(m, x)[:, None]
    return F.scaled_dot_product_attention(x, x, x, is_causal=True)


def causal_of_three(m: Any, x: Tensor) -> Tensor:
    """Queries, keys and values see different windows, and there are not as many queries as keys."""
    q, k, v = (part(x).flatten(2).transpose(1, 2)[:, None] for part in (m.q, m.k, m.v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


class Picks(nn.Module):
    """Numbers at places told by tensors: buffers and what is made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.a = conv(3, 4)
        self.register_buffer("rows", torch.tensor([4, 0, 0, 6, 2]))
        self.register_buffer("channels", torch.tensor([2, 0, 3, 1]))
        self.register_buffer("each", torch.arange(4 * 5 * 10).reshape(1, 4, 5, 10) * 5 % 7)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        y = self.a(x)
        pair = y[:, :, self.rows[:, None], self.rows[None]]
        columns = y[..., torch.arange(8, 0, -2, device=x.device)]
        picked = y.index_select(3, torch.tensor([3, 1, 2, 7]))
        each = y.gather(2, self.each.expand(len(x), -1, -1, -1))
        return y[:, self.channels], y[:, :, self.rows], pair, columns, self.a(x[:, [2, 0, 1]]), picked, each


class Transformed(nn.Module):
    """A spatial transformer: the picture says where it is to be read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.matrix, self.c = conv(3, 4), nn.Linear(4, 6), conv(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.matrix(self.a(x).mean((2, 3))).view(-1, 2, 3)
        points = F.affine_grid(matrix, list(x.shape), align_corners=False)
        out: Tensor = self.c(F.grid_sample(x, points, align_corners=False))
        return out


def deformed(m: Any, x: Tensor) -> Tensor:
    return F.grid_sample(x, m.a(x).permute(0, 2, 3, 1), align_corners=False)


def sampled(mode: str, padding: str) -> Net:
    """Points on, between and outside the pixels."""

    def run(m: Any, x: Tensor) -> Tensor:
        down, right = torch.tensor([-0.75, -0.25, 0.5, 1.0, 1.5]), torch.tensor([-1.0, 0.0, 0.25, 0.625])
        points = torch.stack(torch.meshgrid(down, right, indexing="ij")[::-1], -1)[None]
        points = points.to(x.dtype).expand(len(x), -1, -1, -1)
        return F.grid_sample(m.a(x), points, mode, padding, align_corners=False)

    return Net(run, a=conv(3, 4))


def folded(m: Any, x: Tensor) -> Tensor:
    columns = m.w(F.unfold(x, 3, stride=2, padding=1).transpose(1, 2)).transpose(1, 2)
    out: Tensor = m.c(F.fold(columns, (9, 12), 3, stride=2, padding=1))
    return out


def folded_apart(m: Any, x: Tensor) -> Tensor:
    how: dict[str, Any] = {"dilation": 2, "padding": (1, 0), "stride": (3, 2)}
    return F.fold(F.unfold(m.a(x), (2, 3), **how), (9, 12), (2, 3), **how)


def written_views(m: Any, x: Tensor) -> tuple[Tensor, ...]:
    y = m.a(x)
    channels, rows, flat = y[:, 1:3], y[:, :, ::2], y.flatten(2)
    y[:, :2].add_(m.b(x)[:, :2])
    rows.mul_(m.c(x)[:, :, ::2])
    return channels * 1.0, rows * 1.0, flat * 1.0, y * 1.0


def filled_views(m: Any, x: Tensor) -> Tensor:
    out = torch.zeros(len(x), 4, *x.shape[2:], device=x.device, dtype=x.dtype)
    out[:, :2].copy_(m.a(x))
    out[:, 2:, 3:].copy_(m.b(x)[:, :, 3:])
    made: Tensor = m.c(out)
    return made


def multi_head(m: Any, x: Tensor) -> Tensor:
    x = tokens(m, x)
    out: Tensor = m.a(x, x, x, need_weights=False)[0]
    return out


def cleared(m: Any, x: Tensor) -> Tensor:
    y = m.a(x).clone()
    y[:, 0:1] = 0
    return y


def two_by_turns(m: Any, x: Tensor) -> Tensor:
    y = F.relu_(m.a(x) + 1).mul_(2).add_(m.b(x))
    out: Tensor = m.r(m.r(y))
    return out


def conv(before: int, after: int, kernel: Any = 3, **how: Any) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, **how)


def along_columns(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.l(x.mean(2).transpose(1, 2))[0]
    return out


def interpolated(**how: Any) -> Net:
    return Net(lambda m, x: F.interpolate(m.a(x), **how), a=conv(3, 4, stride=2))


NETWORKS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "pools rounded up": (
        nn.Sequential(
            conv(3, 4, stride=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.AvgPool2d(2, 2, ceil_mode=True)
        ),
        (3, 23, 26),
    ),
    "dilation": (
        nn.Sequential(
            conv(3, 4, dilation=3, padding=2),
            nn.MaxPool2d(3, 2, padding=1, dilation=2),
            conv(4, 2, (1, 5), dilation=(1, 2)),
        ),
        (3, 31, 37),
    ),
    "a misaligned sum": (
        Net(lambda m, x: m.a(F.pad(x, (0, 3, 0, 3))) + m.b(x), a=conv(3, 4, 4), b=conv(3, 4, 1)),
        (3, 12, 15),
    ),
    "positions of padding only": (Net(lambda m, x: m.a(F.pad(x, (5, 4, 6, 0))), a=conv(3, 4)), (3, 12, 15)),
    "a cross of branches, pooled to 5x3": (
        Net(
            lambda m, x: F.adaptive_max_pool2d(torch.cat([m.a(x), m.b(x), m.p(x)], 1), (5, 3)),
            a=conv(3, 4, (1, 7), padding=(0, 3)),
            b=conv(3, 4, (7, 1), padding=(3, 0)),
            p=nn.MaxPool2d(3, 1, 1),
        ),
        (3, 17, 23),
    ),
    "transposed convolutions": (
        nn.Sequential(
            conv(3, 4, stride=2),
            nn.ConvTranspose2d(4, 4, 3, 2, 1, 1, dilation=2),
            nn.ConvTranspose2d(4, 2, 4, 3, groups=2),
        ),
        (3, 13, 15),
    ),
    "bilinear resizing": (interpolated(scale_factor=2, mode="bilinear"), (3, 13, 15)),
    "nearest resizing": (interpolated(size=(11, 5)), (3, 13, 15)),
    "bicubic resizing": (interpolated(size=(11, 5), mode="bicubic", align_corners=True), (3, 13, 15)),
    "shifted windows of attention": (
        Net(shifted_window_attention, c=conv(3, 4, 2, stride=2), qkv=nn.Linear(4, 12)),
        (3, 16, 24),
    ),
    "squeeze and excite": (
        Net(squeezed, c=conv(3, 8, padding=1), reduce=conv(8, 2, 1), expand=conv(2, 8, 1)),
        (3, 9, 10),
    ),
    "group norm": (nn.Sequential(conv(3, 8), nn.GroupNorm(2, 8)), (3, 9, 10)),
    "layer norm over space": (nn.Sequential(conv(3, 4), nn.LayerNorm((7, 8))), (3, 9, 10)),
    "channel shuffle": (Net(shuffled, a=conv(3, 8), b=conv(8, 8, groups=4)), (3, 9, 10)),
    "strided slices": (
        Net(lambda m, x: torch.cat([m.a(x)[:, :, ::2, 1::2], m.a(x)[..., 1::2, :-1:2]], 1), a=conv(3, 4)),
        (3, 14, 16),
    ),
    "space to depth": (Net(lambda m, x: m.a(F.pixel_unshuffle(x, 2)), a=conv(12, 4)), (3, 14, 16)),
    "relu as function, in place and shared": (
        Net(two_by_turns, a=conv(3, 4, padding=1), b=conv(3, 4, 5, padding=2), r=nn.ReLU(inplace=True)),
        (3, 9, 10),
    ),
    "an LSTM of two layers": (Net(along_columns, l=nn.LSTM(3, 4, 2, batch_first=True)), (3, 9, 10)),
    "an LSTM both ways": (
        Net(along_columns, l=nn.LSTM(3, 4, batch_first=True, bidirectional=True)),
        (3, 9, 10),
    ),
    "nn.MultiheadAttention": (
        Net(multi_head, c=conv(3, 8, 4, stride=4), a=nn.MultiheadAttention(8, 2, batch_first=True)),
        (3, 12, 16),
    ),
    "fused attention": (Net(fused, c=conv(3, 8, 4, stride=4)), (3, 12, 16)),
    "attention by products": (Net(products, c=conv(3, 8, 4, stride=4)), (3, 12, 16)),
    "causal attention": (Net(causal, c=conv(3, 8, 4, stride=4)), (3, 12, 16)),
    "causal attention, more queries than keys": (
        Net(
            causal_of_three,
            q=conv(3, 4, 3, stride=2, padding=1),
            k=conv(3, 4, 4, stride=4),
            v=conv(3, 4, 1, stride=4),
        ),
        (3, 12, 16),
    ),
    "causal attention, fewer queries than keys": (
        Net(
            causal_of_three,
            q=conv(3, 4, 5, stride=8, padding=2),
            k=conv(3, 4, 2, stride=4),
            v=conv(3, 4, 1, stride=4),
        ),
        (3, 12, 16),
    ),
    "a softmax over one number": (
        Net(lambda m, x: m.a(x).softmax(1) * m.b(x), a=conv(3, 1, padding=1), b=conv(3, 4, 1)),
        (3, 9, 10),
    ),
    "computed weights": (
        nn.Sequential(
            weight_norm(conv(3, 8)),
            nn.ReLU(),
            weight_norm(conv(8, 8, groups=2)),
            weight_norm(nn.ConvTranspose2d(8, 4, 3)),
            weight_norm(nn.Linear(8, 4)),
        ),
        (3, 9, 10),
    ),
    "indices of constant tensors": (Picks(), (3, 9, 12)),
    "overlapping patches laid back": (Net(folded, w=nn.Linear(27, 36), c=conv(4, 4)), (3, 9, 12)),
    "patches with gaps laid back": (Net(folded_apart, a=conv(3, 4, padding=1)), (3, 9, 12)),
    "constant points": (sampled("bilinear", "zeros"), (3, 10, 12)),
    "nearest pixels of constant points": (sampled("nearest", "border"), (3, 10, 12)),
    "bicubic, reflected at the border": (sampled("bicubic", "reflection"), (3, 10, 12)),
    "a spatial transformer": (Transformed(), (3, 9, 12)),
    "points moved by what is near": (Net(deformed, a=conv(3, 2, padding=1)), (3, 9, 12)),
    "writes through views": (
        Net(
            written_views,
            a=conv(3, 4, 3, padding=1),
            b=conv(3, 4, 5, padding=2),
            c=conv(3, 4, 7, padding=3),
        ),
        (3, 9, 12),
    ),
    "zeros filled through views": (
        Net(filled_views, a=conv(3, 2, 3, padding=1), b=conv(3, 2, 5, padding=2), c=conv(4, 2)),
        (3, 9, 12),
    ),
    "one axis": (
        nn.Sequential(
            nn.Conv1d(2, 4, 5, 2),
            nn.MaxPool1d(3, 2, ceil_mode=True),
            nn.BatchNorm1d(4),
            nn.Conv1d(4, 4, 3, dilation=2),
        ),
        (2, 40),
    ),
    "three axes": (
        nn.Sequential(
            nn.Conv3d(2, 4, 3, (1, 2, 1), padding=(0, 1, 1)), nn.MaxPool3d(2), nn.Conv3d(4, 4, (1, 2, 2))
        ),
        (2, 7, 12, 9),
    ),
    "maxima of flipped maps": (
        Net(lambda m, x: torch.maximum(m.a(x), m.a(x.flip(3))).amax(1, keepdim=True), a=conv(3, 4)),
        (3, 9, 10),
    ),
    "a channel written over": (Net(cleared, a=conv(3, 4)), (3, 9, 10)),
    "einsum": (
        Net(lambda m, x: torch.einsum("bchw,dc->bdhw", m.a(x), m.w.weight), a=conv(3, 4), w=nn.Linear(4, 5)),
        (3, 9, 10),
    ),
    "patches by unfold": (
        Net(lambda m, x: m.w(F.unfold(x, 3, stride=2).transpose(1, 2)), w=nn.Linear(27, 5)),
        (3, 9, 11),
    ),
    "zeros and ones beside the picture": (
        Net(lambda m, x: torch.cat([x, torch.zeros_like(x), x.new_ones(x.shape)], 1)),
        (3, 5, 6),
    ),
    "constants of the picture's type": (
        Net(lambda m, x: x + m.w.weight[0, :, :1, :1].to(x).to(x.dtype), w=conv(3, 4)),
        (3, 5, 6),
    ),
    "groups, depthwise and local norm": (
        nn.Sequential(
            conv(4, 8, groups=2),
            conv(8, 8, (3, 1), padding=(2, 0), groups=8),
            nn.LocalResponseNorm(3),
            conv(8, 4, 1),
        ),
        (4, 9, 11),
    ),
    "same padding by reflection": (
        nn.Sequential(
            nn.Conv2d(3, 4, 4, padding="same", padding_mode="reflect"),
            nn.BatchNorm2d(4),
            nn.GELU(),
            nn.ZeroPad2d((1, 0, 2, -1)),
            nn.ReLU6(),
        ),
        (3, 9, 11),
    ),
}
