"""What `neocog train` does where a flag asks for something other than one training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from neocog.cli.console import Console, Told, out, out_json
from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.api.training.planning import PlanOptions


def demand_one_way(print_config: bool, seeds: int | None, find_lr: bool, prove_resume: bool) -> None:
    """Raise where two flags each say what is to be done instead of training once."""
    ways = {"--print-config": print_config, "--seeds": seeds is not None}
    ways |= {"--find-lr": find_lr, "--prove-resume": prove_resume}
    given = [flag for flag, is_given in ways.items() if is_given]
    if len(given) > 1:
        raise UserError(
            f"one command does one thing, got {' and '.join(given)}; give them one after the other"
        )


def print_config(data: str, model: str | None, options: PlanOptions) -> None:
    from neocog.api.training.train import train_config

    out_json(train_config(data, model, progress=Console(), **options))


def seeds(
    data: str,
    model: str | None,
    seeds: int,
    where: tuple[Path | None, str | None],
    options: PlanOptions,
    as_json: bool,
) -> None:
    from neocog.api.training.seeds import train_seeds

    output, resume = where
    found = train_seeds(data, model, seeds=seeds, output=output, resume=resume, progress=Console(), **options)
    if as_json:
        out_json(found.to_json())
    else:
        out(found)
        out(f"runs    {found.folder}")
    if found.interrupted:
        Console().say(
            f"{found.interrupted}: saved; the same command with --resume {found.folder} goes on from there"
        )
        raise Told(130)


def find_lr(data: str, model: str | None, output: Path | None, options: PlanOptions, as_json: bool) -> None:
    from neocog.api.training.train import find_lr
    from neocog.files import write_text

    curve = find_lr(data, model, progress=Console(), **options)
    page = (output or Path()) / "find-lr.html"
    write_text(page, curve.page(facts=(("data", data), ("model", str(model or "as train chooses")))))
    if as_json:
        out_json(curve.to_json())
    else:
        out(curve.sentence())
        out(f"page    {page}")


def prove_resume(data: str, model: str | None, options: PlanOptions, as_json: bool) -> None:
    from neocog.api.training.prove import prove_resume

    proof = prove_resume(data, model, progress=Console(), **options)
    if as_json:
        out_json(proof.to_json())
    else:
        out(proof)
    sys.exit(0 if proof.identical else 1)
