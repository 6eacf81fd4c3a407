"""The learning-rate range test: one short run in which the rate rises until the loss explodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, log
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from neocog.draw.rates import RatesPage, rates_chart, rates_page
from neocog.errors import UserError
from neocog.training.apart import apart

Criterion = Callable[[Tensor, Tensor], Tensor]
Pairs = Iterable[tuple[Tensor, Tensor]]
EXPLODED = 4.0  # times the least smoothed loss; fastai's
KEPT = 0.9  # share of the old mean that the smoothing keeps at a step


class Sweep(NamedTuple):
    """Rates from `low` to `high` in `steps` steps, each the same factor above the one before."""

    low: float = 1e-7
    high: float = 10.0
    steps: int = 100
    clip: float | None = None
    """largest norm of the gradient of a step, as the recipe's"""

    def rate(self, step: int) -> float:
        return float(self.low * (self.high / self.low) ** (step / (self.steps - 1)))


@dataclass(frozen=True)
class LrCurve:
    """What the loss was at each rate. A rate is the recipe's `lr`: layers with a factor of their own keep it."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """of one batch, before the step at that rate"""
    smoothed: tuple[float, ...]
    """s[i] = (1 - 0.9) sum over j <= i of 0.9^(i - j) losses[j], divided by 1 - 0.9^(i + 1)"""
    exploded: bool
    """the run ended early, since a smoothed loss was 4 times the least one, or not finite"""

    @property
    def steepest(self) -> float | None:
        """The rate where the smoothed loss falls fastest by the logarithm of the rate, before its least value; None
        where it never falls.
        """
        slopes = [
            (after - before) / log(self.rates[i + 1] / self.rates[i])
            for i, (before, after) in enumerate(
                zip(self.smoothed, self.smoothed[1 : self._least + 1], strict=False)
            )
        ]
        best = min(range(len(slopes)), key=slopes.__getitem__, default=None)
        return None if best is None or slopes[best] >= 0 else self.rates[best]

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate where the smoothed loss is least; None where it never falls."""
        return self.rates[self._least] / 10 if self.steepest is not None else None

    @property
    def suggestion(self) -> float | None:
        """A highest rate for a schedule: `tenth`, which leaves a factor of 10 to where learning stops being stable."""
        return self.tenth

    @property
    def _least(self) -> int:
        return min(range(len(self.smoothed)), key=self.smoothed.__getitem__)

    def sentence(self) -> str:
        """What to do with it, in words."""
        if self.suggestion is None or self.steepest is None:
            return (
                "The loss fell at no rate, so none can be suggested: look at the data and the network first."
            )
        return (
            f"--lr {self.suggestion:.2g} is a tenth of the rate at which the smoothed loss is least; it falls fastest "
            f"at {self.steepest:.2g}."
        )

    def headline(self) -> str:
        return "No learning rate helps" if self.suggestion is None else f"Learning rate {self.suggestion:.2g}"

    def to_json(self) -> dict[str, Any]:
        named = {"steepest": self.steepest, "tenth": self.tenth, "suggestion": self.suggestion}
        return asdict(self) | named

    def chart(self) -> str:
        """Loss over rate as an SVG that needs nothing else."""
        return rates_chart(self.rates, self.losses, self.smoothed, self._marks())

    def page(self, title: str = "Learning-rate range test", facts: Sequence[tuple[str, str]] = ()) -> str:
        """The chart with its words as one HTML file."""
        return rates_page(
            RatesPage(title, self.headline(), self.sentence(), self.chart(), tuple(facts), self.exploded)
        )

    def _repr_html_(self) -> str:
        return self.chart()

    def _marks(self) -> tuple[tuple[str, float], ...]:
        named = (("steepest", self.steepest), ("least / 10", self.tenth))
        return tuple((name, rate) for name, rate in named if rate is not None)


def find_lr(
    net: nn.Module,
    batches: Pairs,
    criterion: Criterion,
    optimizer: Callable[[nn.Module], Optimizer],
    sweep: Sweep = Sweep(),  # noqa: B008  # a tuple
    train: Callable[[nn.Module], object] = nn.Module.train,
) -> LrCurve:
    """Train a copy of `net` for `sweep.steps` steps at rising rates; `net` and all random generators stay as they are.

    Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3; rates that rise exponentially and
    the two suggestions are fastai's `lr_find`. `batches` gives (input, targets), again from its start when it ends;
    `criterion` a loss per picture. `optimizer` makes the recipe's for the copy; a group's `scale` multiplies the rate.
    `train` puts the copy in training mode, but for what is to stay still.
    UserError for no batch, or rates that do not rise.
    """
    if not 0 < sweep.low < sweep.high < float("inf") or sweep.steps < 2:
        raise UserError(f"rates must rise from above 0 in 2 steps or more, got {tuple(sweep)}")
    with apart(net) as twin:
        train(twin)
        rates, losses, smoothed = [], [], list[float]()
        for step, loss in enumerate(_run(twin, _endless(batches), criterion, optimizer(twin), sweep)):
            rates.append(sweep.rate(step))
            losses.append(loss)
            smoothed.append(_smooth(losses, smoothed))
            if not isfinite(loss) or (step and smoothed[-1] > EXPLODED * min(smoothed)):
                break
    finite = len(losses) - (not isfinite(losses[-1]))
    if not finite:
        raise UserError(f"the loss is {losses[0]} before the first step; the preflight of training says why")
    return LrCurve(
        tuple(rates[:finite]), tuple(losses[:finite]), tuple(smoothed[:finite]), step + 1 < sweep.steps
    )


def _run(
    net: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    criterion: Criterion,
    optimizer: Optimizer,
    sweep: Sweep,
) -> Iterator[float]:
    """The loss of each step's batch; when the next is asked for, the step has been taken."""
    for step in range(sweep.steps):
        x, targets = next(batches)
        loss = criterion(net(x).float(), targets).mean()
        yield float(loss.detach())
        for group in optimizer.param_groups:
            group["lr"] = sweep.rate(step) * group.get("scale", 1.0)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if sweep.clip is not None:
            nn.utils.clip_grad_norm_(net.parameters(), sweep.clip)
        optimizer.step()


def _endless(batches: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        empty = True
        for pair in batches:
            empty = False
            yield pair
        if empty:
            raise UserError("a learning-rate range test needs batches to learn from, got none")


def _smooth(losses: Sequence[float], smoothed: Sequence[float]) -> float:
    """The next smoothed loss: an exponential mean without the bias towards 0 of its start."""
    n = len(losses)
    held = smoothed[-1] * (1 - KEPT ** (n - 1)) if smoothed else 0.0
    return (KEPT * held + (1 - KEPT) * losses[-1]) / (1 - KEPT**n)
