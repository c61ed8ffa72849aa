"""What a check looks for: each kind of finding, and what it means for training."""

UNREADABLE = "unreadable images"
BLANK = "blank images"
ALMOST_BLANK = "almost blank images"
INVERTED = "light ink on a dark background"
EXTREME_SIZE = "extreme sizes"
EXTREME_SHAPE = "extreme shapes"
EMPTY_LABEL = "empty labels"
OUTSIDE = "labels outside the alphabet"
TOO_LONG = "labels longer than the frames"
SPACES = "stray spaces in labels"
CONTROL = "invisible or broken characters in labels"
NOT_NFC = "labels not in NFC"
OTHER_LABEL = "same pixels, another label"
SEVERAL_SPLITS = "same pixels in several splits"
SAME_LABEL = "same pixels, same label"
WRITERS_LEAK = "writers in several splits"
PAGES_LEAK = "pages in several splits"
WRONG_LABEL = "likely wrong labels"
WRONG_CASE = "likely wrong case"

# In the order in which they are reported.
MEANING = {
    UNREADABLE: "cannot be opened or preprocessed; left out",
    BLANK: "no ink: the darkest and the lightest pixel are nearly equal",
    ALMOST_BLANK: "hardly any ink, or ink hardly darker than the background",
    INVERTED: "turned over by preprocessing 'word', not by preprocessing 'keras'",
    EXTREME_SIZE: "a side below 4 px, or more than 20 million pixels",
    EXTREME_SHAPE: "so long that it fills less than a quarter of the input's height, or 12 times as high as wide",
    EMPTY_LABEL: "left out of training",
    OUTSIDE: "in training left out, or read as unknown; elsewhere errors that no model avoids",
    TOO_LONG: "no CTC alignment exists; left out of training",
    SPACES: "at an end, doubled, or another white space than the space",
    CONTROL: "control and format characters, unassigned ones, and U+FFFD, which stands for a failed decoding",
    NOT_NFC: "one letter spelled with several characters; NFC is made of it when it is read",
    OTHER_LABEL: "one of them is wrong, unless the shape is ambiguous (l, I and 1)",
    SEVERAL_SPLITS: "what is measured was trained on",
    SAME_LABEL: "harmless but for the weight it gets",
    WRITERS_LEAK: "results are better than for unknown writers",
    PAGES_LEAK: "results are better than for unknown pages",
    WRONG_LABEL: "the model reads something else, 10,000 times likelier to it: highest CTC loss a character first",
    WRONG_CASE: "the model reads the same in another case, which is likelier to it",
}
