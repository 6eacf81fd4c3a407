"""Networks as people write them for themselves, each with something that views were or might be got wrong by."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Tutorial(nn.Module):
    """Of PyTorch's tutorial "Training a classifier": functions for ReLUs, one pool used twice, `view` of maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.pool = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2, 2)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = x.view(-1, 16 * 5 * 5)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)  # type: ignore[no-any-return]


class VGG(nn.Module):
    """The name of a paper's network on modules of other names."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)),
        )
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x).flatten(1))  # type: ignore[no-any-return]


class AlexNet(nn.Module):
    """The name of a paper's network whose modules of the same names are others: features.4 is no conv2."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 8, 7, stride=2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
            *(nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(12 * 25, 16), nn.ReLU(), nn.Linear(16, 5))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))  # type: ignore[no-any-return]


class Normalising(nn.Module):
    """Normalises in its forward, by tensors that are plain attributes, into the picture that it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.std = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1), torch.tensor([0.5, 0.6, 0.7])
        self.conv, self.bn, self.fc = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(self.mean).div_(self.std[:, None, None])
        x = self.bn(self.conv(x)).relu_()
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


class Mixer(nn.Module):
    """Tolstikhin et al., "MLP-Mixer" (2021): patches without attention, linear layers across tokens, too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, stride=8)
        self.norms = nn.ModuleList(nn.LayerNorm(16) for _ in range(4))
        self.across = nn.ModuleList(self._mlp(16, 12) for _ in range(2))
        self.along = nn.ModuleList(self._mlp(16, 24) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 5)

    @staticmethod
    def _mlp(dim: int, hidden: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        for i in range(2):
            x = x + self.across[i](self.norms[2 * i](x).transpose(1, 2)).transpose(1, 2)
            x = x + self.along[i](self.norms[2 * i + 1](x))
        return self.head(self.norm(x).mean(1))  # type: ignore[no-any-return]


class Branching(nn.Module):
    """Padding by name and by copies, dilation, a transposed convolution, a gate, leaky ReLU, norms as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding="same", dilation=2)
        self.b = nn.Conv2d(3, 8, 5, padding=2, padding_mode="reflect", bias=False)
        self.gn, self.act = nn.GroupNorm(2, 16), nn.LeakyReLU(0.1)
        self.down, self.up = nn.Conv2d(16, 8, (3, 1), stride=(2, 1)), nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.gate, self.drop = nn.Conv2d(8, 8, 1), nn.Dropout2d(0.3)
        self.last, self.fc = nn.Conv2d(8, 12, 3, groups=4), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.gn(torch.cat([self.a(x), self.b(x)], 1)))
        x = F.relu6(self.up(self.down(x)))
        x = x * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        x = F.instance_norm(self.last(self.drop(x))).clamp(min=0)
        return self.fc(F.adaptive_max_pool2d(x, 1)[..., 0, 0])  # type: ignore[no-any-return]


class Hybrid(nn.Module):
    """Convolutions, then torch's own attention over their places and an MLP, tokens before pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = (
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.Conv2d(8, 16, 3, stride=4, padding=1),
        )
        self.norm, self.attn = nn.LayerNorm(16), nn.MultiheadAttention(16, 4)
        self.up, self.down = nn.Linear(16, 24), nn.Linear(24, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.relu(self.conv1(x))).flatten(2).permute(2, 0, 1)  # tokens, batch, channels
        y = self.norm(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        x = x + self.down(F.relu(self.up(x)))
        return self.head(x.mean(0))  # type: ignore[no-any-return]


class Shrinking(nn.Module):
    """Attention from fewer and fewer queries, as in LeViT: first all patches look at all, then a quarter."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, stride=8)
        self.qkv, self.inner = nn.Linear(16, 48), nn.Linear(16, 48)
        self.q, self.kv, self.head = nn.Linear(16, 16), nn.Linear(16, 32), nn.Linear(16, 5)

    @staticmethod
    def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (t.unflatten(2, (2, 8)).transpose(1, 2) for t in (q, k, v))
        return ((q @ k.transpose(-2, -1) * 8**-0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.stem(x)
        x = maps.flatten(2).transpose(1, 2)
        x = x + self.attended(*self.qkv(x).chunk(3, -1))
        side = maps.shape[2]
        fewer = x.unflatten(1, (side, side))[:, ::2, ::2].flatten(1, 2)
        x = self.attended(self.q(fewer), *self.kv(x).chunk(2, -1))
        x = x + self.attended(*self.inner(x).chunk(3, -1))
        return self.head(x.mean(1))  # type: ignore[no-any-return]


class ClassAttention(nn.Module):
    """A class token that alone looks at the patches, with an MLP of its own, as in CaiT and XCiT."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.token = nn.Conv2d(3, 16, 8, stride=8), nn.Parameter(torch.randn(1, 1, 16))
        self.norm, self.q, self.kv = nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 32)
        self.mlp = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        token = self.token.expand(len(x), -1, -1)
        both = self.norm(torch.cat([token, x], 1))
        token = token + Shrinking.attended(self.q(both[:, :1]), *self.kv(both).chunk(2, -1))
        token = token + self.mlp(token)
        return self.head(token[:, 0])  # type: ignore[no-any-return]


