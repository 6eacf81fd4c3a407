"""Training steps of torchvision's reference script on pictures in memory: eager, channels first, SGD with momentum.

python reference_steps.py SIDE BATCH STEPS. From references/classification/train.py and utils.py: the loop of
`train_one_epoch`, with its meters' reading of loss and accuracy at every step. Prints pictures per second as JSON.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models import resnet18


def accuracy(output: Tensor, target: Tensor, topk: tuple[int, ...]) -> list[Tensor]:
    """As in the reference's utils.py."""
    with torch.inference_mode():
        _, pred = output.topk(max(topk), 1, True, True)
        correct = pred.t().eq(target[None])
        return [correct[:k].flatten().sum(dtype=torch.float32) * (100.0 / len(target)) for k in topk]


def network(side: int) -> nn.Module:
    """For small pictures with the stem that everyone gives it there: 3x3, stride 1, no pooling."""
    net = resnet18()
    if side < 64:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()  # type: ignore[assignment]
    return net


def main(side: int, batch: int, steps: int) -> None:
    torch.manual_seed(0)
    net, criterion = network(side).train(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    batches = [(torch.randn(batch, 3, side, side), torch.randint(1000, (batch,))) for _ in range(2)]
    times = []
    for step in range(steps + 2):  # two warm up
        image, target = batches[step % 2]
        start = perf_counter()
        output = net(image)
        loss = criterion(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        acc1, acc5 = accuracy(output, target, (1, 5))
        loss.item(), acc1.item(), acc5.item()
        times.append(perf_counter() - start)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({"img_per_s": batch * steps / sum(times[2:]), **versions}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
