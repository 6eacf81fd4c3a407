"""The verb `summary`: the lecture's table of any network, its totals, and what it takes to train it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neocog import files
from neocog.api import names
from neocog.api.networks import find_run, rebuild
from neocog.api.wording import HEADERS, cell, convention_name, memory_bytes, row_json
from neocog.bundle import is_bundle, read_bundle
from neocog.draw.table import Table
from neocog.draw.text import kibibytes
from neocog.errors import UserError, unknown

if TYPE_CHECKING:
    import torch
    from torch import nn

    from neocog.analysis.probe import Probed
    from neocog.analysis.table import Row, Summary
    from neocog.analysis.train_cost import TrainCost
    from neocog.progress import Progress

COLUMNS = (
    "layer", "module", "kind", "output_size", "receptive_field", "effective_stride", "effective_padding", "memory",
    "params", "biases", "macs", "work", "cause", "aligned",
)  # fmt: skip
DEFAULT = (
    "layer", "output_size", "receptive_field", "effective_stride", "effective_padding", "memory", "params", "macs",
)  # fmt: skip
DTYPES = ("float32", "float16", "bfloat16", "float64")


@dataclass(frozen=True)
class ModelSummary:
    """A network's table. It prints itself in a terminal and shows itself in a notebook."""

    net: nn.Module
    summary: Summary
    rows: tuple[Row, ...]
    """of the table: the layers, or the modules of one depth"""
    columns: tuple[str, ...]
    optimizer: str
    dtype: torch.dtype | None

    def table(self) -> Table:
        """The chosen columns, a row for each layer."""
        convention = self.summary.convention
        header = tuple(HEADERS.get(c, convention.upper() + "s" if c == "macs" else c) for c in self.columns)
        return Table(header, tuple(tuple(cell(row, column) for column in self.columns) for row in self.rows))

    @property
    def training_bytes(self) -> int:
        """Of one training step: parameters, gradients, the optimizer's numbers, what is saved for backward."""
        from neocog.analysis.memory import training_bytes

        size = self.summary.input_size
        return training_bytes(self.net, size, self.summary.batch, self.optimizer, self.dtype)

    def largest_batch(self, memory: int | str) -> int:
        """The most pictures of a training step within `memory`: bytes, or text such as 8GB and 24GiB."""
        from neocog.analysis.memory import largest_batch

        return largest_batch(
            self.net, self.summary.input_size, memory_bytes(memory), self.optimizer, self.dtype
        )

    def train_cost(self, epochs: float, pictures: int, device_flops: float, devices: int = 1) -> TrainCost:
        """Work and days of a training run on devices that sustain `device_flops` floating-point operations a second."""
        from neocog.analysis.train_cost import train_cost

        return train_cost(self.summary.macs_of_one, epochs, pictures, device_flops, devices)

    def check(self, progress: Progress | None = None) -> Probed:
        """Run the network and see whether receptive fields, sizes and multiply-adds are what the table says."""
        from neocog.analysis.probe import check

        return check(self.net, self.summary.input_size, progress, self.summary.model)

    def _training_bytes_or_none(self) -> int | None:
        try:
            return self.training_bytes
        except UserError:  # it does not run for training: a batch norm that has one number, a loss inside
            return None

    def totals(self) -> dict[str, str]:
        """The sums under the table, as text."""
        s = self.summary
        biases = sum(row.biases for row in s.rows)
        lines = {
            "input": "x".join(map(str, s.input_size)) + (f", batch of {s.batch}" if s.batch > 1 else ""),
            "parameters": f"{s.params:,}, of them {biases:,} biases" if biases else f"{s.params:,}",
            convention_name(s.convention): f"{s.macs:,}" + (" at least" if s.uncounted else ""),
            "units": f"{s.units:,} put out by convolutions and linear layers",
            "activations": f"{kibibytes(s.activation_bytes)} in the rows above",
            "inference": f"{kibibytes(s.inference_peak_bytes)} at most at once, parameters included",
        }
        if s.unused:
            lines["unused"] = f"{s.unused:,} parameters that no operation reads, such as {s.trace.unused[0]}"
        cause = next((f.cause for f in s.fields if f is not None and f.cause), "")
        if cause:
            lines["global"] = f"each position sees the whole picture from {cause} on"
        if s.partial:
            loose = [kind for kind in s.partial if kind not in s.uncounted]
            told = (
                [f"{', '.join(s.uncounted)} not counted, so the count is a lower bound"]
                if s.uncounted
                else []
            )
            told += [f"receptive fields are upper bounds behind {', '.join(loose)}"] if loose else []
            lines["partial"] = "; ".join(told)
        return lines

    def text(self, more: Mapping[str, str] | None = None) -> str:
        """Table and totals, with `more` lines of the same form."""
        lines = {**self.totals(), **(more or {})}
        wide = max(map(len, lines)) + 2
        return f"{self.table()}\n\n" + "\n".join(f"{key:{wide}}{line}" for key, line in lines.items())

    def __str__(self) -> str:
        return self.text()

    def to_json(self) -> dict[str, Any]:
        s = self.summary
        return {
            "model": s.model,
            "input_size": list(s.input_size),
            "convention": s.convention,
            "partial": list(s.partial),
            "rows": [row_json(row) for row in self.rows],
            "totals": {
                "params": s.params,
                "macs": s.macs,
                "activation_bytes": s.activation_bytes,
                "inference_peak_bytes": s.inference_peak_bytes,
                "training_bytes": self._training_bytes_or_none(),
            },
        }

    def graph(self) -> str:
        """The network as an SVG picture: stages, branches and joins, equal blocks folded."""
        from neocog.analysis.graph import graph_of
        from neocog.draw.graph import draw

        return draw(graph_of(self.summary))

    def page(self) -> str:
        """Totals, the lecture's three charts, table and graph as one HTML page that needs no other file."""
        from neocog.analysis.graph import bars_of
        from neocog.draw.charts import charts
        from neocog.draw.summary import page

        bars = charts(*(bars_of(self.summary, column) for column in ("memory_bytes", "params", "macs")))
        return page(self.summary.model, self._facts(), self.table(), bars, self.graph())

    def _facts(self) -> list[tuple[str, str]]:
        """The totals in few digits, for the head of the page; the table below has them all."""
        from neocog.draw.text import short

        s = self.summary
        return [
            ("input", "x".join(map(str, s.input_size))),
            ("parameters", short(s.params)),
            (convention_name(s.convention), short(s.macs)),
            ("units", short(s.units)),
            ("activations", kibibytes(s.activation_bytes)),
            ("inference peak", kibibytes(s.inference_peak_bytes)),
        ]

    def save(self, path: str | Path) -> Path:
        """Write what the file's ending says: table (.csv, .md), everything as .json or page (.html), graph (.svg)."""
        writers = {
            ".csv": lambda: self.table().to_csv(),
            ".md": lambda: self.table().to_markdown(),
            ".json": lambda: json.dumps(self.to_json(), indent=2),
            ".html": self.page,
            ".svg": self.graph,
        }
        target = Path(path)
        if target.suffix not in writers:
            raise UserError(f"the file's ending says its form: {', '.join(writers)}; got {target.name}")
        files.write_text(target, writers[target.suffix]())
        return target

    def _repr_html_(self) -> str:
        facts = Table(("", ""), tuple(self.totals().items()))
        return self.table()._repr_html_() + facts._repr_html_()


