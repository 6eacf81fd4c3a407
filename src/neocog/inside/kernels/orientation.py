"""What convolution kernels prefer: edges of one direction, coarse or fine ones, grey or coloured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""samples of the spectrum along each axis; kernels are padded with zeros to that many"""
FINE = 0.35
"""cycles per pixel above which a pattern counts as fine; noise has 61 % of its power there"""
ORIENTED = 0.4
"""least selectivity of a kernel that is said to have a direction; of 11x11 weights an edge from black to white through
the middle has 0.52 to 0.57, and of 100 kernels of smoothed noise 99 have less than 0.34"""
LEAST = 5
"""pixels of a side from which on a kernel can be noise: in a smaller one every edge is as fine"""
NOISY = 0.2
"""largest share of fine power of such a kernel"""
COLOURED = 0.5
"""least share of power away from grey of a kernel that is said to see colour; noise has 2/3"""
TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Tuning:
    """A number for each kernel."""

    direction: NDArray[np.float64]
    """in which its edges run, in degrees from 0 to 180: 0 horizontal, 90 vertical, 45 from lower left to upper right"""
    selectivity: NDArray[np.float64]
    """from 0, no direction, to 1, a grating: the length of the mean of exp(2i angle) over the power spectrum"""
    fine: NDArray[np.float64]
    """share of the power above `FINE`"""
    colour: NDArray[np.float64]
    """share of the squared weights that is a difference between channels"""
    side: int
    """pixels of the kernels' shorter side"""

    @property
    def noise(self) -> NDArray[np.bool_]:
        """Those that are nothing else, where they are large enough to tell."""
        return np.asarray((self.fine > NOISY) & (self.side >= LEAST))

    @property
    def oriented(self) -> NDArray[np.bool_]:
        """Those with a direction that are no noise."""
        return np.asarray((self.selectivity >= ORIENTED) & ~self.noise)

    @property
    def coloured(self) -> NDArray[np.bool_]:
        """Those that see colour and are no noise."""
        return np.asarray((self.colour >= COLOURED) & ~self.noise)


def tuning(kernels: NDArray[np.floating]) -> Tuning:
    """Of kernels (n, channels, height, width), each channel taken without its mean.

    The direction is that of the spectrum's second circular moment: twice the angle, so that a wave and its reverse
    are one (as for orientation maps of the visual cortex, e.g. Worgotter and Eysel, Biol. Cybern. 57, 1987).
    """
    weights = np.asarray(kernels, np.float64)
    centred = weights - weights.mean((2, 3), keepdims=True)
    power = (np.abs(np.fft.fft2(centred, s=(SIDE, SIDE))) ** 2).sum(1)
    frequencies = np.fft.fftfreq(SIDE)
    down, right = frequencies[:, None], frequencies[None, :]
    total = power.sum((1, 2)) + TINY
    # a wave that travels at an angle has edges across it; rows count downwards
    moment = (power * np.exp(2j * np.arctan2(-down, right))).sum((1, 2)) / total
    direction = (np.degrees(np.angle(moment)) / 2 + 90) % 180
    fine = (power * (np.hypot(down, right) > FINE)).sum((1, 2)) / total
    grey = weights.mean(1, keepdims=True)
    colour = ((weights - grey) ** 2).sum((1, 2, 3)) / ((weights**2).sum((1, 2, 3)) + TINY)
    return Tuning(direction, np.abs(moment), fine, colour, min(kernels.shape[2:]))
