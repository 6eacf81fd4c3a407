"""Other libraries' names for the tensors of our networks: a table each."""

from __future__ import annotations

import re

from neocog.weights import google
from neocog.weights.layout import Found, Layout, Renamed, Shapes


def _numbered_from_one(found: Renamed, wanted: Shapes) -> Renamed:
    """torchvision counts the stem of an EfficientNet as a stage; the blocks' stages come one lower here."""

    def lower(match: re.Match[str]) -> str:
        return f"stage.{int(match[1]) - 1}."

    return {re.sub(r"^features\.(\d+)\.(?=\d+\.block\.)", lower, name): item for name, item in found.items()}


def _in_stages(found: Renamed, wanted: Shapes) -> Renamed:
    """lukemelas numbers the blocks of all stages in one row; how many each stage has, the network says."""
    places = (re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in wanted)
    blocks = sorted({(int(match[1]), int(match[2])) for match in places if match})

    def place(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"_blocks.{blocks[number][0]}.{blocks[number][1]}." if number < len(blocks) else match[0]

    return {re.sub(r"^_blocks\.(\d+)\.", place, name): item for name, item in found.items()}


def _from_flax(found: Renamed, wanted: Shapes) -> Renamed:
    return {
        google.bare(name): Found(google.as_torch(name, item.array), item.names)
        for name, item in found.items()
    }


def _counted_from_one(found: Renamed, wanted: Shapes) -> Renamed:
    """Stages and convolutions are counted from 0 in transformers, from 1 here; the blocks of a stage from 0 in both."""

    def stage(match: re.Match[str]) -> str:
        layer = f"layer.{int(match[4]) + 1}." if match[4] else ""
        return f"stage.{int(match[1]) + 1}.{match[2]}.{layer}{match[5]}"

    pattern = r"^(?:resnet\.)?encoder\.stages\.(\d+)\.layers\.(\d+)\.(layer\.(\d+)\.)?(\w.*)"
    return {re.sub(pattern, stage, name): item for name, item in found.items()}


def _bit_from_tensorflow(found: Renamed, wanted: Shapes) -> Renamed:
    """Blocks and units are counted from 1 there, from 0 here."""

    def lower(match: re.Match[str]) -> str:
        return f"block{int(match[1]) - 1}/unit{int(match[2]) - 1}/"

    there = _from_flax(found, wanted)
    return {re.sub(r"\bblock(\d+)/unit(\d+)/", lower, name): item for name, item in there.items()}


_TV_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)"
_HF_BLOCK = r"(?:vit\.|deit\.)?(?:encoder\.layer|layers)\.(\d+)"
_HF_LAYER = r"stage\.(\d+)\.(\d+)"  # as _counted_from_one makes it
_G_BLOCK = r"Transformer/encoderblock_(\d+)"
_G_UNIT = r"resnet/block(\d+)/unit(\d+)"  # counted from 0 by then

