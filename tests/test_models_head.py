from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.layers.chain import chain
from neocog.models.classifier import Classifier, classifier, drop_auxiliary
from neocog.models.head import Flat, MirrorMean, find_head, with_head, without_head

INPUT = (3, 8, 8)


class TwoBranches(nn.Module):
    """A gate beside the head, both linear; the gate is the later one in the list of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(192, 6))
        self.head = nn.Linear(6, 5)
        self.gate = nn.Linear(6, 6)
        self.unused = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return self.head(y * self.gate(y).sigmoid())


def small() -> nn.Sequential:
    return chain(conv=nn.Conv2d(3, 4, 3), flat=Flat(), act=nn.ReLU(), fc=nn.Linear(4, 5))


NETS = {
    "a chain": (small, "fc"),
    "a nested chain": (lambda: chain(net=small()), "net.fc"),
    "dropout behind": (lambda: chain(net=small(), drop=nn.Dropout(0.5)), "net.fc"),
    "two branches": (TwoBranches, "head"),
    "softmax behind": (lambda: chain(net=small(), soft=nn.Softmax(1)), None),
    "ReLU in its place": (lambda: chain(net=small(), act=nn.ReLU(inplace=True)), None),
    "no linear layer": (lambda: chain(conv=nn.Conv2d(3, 4, 3), flat=Flat()), None),
    "linear in the middle": (lambda: chain(net=small(), act=nn.ReLU(), norm=nn.LayerNorm(5)), None),
}


@pytest.mark.parametrize("kind", NETS)
def test_the_head_is_the_linear_layer_that_makes_the_output(kind: str) -> None:
    make, expected = NETS[kind]
    assert find_head(make(), INPUT) == expected


def test_looking_for_the_head_leaves_no_hook_and_no_other_mode() -> None:
    net = small().train()
    net.conv.eval()  # as frozen layers are held
    find_head(net, INPUT)
    assert [module.training for module in net] == [False, True, True, True]
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Linear(7, 2), r"must accept a batch of shape \(1, 3, 8, 8\), it raised RuntimeError: "),
        (nn.MultiheadAttention(8, 1), "must accept a batch .* it raised TypeError: "),
        (nn.AdaptiveMaxPool2d(1, return_indices=True), "must return one tensor, it returned tuple"),
    ],
)
def test_a_network_that_is_no_classifier_is_refused_in_words(net: nn.Module, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_head(net, INPUT)


@pytest.mark.parametrize("kind", NETS)
def test_without_its_head_a_network_gives_what_the_head_read(kind: str) -> None:
    make, head = NETS[kind]
    net, x = make().eval(), torch.randn(2, *INPUT)
    read: list[Tensor] = []
    if head:
        net.get_submodule(head).register_forward_pre_hook(lambda _, given: read.append(given[0]))
    else:
        read.append(net(x))
    net(x)
    torch.testing.assert_close(without_head(net, head)(x), read[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("shape", "mean"),
    [((2, 6), None), ((2, 6, 4, 4), "bchw -> bc"), ((2, 9, 6), "btd -> bd"), ((2, 6, 1, 1), "bchw -> bc")],
)
def test_features_are_averaged_over_positions_or_tokens(shape: tuple[int, ...], mean: str | None) -> None:
    x = torch.randn(shape)
    expected = x if mean is None else torch.einsum(mean.replace(" ", ""), x) / (x.numel() / 12)
    torch.testing.assert_close(Flat()(x), expected)


def test_another_head_reads_the_same_features() -> None:
    net, x = TwoBranches().eval(), torch.randn(2, *INPUT)
    features = without_head(TwoBranches().eval(), "head")
    features.load_state_dict(
        {f"net.{k}": v for k, v in net.state_dict().items() if not k.startswith("head.")}
    )
    changed = with_head(net, "head", classes=7, added=False, features=6)
    torch.testing.assert_close(changed(x), features(x) @ changed.head.weight.T + changed.head.bias)
    assert changed.head.weight.shape == (7, 6)


def test_another_head_keeps_every_other_tensor() -> None:
    net = small()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    after = with_head(net, "fc", classes=9, added=False, features=4).state_dict()
    assert list(after) == list(before)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"fc.weight", "fc.bias"}


def test_a_network_without_a_head_gets_one_behind_it() -> None:
    net, x = nn.Conv2d(3, 4, 3), torch.randn(2, *INPUT)
    added = with_head(net, "classifier", classes=7, added=True, features=4)
    expected = net(x).mean((2, 3)) @ added.classifier.weight.T + added.classifier.bias
    torch.testing.assert_close(added(x), expected)
    assert find_head(added, INPUT) == "classifier"


def test_a_last_layer_that_is_not_linear_is_refused() -> None:
    with pytest.raises(UserError, match="last layer conv must be linear, got Conv2d"):
        with_head(small(), "conv", classes=2, added=False, features=4)


def test_the_mean_over_a_picture_and_its_mirror_image() -> None:
    """By hand: what the net reads is the picture made symmetric, since it is linear."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(24, 3)), torch.randn(5, 2, 3, 4)
    weight = net[1].weight.double().view(3, 2, 3, 4)
    symmetric = (x.double().numpy() + x.double().numpy()[..., ::-1]) / 2
    expected = torch.einsum("kchw,nchw->nk", weight, torch.from_numpy(symmetric)) + net[1].bias
    torch.testing.assert_close(MirrorMean(net)(x).double(), expected, rtol=1e-5, atol=1e-6)


def test_mirrored_features_give_the_mean_of_the_logits() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)).eval()
    x, head = torch.randn(5, 2, 3, 4), net[3]
    with torch.no_grad():
        expected = (net(x) + net(torch.from_numpy(x.numpy()[..., ::-1].copy()))) / 2
        found = head(without_head(net, "3", mirrored=True)(x))
    torch.testing.assert_close(found, expected)


def test_auxiliary_heads_are_taken_off_and_the_answers_stay() -> None:
    net = classifier(conv=nn.Conv2d(1, 2, 2), flatten=nn.Flatten(), fc=nn.Linear(12, 3))
    net.insert(3, nn.Linear(2, 3))
    net = Classifier(OrderedDict(zip(("conv", "flatten", "fc", "aux1"), net, strict=True)))
    net.aside = ("aux1",)
    x = torch.randn(2, 1, 3, 4)
    before = net(x)
    drop_auxiliary(net)
    assert set(net.state_dict()) == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    assert torch.equal(net(x), before)
    drop_auxiliary(net)
    drop_auxiliary(nn.Linear(2, 2))
    assert len(net) == 3