class Added(nn.Module):
    """A residual sum of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.act = nn.Linear(16, 16), nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.act(self.linear(x))
        return out


class Look(nn.Module):
    """What a token sees of patches, asked by a linear layer on the token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.q, self.kv = nn.LayerNorm(16), nn.Linear(16, 16), nn.Linear(16, 32)

    def forward(self, token: Tensor, x: Tensor) -> Tensor:
        both = self.norm(torch.cat([token, x], 1))
        return token + Shrinking.attended(self.q(both[:, 0])[:, None], *self.kv(both).chunk(2, -1))


class LookingTwice(nn.Module):
    """A class token that looks at the patches twice, as timm's CaiT has it: the first question knows no pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(3, 16, 8, stride=8), Added()
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.first, self.second, self.head = Look(), Look(), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.stem(x).flatten(2).transpose(1, 2))
        token = self.second(self.first(self.token.expand(len(x), -1, -1), x), x)
        return self.head(token[:, 0])  # type: ignore[no-any-return]


class Residual(nn.Module):
    """Two convolutions beside what they read; the sum is what it gives."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))  # type: ignore[no-any-return]


class SelfAttentive(nn.Module):
    """Zhang et al., "Self-attention GANs" (2019), section 3: attention over maps whose channels stay first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 24, 4, stride=4), Residual(24)
        self.q, self.k, self.v = nn.Conv2d(24, 3, 1), nn.Conv2d(24, 3, 1), nn.Conv2d(24, 24, 1)
        self.gamma, self.head = nn.Parameter(torch.tensor(0.5)), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(F.relu(self.stem(x)))
        q, k, v = (project(x).flatten(2) for project in (self.q, self.k, self.v))
        seen = (v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)).view(x.shape)
        return self.head((x + self.gamma * seen).mean((2, 3)))  # type: ignore[no-any-return]


class Flattened(nn.Module):
    """Maps flattened to as many places as they have channels: which side is which, the sizes do not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool, self.flat = nn.Conv2d(3, 16, 3, padding=1), nn.MaxPool2d(4), nn.Flatten(2)
        self.last, self.head = nn.Conv2d(16, 16, 3, padding=1), nn.Linear(16 * 16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flat(F.relu(self.last(self.pool(F.relu(self.conv(x)))))).flatten(1))  # type: ignore[no-any-return]


OWN: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "Tutorial": (Tutorial, 32),
    "VGG": (VGG, 32),
    "AlexNet": (AlexNet, 48),
    "Normalising": (Normalising, 24),
    "Mixer": (Mixer, 32),
    "Branching": (Branching, 24),
    "Hybrid": (Hybrid, 32),
    "Shrinking": (Shrinking, 32),
    "ClassAttention": (ClassAttention, 32),
    "LookingTwice": (LookingTwice, 32),
    "SelfAttentive": (SelfAttentive, 32),
    "Flattened": (Flattened, 16),
}
"""name -> what makes it, and the side of its pictures"""

LAST: dict[str, tuple[str, tuple[int, int], bool]] = {
    "Tutorial": ("conv2", (10, 10), False),
    "VGG": ("stages.4", (16, 16), False),
    "AlexNet": ("features.6", (10, 10), False),
    "Normalising": ("bn", (22, 22), False),
    "Mixer": ("norm", (4, 4), True),
    "Branching": ("last", (20, 46), False),
    "Hybrid": ("conv2", (4, 4), False),
    "Shrinking": ("stem", (4, 4), False),
    "ClassAttention": ("stem", (4, 4), False),
    "LookingTwice": ("body", (4, 4), True),
    "SelfAttentive": ("block", (8, 8), False),
    "Flattened": ("last", (4, 4), False),
}
"""name -> the layer that class activation maps are of, its grid, and whether it gives tokens"""
