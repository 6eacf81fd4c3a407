"""Class names of data sets whose files give numbers only, in the order of the numbers: `classes/*.txt`.

Fashion-MNIST: Xiao, Rasul and Vollgraf (2017), table 2. Kuzushiji-MNIST: Clanuwat and others (2018), figure 1. CIFAR:
the data sets' page. Flowers-102: Nilsback and Zisserman (2008), in the order that torchvision gives their numbers.
ILSVRC 2012: a WordNet id and a name a line, as torchvision spells them (BSD-3).
"""

from pathlib import Path


def class_names(name: str) -> tuple[str, ...]:
    """The names of one of the data sets of `classes/`."""
    return tuple((Path(__file__).parent / "classes" / f"{name}.txt").read_text("utf-8").splitlines())