OURS = Layout("neocog's own", "(?s).*")  # torchvision's of the nets before EfficientNet, timm's from there on
CAFFE = Layout("an ONNX graph's, by the order of its layers", "(?s).*")
TORCHVISION_VIT = Layout(
    "torchvision's ViT",
    _TV_BLOCK + r"\.ln_1\.weight",
    (
        ("class_token", "cls_token"),
        (r"encoder\.pos_embedding", "pos_embed"),
        (r"conv_proj\.(\w+)", r"patch_embed.proj.\1"),
        (_TV_BLOCK + r"\.ln_([12])\.(\w+)", r"blocks.\1.norm\2.\3"),
        (_TV_BLOCK + r"\.self_attention\.in_proj_(\w+)", r"blocks.\1.attn.qkv.\2"),
        (_TV_BLOCK + r"\.self_attention\.out_proj\.(\w+)", r"blocks.\1.attn.proj.\2"),
        (_TV_BLOCK + r"\.mlp\.(?:0|linear_1)\.(\w+)", r"blocks.\1.mlp.fc1.\2"),  # linear_1 in its first files
        (_TV_BLOCK + r"\.mlp\.(?:3|linear_2)\.(\w+)", r"blocks.\1.mlp.fc2.\2"),
        (r"encoder\.ln\.(\w+)", r"norm.\1"),
        (r"heads\.head\.(\w+)", r"head.\1"),
    ),
)
TORCHVISION_EFFICIENTNET = Layout(
    "torchvision's EfficientNet",
    r"features\.1\.0\.block\.0\.0\.weight",
    (
        (r"features\.0\.0\.(\w+)", r"conv_stem.\1"),
        (r"features\.0\.1\.(\w+)", r"bn1.\1"),
        (r"features\.8\.0\.(\w+)", r"conv_head.\1"),
        (r"features\.8\.1\.(\w+)", r"bn2.\1"),
        (r"classifier\.1\.(\w+)", r"classifier.\1"),
        (r"stage\.0\.(\d+)\.block\.0\.0\.(\w+)", r"blocks.0.\1.conv_dw.\2"),
        (r"stage\.0\.(\d+)\.block\.0\.1\.(\w+)", r"blocks.0.\1.bn1.\2"),
        (r"stage\.0\.(\d+)\.block\.1\.fc1\.(\w+)", r"blocks.0.\1.se.conv_reduce.\2"),
        (r"stage\.0\.(\d+)\.block\.1\.fc2\.(\w+)", r"blocks.0.\1.se.conv_expand.\2"),
        (r"stage\.0\.(\d+)\.block\.2\.0\.(\w+)", r"blocks.0.\1.conv_pw.\2"),
        (r"stage\.0\.(\d+)\.block\.2\.1\.(\w+)", r"blocks.0.\1.bn2.\2"),
        (r"stage\.(\d+)\.(\d+)\.block\.0\.0\.(\w+)", r"blocks.\1.\2.conv_pw.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.0\.1\.(\w+)", r"blocks.\1.\2.bn1.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.1\.0\.(\w+)", r"blocks.\1.\2.conv_dw.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.1\.1\.(\w+)", r"blocks.\1.\2.bn2.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.2\.fc1\.(\w+)", r"blocks.\1.\2.se.conv_reduce.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.2\.fc2\.(\w+)", r"blocks.\1.\2.se.conv_expand.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.3\.0\.(\w+)", r"blocks.\1.\2.conv_pwl.\3"),
        (r"stage\.(\d+)\.(\d+)\.block\.3\.1\.(\w+)", r"blocks.\1.\2.bn3.\3"),
    ),
    _numbered_from_one,
    "symmetric",
)
LUKEMELAS = Layout(
    "EfficientNet-PyTorch's (lukemelas)",
    r"_conv_stem\.weight",
    (
        (r"_conv_stem\.(\w+)", r"conv_stem.\1"),
        (r"_bn0\.(\w+)", r"bn1.\1"),
        (r"_conv_head\.(\w+)", r"conv_head.\1"),
        (r"_bn1\.(\w+)", r"bn2.\1"),
        (r"_fc\.(\w+)", r"classifier.\1"),
        (r"_blocks\.(\d+)\.(\d+)\._se_(reduce|expand)\.(\w+)", r"blocks.\1.\2.se.conv_\3.\4"),
        (r"_blocks\.0\.(\d+)\._depthwise_conv\.(\w+)", r"blocks.0.\1.conv_dw.\2"),
        (r"_blocks\.0\.(\d+)\._bn1\.(\w+)", r"blocks.0.\1.bn1.\2"),
        (r"_blocks\.0\.(\d+)\._project_conv\.(\w+)", r"blocks.0.\1.conv_pw.\2"),
        (r"_blocks\.0\.(\d+)\._bn2\.(\w+)", r"blocks.0.\1.bn2.\2"),
        (r"_blocks\.(\d+)\.(\d+)\._expand_conv\.(\w+)", r"blocks.\1.\2.conv_pw.\3"),
        (r"_blocks\.(\d+)\.(\d+)\._bn0\.(\w+)", r"blocks.\1.\2.bn1.\3"),
        (r"_blocks\.(\d+)\.(\d+)\._depthwise_conv\.(\w+)", r"blocks.\1.\2.conv_dw.\3"),
        (r"_blocks\.(\d+)\.(\d+)\._bn1\.(\w+)", r"blocks.\1.\2.bn2.\3"),
        (r"_blocks\.(\d+)\.(\d+)\._project_conv\.(\w+)", r"blocks.\1.\2.conv_pwl.\3"),
        (r"_blocks\.(\d+)\.(\d+)\._bn2\.(\w+)", r"blocks.\1.\2.bn3.\3"),
    ),
    _in_stages,
    "same",
)
TIMM_VGG = Layout(
    "timm's VGG",
    r"pre_logits\.fc1\.weight",
    (
        (r"pre_logits\.fc1\.(\w+)", r"classifier.0.\1"),
        (r"pre_logits\.fc2\.(\w+)", r"classifier.3.\1"),
        (r"head\.fc\.(\w+)", r"classifier.6.\1"),
    ),
)
HUGGING_FACE_VIT = Layout(
    "transformers' ViT",
    r"(?:vit\.|deit\.)?embeddings\.patch_embeddings\.projection\.weight",
    (
        (r"(?:vit\.|deit\.)?embeddings\.cls_token", "cls_token"),
        (r"(?:vit\.|deit\.)?embeddings\.mask_token", "mask_token"),
        (r"(?:vit\.|deit\.)?embeddings\.position_embeddings", "pos_embed"),
        (r"(?:vit\.|deit\.)?embeddings\.patch_embeddings\.projection\.(\w+)", r"patch_embed.proj.\1"),
        (_HF_BLOCK + r"\.layernorm_before\.(\w+)", r"blocks.\1.norm1.\2"),
        (_HF_BLOCK + r"\.layernorm_after\.(\w+)", r"blocks.\1.norm2.\2"),
        (_HF_BLOCK + r"\.attention\.(?:attention\.query|q_proj)\.(\w+)", r"blocks.\1.attn.q.\2"),
        (_HF_BLOCK + r"\.attention\.(?:attention\.key|k_proj)\.(\w+)", r"blocks.\1.attn.k.\2"),
        (_HF_BLOCK + r"\.attention\.(?:attention\.value|v_proj)\.(\w+)", r"blocks.\1.attn.v.\2"),
        (_HF_BLOCK + r"\.attention\.(?:output\.dense|o_proj)\.(\w+)", r"blocks.\1.attn.proj.\2"),
        (_HF_BLOCK + r"\.(?:intermediate\.dense|mlp\.fc1)\.(\w+)", r"blocks.\1.mlp.fc1.\2"),
        (_HF_BLOCK + r"\.(?:output\.dense|mlp\.fc2)\.(\w+)", r"blocks.\1.mlp.fc2.\2"),
        (r"(?:vit\.|deit\.)?layernorm\.(\w+)", r"norm.\1"),
        (r"(?:vit\.|deit\.)?pooler\.dense\.(\w+)", r"pre_logits.fc.\1"),
        (r"classifier\.(\w+)", r"head.\1"),
    ),
)
HUGGING_FACE_RESNET = Layout(
    "transformers' ResNet",
    r"(?:resnet\.)?embedder\.embedder\.convolution\.weight",
    (
        (r"(?:resnet\.)?embedder\.embedder\.convolution\.(\w+)", r"conv1.\1"),
        (r"(?:resnet\.)?embedder\.embedder\.normalization\.(\w+)", r"bn1.\1"),
        (_HF_LAYER + r"\.shortcut\.convolution\.(\w+)", r"layer\1.\2.downsample.0.\3"),
        (_HF_LAYER + r"\.shortcut\.normalization\.(\w+)", r"layer\1.\2.downsample.1.\3"),
        (_HF_LAYER + r"\.layer\.(\d+)\.convolution\.(\w+)", r"layer\1.\2.conv\3.\4"),
        (_HF_LAYER + r"\.layer\.(\d+)\.normalization\.(\w+)", r"layer\1.\2.bn\3.\4"),
        (r"classifier\.1\.(\w+)", r"fc.\1"),
    ),
    _counted_from_one,
)
CIFAR_RESNET = Layout(
    "akamaster's and kuangliu's CIFAR ResNets",
    r"linear\.weight",
    (
        (r"linear\.(\w+)", r"fc.\1"),
        (r"(layer\d+\.\d+)\.shortcut\.(\d)\.(\w+)", r"\1.downsample.\2.\3"),
    ),
)
GOOGLE_VIT = Layout(
    "Google's ViT (.npz)",
    r".*embedding/kernel",
    (
        ("cls", "cls_token"),
        (r"embedding/kernel", "patch_embed.proj.weight"),
        (r"embedding/bias", "patch_embed.proj.bias"),
        (r"Transformer/posembed_input/pos_embedding", "pos_embed"),
        (r"Transformer/encoder_norm/scale", "norm.weight"),
        (r"Transformer/encoder_norm/bias", "norm.bias"),
        (_G_BLOCK + "/LayerNorm_0/scale", r"blocks.\1.norm1.weight"),
        (_G_BLOCK + "/LayerNorm_0/bias", r"blocks.\1.norm1.bias"),
        (_G_BLOCK + "/LayerNorm_[12]/scale", r"blocks.\1.norm2.weight"),  # 1 in big_vision
        (_G_BLOCK + "/LayerNorm_[12]/bias", r"blocks.\1.norm2.bias"),
        *(
            (
                _G_BLOCK + rf"/MultiHeadDotProductAttention_[01]/{theirs}/{leaf}",
                rf"blocks.\1.attn.{ours}.{name}",
            )
            for theirs, ours in (("query", "q"), ("key", "k"), ("value", "v"), ("out", "proj"))
            for leaf, name in (("kernel", "weight"), ("bias", "bias"))
        ),
        *(
            (_G_BLOCK + rf"/MlpBlock_[03]/Dense_{n}/{leaf}", rf"blocks.\1.mlp.fc{n + 1}.{name}")
            for n in (0, 1)
            for leaf, name in (("kernel", "weight"), ("bias", "bias"))
        ),
        ("pre_logits/kernel", "pre_logits.fc.weight"),
        ("pre_logits/bias", "pre_logits.fc.bias"),
        ("head/kernel", "head.weight"),
        ("head/bias", "head.bias"),
    ),
    _from_flax,
)
GOOGLE_BIT = Layout(
    "Google's BiT (.npz)",
    r".*root_block/standardized_conv2d/kernel",
    (
        ("resnet/root_block/standardized_conv2d/kernel", "stem.conv.weight"),
        *(
            (_G_UNIT + f"/{letter}/standardized_conv2d/kernel", rf"stages.\1.blocks.\2.conv{n}.weight")
            for n, letter in enumerate("abc", 1)
        ),
        *(
            (_G_UNIT + f"/{letter}/group_norm/{leaf}", rf"stages.\1.blocks.\2.norm{n}.{name}")
            for n, letter in enumerate("abc", 1)
            for leaf, name in (("gamma", "weight"), ("beta", "bias"))
        ),
        (_G_UNIT + "/a/proj/standardized_conv2d/kernel", r"stages.\1.blocks.\2.downsample.conv.weight"),
        ("resnet/group_norm/gamma", "norm.weight"),
        ("resnet/group_norm/beta", "norm.bias"),
        ("resnet/head/conv2d/kernel", "head.fc.weight"),
        ("resnet/head/conv2d/bias", "head.fc.bias"),
    ),
    _bit_from_tensorflow,
)

LAYOUTS = (
    OURS,
    TORCHVISION_VIT,
    TORCHVISION_EFFICIENTNET,
    LUKEMELAS,
    TIMM_VGG,
    HUGGING_FACE_VIT,
    HUGGING_FACE_RESNET,
    CIFAR_RESNET,
    GOOGLE_VIT,
    GOOGLE_BIT,
)
