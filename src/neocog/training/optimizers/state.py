"""What an optimizer remembers, as named tensors: for checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from neocog.errors import UserError
from neocog.training.optimizers.lists import ListOptimizer


def optimizer_tensors(optimizer: Optimizer, net: nn.Module) -> dict[str, Tensor]:
    """Everything kept for each parameter, by names such as "momentum_buffer.layer1.0.weight"; contiguous.

    Steps are tensors without axes. The tensors may share memory with the optimizer, which goes on changing them.
    What a parameter that never had a gradient has not got is left out. The groups, with rates and decay, follow from
    network and recipe.
    """
    return {
        f"{kept}.{name}": tensor.detach().contiguous()
        for name, parameter in _named(optimizer, net).items()
        for kept, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    }


def restore_optimizer(optimizer: Optimizer, net: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave, copied, so that steps go on as if there had been no break.

    Whatever the optimizer had kept so far is forgotten. UserError if a name or shape is not this optimizer's or not
    one of its parameters'; nothing is changed then. Adam, AdamW and LAMB keep the same, so that their tensors
    cannot be told apart.
    """
    parameters = _named(optimizer, net)
    kept = _kept(optimizer)
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        what, _, name = key.partition(".")
        if what not in kept or name not in parameters:
            kind = type(optimizer).__name__
            raise UserError(
                f"a checkpoint must be of the same optimizer and parameters, got {key}, which {kind} does not "
                "keep here; resume with the recipe and network that wrote it"
            )
        found.setdefault(name, {})[what] = _laid_out(key, tensor, parameters[name], optimizer)
    for name, state in found.items():
        if state.keys() != kept:
            missing = min(kept - state.keys())
            raise UserError(
                f"a checkpoint must hold {', '.join(sorted(kept))} of each parameter, got no {missing}.{name}"
            )
    optimizer.state.clear()
    optimizer.state.update({parameters[name]: state for name, state in found.items()})


def _named(optimizer: Optimizer, net: nn.Module) -> dict[str, nn.Parameter]:
    """The optimizer's parameters by their names in `net`."""
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return {name: p for name, p in net.named_parameters() if id(p) in own}


def _kept(optimizer: Optimizer) -> set[str]:
    """Names of the tensors kept for each parameter."""
    if isinstance(optimizer, ListOptimizer):
        return set(optimizer.kept)
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer"} if any(group["momentum"] for group in optimizer.param_groups) else set()
    return {"exp_avg", "exp_avg_sq", "step"}


def _laid_out(key: str, tensor: Tensor, parameter: Tensor, optimizer: Optimizer) -> Tensor:
    """A copy where the optimizer looks for it: with the parameter's device and strides; steps as it counts them."""
    if key.startswith("step."):
        place = parameter.device if optimizer.defaults.get("fused") else torch.device("cpu")
        return tensor.detach().to(place, copy=True)
    if tensor.shape != parameter.shape:
        raise UserError(
            f"a checkpoint must fit the network, got {key} of shape {tuple(tensor.shape)} for {tuple(parameter.shape)}"
        )
    return torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor.detach())
