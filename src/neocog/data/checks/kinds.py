"""The kinds of findings: the rule that each stands for, why it matters, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")

TINY_CLASS = 10  # pictures below which a class is called tiny
IMBALANCE = 10.0  # times that the largest class may have the pictures of the smallest
TINY_SIDE = 32  # pixels of the shorter side below which a picture is called tiny
LONGEST_SHAPE = 4.0  # times that a picture may be longer than wide
OUTLIER = 8.0  # times that a picture's area may be above or below the median
BLANK = 2.0  # grey levels of standard deviation below which a picture shows nothing


@dataclass(frozen=True)
class Kind:
    """A kind of finding. An `error` is a picture that nothing can be learned from: it goes into quarantine."""

    severity: Severity
    rule: str
    why: str
    action: str


_REPLACE = "Replace the file by a whole one, or leave it in quarantine."
_COPIES = "Keep one of them; neocog data split keeps copies on one side."
_CONVERTED = "Nothing: it is converted the same way in training and in use."

KINDS: dict[str, Kind] = {
    "empty": Kind(
        "error", "a file holds a picture, not 0 bytes", "A copy or a download was broken off.", _REPLACE
    ),
    "unopened": Kind(
        "error",
        "every file can be opened",
        "A permission or a disk is wrong.",
        "Set the permission, or copy it anew.",
    ),
    "not-a-picture": Kind(
        "error",
        "a file with a picture's suffix is a picture",
        "Often an error page that a download saved under a picture's name.",
        _REPLACE,
    ),
    "truncated": Kind(
        "error",
        "a picture is complete",
        "Other tools fill the missing part with grey and learn it.",
        _REPLACE,
    ),
    "corrupt": Kind("error", "a picture can be decoded", "Its bytes contradict its format.", _REPLACE),
    "bomb": Kind(
        "error",
        "a picture has no more pixels than a camera makes",
        "Decoding it would take the machine's memory.",
        "Scale it down with a program that you trust it to, or leave it in quarantine.",
    ),
    "damaged": Kind(
        "warning",
        "a JPEG decodes without a complaint",
        "It opens everywhere, but some of its pixels are made up by the decoder.",
        "Look at it; add it to the quarantine list if it shows.",
    ),
    "cut": Kind(
        "warning",
        "a file ends with its format's end mark",
        "Its last bytes are missing.",
        "Save it anew from its source.",
    ),
    "two-labels": Kind(
        "warning",
        "one picture has one label",
        "At least one of the labels is wrong, and neither can be learned.",
        "Decide which is right and quarantine the others; if both are, use labels for several classes.",
    ),
    "disputed": Kind(
        "warning",
        "more than half of a picture's annotators agree on its label",
        "Its label is little more than a guess.",
        "Ask another annotator, or quarantine it.",
    ),
    "leak": Kind(
        "warning",
        "no picture that judges was trained on",
        "The score counts what was learned by heart: it is higher than on new pictures.",
        "Take the copies out of the training part, or split anew with neocog data split.",
    ),
    "exact-duplicates": Kind(
        "warning", "a file is there once", "Copies weigh more than other pictures.", _COPIES
    ),
    "same-pixels": Kind(
        "warning",
        "a picture is there once, however it is encoded",
        "Copies weigh more than other pictures; no hash of the files shows them.",
        _COPIES,
    ),
    "near-duplicates": Kind(
        "warning",
        "pictures differ by more than size, compression or brightness",
        "Copies on both sides of a split judge the memory, not the model.",
        f"Look at them. {_COPIES}",
    ),
    "mirrored": Kind(
        "warning",
        "no picture is another one's mirror image",
        "Someone has augmented the files; mirrored copies may leak like others.",
        f"Look at them. {_COPIES}",
    ),
    "alike": Kind(
        "warning",
        "the vectors of two pictures differ",
        "They look the same to the network that made the vectors.",
        f"Look at them. {_COPIES}",
    ),
    "blank": Kind(
        "warning", "a picture shows something", "All its pixels are nearly the same.", "Look at it."
    ),
    "wrong-extension": Kind(
        "warning",
        "a file's suffix names its format",
        "Programs that go by the name refuse the file or skip it.",
        "Rename it; neocog itself goes by the content.",
    ),
    "tiny-class": Kind(
        "warning",
        f"a class has {TINY_CLASS} pictures or more",
        "So few can neither be learned nor judged with certainty.",
        "Collect more, or merge it with another class.",
    ),
    "imbalance": Kind(
        "warning",
        f"the largest class has at most {IMBALANCE:g} times the pictures of the smallest",
        "Accuracy hides how the small classes fare.",
        "Look at the scores class by class; weigh or sample the classes.",
    ),
    "class-names": Kind(
        "warning",
        "names of classes differ in more than case and spaces",
        "Probably one class under two names.",
        "Merge them.",
    ),
    "grey-shortcut": Kind(
        "warning",
        "colour does not give the class away",
        "A network learns grey against colour instead of the subject.",
        "Make all of them grey, or collect both kinds for every class.",
    ),
    "format-shortcut": Kind(
        "warning",
        "the file's format does not give the class away",
        "The sources of the classes differ, and compression leaves traces that a network can learn.",
        "Encode all of them the same way, or collect from the same sources.",
    ),
    "size-shortcut": Kind(
        "warning",
        "the picture's size does not give the class away",
        "Scaling to the input's size blurs one class more than the others, which a network can learn.",
        "Bring all to one size, or collect from the same sources.",
    ),
    "tiny": Kind(
        "warning",
        f"a picture's shorter side has {TINY_SIDE} pixels or more, where others have",
        "A thumbnail or an icon that slipped in.",
        "Look at it.",
    ),
    "extreme-shape": Kind(
        "warning",
        f"a picture is at most {LONGEST_SHAPE:g} times as long as wide",
        "The middle crop shows little of it.",
        "Crop it, or use --resize-mode pad.",
    ),
    "odd-size": Kind(
        "note",
        f"areas lie within a factor of {OUTLIER:g} of the median",
        "It may come from another source.",
        "Look at it.",
    ),
    "mixed-channels": Kind(
        "note", "all pictures are grey, or all are in colour", "A network sees two kinds of data.", _CONVERTED
    ),
    "rotated": Kind(
        "note",
        "pixels lie upright in the file",
        "Programs that ignore the EXIF tag see it lying.",
        "Nothing here: neocog obeys the tag. Other programs may not.",
    ),
    "16-bit": Kind("note", "channels have 8 bits", "Programs that clip them see white.", _CONVERTED),
    "grey": Kind("note", "files store colour", "Programs that expect three channels fail.", _CONVERTED),
    "alpha": Kind(
        "note", "nothing is transparent", "What lies below is undefined.", "Nothing: it is laid on white."
    ),
    "cmyk": Kind("note", "colours are for a screen", "Programs may show it inverted.", _CONVERTED),
    "palette": Kind(
        "note", "pixels are colours, not places in a palette", "Indices are no brightness.", _CONVERTED
    ),
    "animated": Kind(
        "note", "a file holds one picture", "The others are not seen.", "Nothing: the first frame counts."
    ),
    "ignored": Kind(
        "note",
        "every file is taken for a picture",
        "They have a suffix that is not read.",
        "Convert what is a picture.",
    ),
}
