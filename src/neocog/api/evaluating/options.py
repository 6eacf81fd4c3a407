"""What one may say about an evaluation, by keyword."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from neocog.data.reading import ReadingOptions


class PictureOptions(ReadingOptions, total=False):
    """How the data are read."""

    strict: bool
    """an unreadable picture is an error instead of being skipped and counted"""
    download: bool
    """published weights and data sets may be fetched over the network"""


class DataOptions(PictureOptions, total=False):
    """Which pictures are judged, besides how the data are read."""

    part: str | None
    """train, val or test where the data have such parts; test if not given, else val"""


class LoadOptions(TypedDict, total=False):
    """How a classifier is loaded."""

    model: str | None
    """FILE.py:FUNCTION of a run that has one"""
    decoding: str | None
    """of a published model: `exact` or `fast`, as suits the size of the pictures if not given"""
    engine: str
    device: str


class JudgedOptions(DataOptions, LoadOptions, total=False):
    """Which pictures are judged by what."""


class AnswerOptions(TypedDict, total=False):
    """How pictures are answered, and what counts as right."""

    protocol: str
    """which views of a picture are answered: a name of `PROTOCOLS` or `DENSE`, `center` if not given"""
    average: str
    """what is averaged over views and members: `softmax` (probabilities) or `logits`"""
    subset: Sequence[int | str] | str | Path | None
    """the only classes allowed as answers, by number, name or WordNet id, or a file; `data`: those of the data"""
    label_sets: str | Path | None
    """a JSON file that says which answers are right, such as ImageNet ReaL's, in place of the data's labels"""
    exact: bool
    """a run that decodes fast is scored with every pixel decoded, too: `Scored.exact`"""


class JudgingOptions(PictureOptions, AnswerOptions, total=False):
    """What a classifier in use may be asked."""


class EvalOptions(JudgedOptions, AnswerOptions, total=False):
    """What `evaluate` takes by keyword."""

    ensemble: Sequence[str | Path]
    """further runs or published models that answer together with the first"""
    soup: bool
    """the mean of the runs' weights is one network, instead of the mean of their answers"""
