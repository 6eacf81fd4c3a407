"""PyTorch's MNIST example on Fashion-MNIST until it reaches an accuracy: python mnist_pytorch.py ROOT SEED GOAL EPOCHS.

Network, optimizer, schedule, batches and transforms of pytorch/examples, mnist/main.py, run on a processor. One thing
is kinder: the pictures are shuffled, which the example does on a GPU alone. ROOT holds FashionMNIST/raw as torchvision
has it. Prints, per epoch, the accuracy and the seconds of training and of all, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def train(model: nn.Module, loader: DataLoader[Any], optimizer: optim.Optimizer) -> None:
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        F.nll_loss(model(data), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test(model: nn.Module, loader: DataLoader[Any]) -> float:
    model.eval()
    loss = correct = 0.0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return correct / 10_000


def main(root: Path, seed: int, goal: float, epochs: int) -> None:
    torch.manual_seed(seed)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    pictures = datasets.FashionMNIST(root, train=True, transform=transform)
    train_loader = DataLoader(pictures, batch_size=64, shuffle=True)
    test_loader = DataLoader(datasets.FashionMNIST(root, train=False, transform=transform), batch_size=1000)
    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
    begun, training, seen = perf_counter(), 0.0, []
    for _ in range(epochs):
        start = perf_counter()
        train(model, train_loader, optimizer)
        training += perf_counter() - start
        seen.append({"accuracy": test(model, test_loader), "train_seconds": training})
        seen[-1]["seconds"] = perf_counter() - begun
        scheduler.step()
        if seen[-1]["accuracy"] >= goal:
            break
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({"epochs": seen, "versions": versions}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
