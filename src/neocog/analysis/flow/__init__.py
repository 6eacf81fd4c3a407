"""How the receptive field passes through each operation: `FLOWS` has a rule for each of torch's functions."""

from neocog.analysis.flow.attention import TOKENS
from neocog.analysis.flow.given import Rule
from neocog.analysis.flow.mixing import MIXING
from neocog.analysis.flow.moving import MOVING
from neocog.analysis.flow.picking import PICKED
from neocog.analysis.flow.pointwise import halved, pointwise, unchanged, written
from neocog.analysis.flow.windows import WINDOWS
from neocog.analysis.flow.writing import WRITING
from neocog.analysis.kinds import IDENTITIES, POINTWISE

__all__ = ["FLOWS"]

FLOWS: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE, pointwise),
    **dict.fromkeys(IDENTITIES, unchanged),
    **dict.fromkeys(("copy", "fill"), written),
    "glu": halved,
    **WINDOWS,
    **MIXING,
    **TOKENS,
    **MOVING,
    **PICKED,
    **WRITING,
}
