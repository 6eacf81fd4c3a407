"""Whose weight files each network loads: what `neocog models` says, and what the layouts can read."""

from __future__ import annotations

from fnmatch import fnmatch

# the first pattern that fits counts; names are those of the libraries whose files load without a conversion
ORIGINS = (
    ("alexnet_2012", ("Caffe (ONNX)",)),
    ("caffenet", ("Caffe (ONNX)",)),
    ("zfnet", ("Caffe (ONNX)",)),
    ("alexnet", ("torchvision",)),
    ("vgg??_lrn*", ()),
    ("vgg16_c*", ()),
    ("vgg??_bn", ("torchvision", "timm")),
    ("vgg??", ("torchvision", "timm", "Caffe (ONNX)")),
    ("googlenet", ("torchvision",)),
    ("googlenet_2014", ("Caffe (ONNX)",)),
    ("resnet[135]?", ("torchvision", "timm", "Hugging Face", "ONNX")),
    ("resnet1??", ("torchvision", "timm", "Hugging Face")),
    ("resnet*_cifar", ("akamaster",)),
    ("resnetv2_*_bit", ("timm", "Google (.npz)")),
    ("efficientnet_b[567]", ("torchvision",)),  # timm's have the same names and another eps
    ("efficientnet_b?", ("torchvision", "timm")),
    ("tf_efficientnet_b?", ("timm (tf_)", "lukemelas")),
    ("efficientnet_l2", ("timm (tf_)", "lukemelas")),
    ("efficientnet_lite?", ("timm (tf_)", "lukemelas")),
    ("vit_base_*", ("timm", "torchvision", "Hugging Face", "Google (.npz)")),
    ("vit_large_*", ("timm", "torchvision", "Hugging Face", "Google (.npz)")),
    ("vit_huge_*", ("timm", "torchvision", "Hugging Face", "Google (.npz)")),
    ("vit_*", ("timm", "Hugging Face", "Google (.npz)")),
)


# networks whose weights in circulation expect pictures normalised by ImageNet's mean and deviation
NORMALISED = ("resnet[1-9]*", "plain*", "vgg*", "tf_efficientnet_b?", "efficientnet_l2", "edge_net")


def imagenet_normalised(name: str) -> bool:
    """Whether a network's weights, where nobody says otherwise, expect ImageNet's mean and deviation."""
    return any(fnmatch(name, pattern) for pattern in NORMALISED)


def origins(name: str) -> tuple[str, ...]:
    """Libraries whose files for this network load as they are, beside our own."""
    return next((libraries for pattern, libraries in ORIGINS if fnmatch(name, pattern)), ())
