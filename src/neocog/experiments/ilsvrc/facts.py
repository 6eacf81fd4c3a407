"""What stands behind each published error, and what the networks come to without ImageNet's pictures."""

from __future__ import annotations

from neocog.data.views.protocols import PROTOCOLS
from neocog.evaluation.intervals import wilson
from neocog.experiments.claims import Facts
from neocog.experiments.ilsvrc.cells import SIZE
from neocog.experiments.networks import Networks, depth
from neocog.experiments.published import Result, results

# results of several networks that differ, of one that is not known, or on other pictures
MIXED = ("alexnet_7", "clarifai_1", "vgg_7", "vgg_2", "resnet_6", "human_googlenet")
# of our networks, who has published weights of its like, and by which views its paper judged it
COMMANDS = {
    "alexnet_2012": ("alexnet", "10-crop"),
    "vgg16": ("vgg16", "vgg-150"),
    "googlenet_2014": ("googlenet", "googlenet-144"),
    "resnet152_v1": ("resnet152", "10-crop"),
}
NEEDED = "needs the 50,000 validation pictures"
REMARKS = (
    "95 %: interval of the error by the number of pictures alone (Wilson); what other training runs, other "
    "networks or other people would have had is not in it.",
    "views: 10-crop, four corners and the middle, mirrored; googlenet-144, 4 sizes, 3 squares, 6 views of each, "
    "mirrored; 150 crops, 3 sizes, 5 by 5 places, mirrored; dense, the network slid over the whole picture. - is "
    "not said.",
    "more data: what was learned from beside the challenge's own training pictures.",
    "sources: challenge YEAR, its page of results, image-net.org; Krizhevsky, Sutskever and Hinton, NIPS 2012; Zeiler "
    "and Fergus, ECCV 2014; Simonyan and Zisserman, ICLR 2015; Szegedy et al., CVPR 2015; He et al., CVPR 2016; "
    "Russakovsky et al., IJCV 2015.",
    "nets: -, not said, or no network. The 7 of VGG have 16 and 19 layers, the 6 of ResNet different depths.",
)
COMPUTED = (
    "layers: with weights, on the longest path. params: weights and biases. MACs: multiply-adds of one view; of a "
    "picture: times the views, times the networks. Dense views have no number: the network slides over the picture.",
    "published: by the papers, not measured here.",
    "The published weights that the commands below fetch are torchvision's, of these networks or their like (the "
    "AlexNet in one tower, GoogLeNet with batch norm, ResNet with the stride in the 3x3), trained later than the "
    "challenge: they need not come to its figures.",
)


def facts(networks: Networks | None = None) -> tuple[Facts, ...]:
    """What stands behind each error, and what can be computed without ImageNet's pictures."""
    return behind(), computed(networks or Networks())


def interval(result: Result) -> tuple[float, float]:
    """95 % interval of an error in percent (Wilson): how far chance in the choice of pictures reaches."""
    low, high = wilson(round(result.error / 100 * result.pictures), result.pictures)
    return 100 * low, 100 * high


def behind() -> Facts:
    """All published results, with their uncertainty."""
    header = ("result", "year", "nets", "views", "more data", "pictures", "error %", "95 %", "source")
    rows = tuple(map(_behind, results().values()))
    return Facts("What stands behind each error", header, rows, (_people(), *REMARKS))


def _people() -> str:
    person, network = (
        "{:.1f} ({:.1f} to {:.1f})".format(float(result.error), *interval(result))
        for result in (results()["human"], results()["human_googlenet"])
    )
    return (
        f"The two annotators: neither is what people can do. On the same 1,500 pictures the first had {person} and "
        f"GoogLeNet {network}: the intervals overlap. More data: the pictures they practised on."
    )


def _behind(result: Result) -> tuple[object, ...]:
    low, high = interval(result)
    return (
        result.entry,
        str(result.year),
        "-" if result.nets is None else str(result.nets),
        result.protocol or "-",
        "-" if result.trained_on == "no" else result.trained_on,
        f"{result.pictures:,} {result.part}",
        f"{float(result.error):g}",
        f"{low:.2f}-{high:.2f}",
        result.source,
    )


def views() -> dict[str, int]:
    """How many views of a picture the protocols of crops have."""
    return {name: PROTOCOLS[name].count for name in ("center", "10-crop", "googlenet-144")}


def computed(networks: Networks) -> Facts:
    """Layers, parameters and work of the networks; whose error is left to those who have the pictures."""
    header = (
        "network",
        "layers",
        "params",
        "MACs a view",
        "nets",
        "protocol",
        "views",
        "MACs a picture",
        "published %",
    )
    counted = views()
    rows = tuple(
        _computed(networks, result, counted)
        for result in results().values()
        if result.network and result.nets and result.name not in MIXED
    )
    commands = tuple(
        f"top-5 error of {name} here: {NEEDED}: neocog eval {weights} PATH --protocol {protocol} --download"
        for name, (weights, protocol) in COMMANDS.items()
    )
    return Facts("What the networks come to here", header, rows, (*COMPUTED, *commands))


def _computed(networks: Networks, result: Result, counted: dict[str, int]) -> tuple[object, ...]:
    summary = networks.summary(result.network, SIZE.get(result.network, (3, 224, 224)))
    seen = counted.get(result.protocol, 0) * (result.nets or 1)
    return (
        result.network,
        depth(summary),
        summary.params,
        f"{summary.macs / 1e9:.3f} G",
        result.nets,
        result.protocol,
        counted.get(result.protocol) if result.protocol else None,
        f"{summary.macs * seen / 1e9:,.1f} G" if seen else "-",
        f"{float(result.error):g} {result.part}",
    )