def summary(
    model: str | Path | nn.Module,
    *,
    run_model: str | None = None,
    input_size: Sequence[int] | None = None,
    columns: Sequence[str] = DEFAULT,
    depth: int | None = None,
    batch_size: int = 1,
    dtype: str | None = None,
    convention: str = "mac",
    optimizer: str = "momentum",
) -> ModelSummary:
    """The table of a network: a module, a run's folder, or a name in any form that `train -m` takes.

    `run_model` names the FILE.py:FUNCTION of a run that has one, to trust it on this machine.
    `input_size` is (channels, height, width), the model's own unless given; a module of one or three axes takes
    (channels, length) or (channels, depth, height, width). `depth` gathers the rows by modules of that many names.
    UserError where the network does not run at this size, naming the layer and a size that would do.
    """
    import torch

    from neocog.analysis.memory import STATES
    from neocog.analysis.table import gathered, summarize

    for column in columns:
        if column not in COLUMNS:
            raise UserError(f"unknown column {column!r}; there are {', '.join(COLUMNS)}")
    if optimizer not in STATES:
        raise unknown("optimizer", optimizer, STATES)
    if input_size is not None and not all(isinstance(side, int) for side in input_size):
        raise UserError(f"input_size is whole numbers such as (3, 224, 224), got {tuple(input_size)}")
    if dtype is not None and dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    kind: torch.dtype | None = getattr(torch, dtype) if dtype else None
    net, name, size = _network(model, run_model, input_size)
    made = _runnable(
        lambda: summarize(net, size, name=name, batch=batch_size, dtype=kind, convention=convention),
        net,
        size,
    )
    rows = made.rows if depth is None else gathered(made, depth)
    return ModelSummary(net, made, rows, tuple(columns), optimizer, kind)


def _runnable(make: Any, net: nn.Module, size: Sequence[int]) -> Summary:
    from neocog.analysis.failure import DoesNotRun

    try:
        made: Summary = make()
    except DoesNotRun as error:
        from neocog.analysis.smallest import explained

        raise explained(net, size, error) from error
    return made


def _network(
    model: str | Path | nn.Module, run_model: str | None, size: Sequence[int] | None
) -> tuple[nn.Module, str, tuple[int, ...]]:
    """The module, its name and the size of its pictures."""
    from torch import nn

    if isinstance(model, nn.Module):
        if size is None:
            raise UserError("a module does not say what it reads; give input_size, such as (3, 224, 224)")
        return model, type(model).__name__, tuple(size)
    folder = _run_folder(model)
    if folder is not None:
        bundle = read_bundle(folder)
        own = bundle.card.preprocess
        return rebuild(bundle, run_model), str(model), tuple(size or (own.channels, *own.size))
    reference = names.parse(str(model))
    own = names.default_preprocess(reference)
    size = tuple(size or (own.channels, *own.size))
    return _built(reference, size[0]), str(reference), size


def _run_folder(model: str | Path) -> Path | None:
    """The folder of a run; None for the name of a model, which may hold a slash too: ViT-L/16."""
    if is_bundle(Path(model)):
        return Path(model)
    try:
        names.parse(str(model))
    except UserError:
        if ".py" in str(model) or not (os.sep in str(model) or Path(model).exists()):
            raise
        return find_run(model)
    return None


def _built(reference: names.Reference, channels: int) -> nn.Module:
    """The network without values where it can be built so, which takes no memory."""
    import torch

    if reference.kind == "file":
        return names.build_module(reference, channels)
    try:
        with torch.device("meta"):
            return names.build_module(reference, channels)
    except (NotImplementedError, RuntimeError):  # it draws numbers that it then looks at
        return names.build_module(reference, channels)
