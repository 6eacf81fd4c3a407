"""Which layers `all` of them are: the stages that a paper names, else the parts that the network is built of."""

from __future__ import annotations

from pathlib import Path

from neocog.api import names
from neocog.api.networks import find_run
from neocog.bundle import is_bundle, read_bundle
from neocog.errors import UserError

ALL = "all"


def stages_of(source: str | Path) -> tuple[str, ...]:
    """Names of the layers of a model or run, from the input to the output, without the last one."""
    import torch

    from neocog.models.layer_names import stages

    if Path(source).expanduser().is_file() or str(source).startswith("classical:"):
        raise UserError(
            f"all layers are those of a model or a run, got {source}; a file has those that it was made with"
        )
    reference, channels = _network(source)
    with torch.device("meta"):
        net = names.build_module(reference, channels)
    return stages(net, str(reference))


def _network(source: str | Path) -> tuple[names.Reference, int]:
    """The model and how many channels its pictures have."""
    folder = Path(source).expanduser()
    if is_bundle(folder) or not _is_name(str(source)):
        folder = find_run(source) or folder
        card = read_bundle(folder).card
        return names.parse(card.model), card.preprocess.channels
    reference = names.parse(str(source))
    return reference, names.default_preprocess(reference).channels


def _is_name(source: str) -> bool:
    try:
        names.parse(source)
    except UserError:
        return False
    return True
