"""neocog summary MODEL"""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from typing import Annotated, Any

from typer import Argument, Option

from neocog.cli.console import Console, out, out_json
from neocog.cli.help_all import Verb
from neocog.errors import UserError

FLOPS = 1e12
SIZE = "--input-size"


class Summary(Verb):
    """The verb, whose --input-size takes as many numbers as there are; the parser's own options take a fixed count."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_one_size(args))


def with_one_size(args: list[str]) -> list[str]:
    """The arguments with `--input-size 3 227 227` as `--input-size 3x227x227`."""
    if SIZE not in args:
        return args
    start = args.index(SIZE) + 1
    end = start
    while end < len(args) and re.fullmatch(r"-?\d+", args[end]):
        end += 1
    return [*args[:start], "x".join(args[start:end]), *args[end:]] if end > start else args


def size_of(text: str) -> tuple[int, ...] | None:
    """3x227x227 as three numbers; None for no text."""
    if not text:
        return None
    if not re.fullmatch(r"-?\d+(x-?\d+){1,3}", text):
        raise UserError(f"{SIZE} is channels and 1 to 3 axes, such as 3 227 227 or 3x227x227, got {text}")
    return tuple(map(int, text.split("x")))


def summary(
    model: Annotated[
        str,
        Argument(
            help="a model's name (timm: and torchvision: too), FILE.py:FUNCTION, or the folder of a run"
        ),
    ],
    run_model: Annotated[
        str | None,
        Option("-m", "--model", help="FILE.py:FUNCTION of a run that has one, to trust it on this machine"),
    ] = None,
    input_size: Annotated[
        str,
        Option(
            "--input-size",
            metavar="C [D] [H] W",
            help="channels and 1 to 3 axes, such as 3 227 227 or 3x227x227; the model's own if left out",
        ),
    ] = "",
    columns: Annotated[str, Option(help="comma-separated; `all` for every one")] = "",
    depth: Annotated[int | None, Option(help="gather the rows by modules of so many names")] = None,
    batch_size: Annotated[int, Option("-b", "--batch-size", help="pictures at once, for the memory")] = 1,
    dtype: Annotated[str | None, Option(help="float32, float16, bfloat16 or float64")] = None,
    convention: Annotated[
        str, Option(help="mac, flop, paper or fvcore: what is counted as an operation")
    ] = "mac",
    check: Annotated[
        bool, Option("--check", help="run the network and prove the table; exit 1 if it is wrong")
    ] = False,
    fit: Annotated[str, Option(help="memory such as 8GB: the largest batch that trains in it")] = "",
    optimizer: Annotated[str, Option(help="of training memory: sgd, momentum or adam")] = "momentum",
    train_cost: Annotated[
        tuple[float, int] | None, Option("--train-cost", help="epochs and pictures: the work of training")
    ] = None,
    device_flops: Annotated[
        float, Option(help="for --train-cost: floating-point operations a second that one device sustains")
    ] = FLOPS,
    devices: Annotated[int, Option(help="for --train-cost")] = 1,
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            help="also write FILE.csv, .md, .json, .html (table, charts, graph) or .svg (graph)",
        ),
    ] = "",
    as_json: Annotated[bool, Option("--json", help="print JSON")] = False,
) -> None:
    """Print the lecture's table: sizes, receptive field, stride, padding, memory, parameters, multiply-adds."""
    from neocog.api.summary import COLUMNS, DEFAULT
    from neocog.api.summary import summary as summarize

    if train_cost is None and (device_flops != FLOPS or devices != 1):
        raise UserError("--device-flops and --devices go with --train-cost EPOCHS PICTURES")
    wanted = COLUMNS if columns == "all" else tuple(c.strip() for c in columns.split(",") if c.strip())
    made = summarize(
        model,
        run_model=run_model,
        input_size=size_of(input_size),
        columns=wanted or DEFAULT,
        depth=depth,
        batch_size=batch_size,
        dtype=dtype,
        convention=convention,
        optimizer=optimizer,
    )
    if output:
        made.save(output)
        Console().say(f"written {output}")
    proof = made.check(Console()) if check else None
    largest = made.largest_batch(fit) if fit else None
    cost = made.train_cost(*train_cost, device_flops, devices) if train_cost else None
    if as_json:
        extra = {
            "check": proof and proof.to_json(),
            "largest_batch": largest,
            "train_cost": cost and asdict(cost),
        }
        out_json(made.to_json() | {key: value for key, value in extra.items() if value is not None})
    else:
        more = (
            {} if largest is None else {"fits": f"a batch of {largest:,} trains within {fit} ({optimizer})"}
        )
        out(made.text(more | ({"training": str(cost)} if cost else {})))
        if proof:
            out(proof)
    if proof and not proof.ok:
        sys.exit(1)
