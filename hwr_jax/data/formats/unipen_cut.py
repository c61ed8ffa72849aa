"""Words cut out of UNIPEN's texts (category 8), as more hands to train on."""

from hwr_jax.data.formats.unipen_lines import tidy_label
from hwr_jax.data.formats.unipen_segments import InkSegment
from hwr_jax.data.sample import Skip
from hwr_jax.data.splits import split_of
from hwr_jax.ink.cutting import cut_words, split_lines


def cut_texts(texts: list[InkSegment | Skip]) -> list[InkSegment | Skip]:
    """The words of texts, "cut/" and the text's id and the word's place; skips with "cut/" before their ids.

    Nothing but gaps and widths says where a word ends (`hwr_jax.ink.cutting`), so some labels are wrong. The words are
    material to train on: those of writers whose split is not the training split are left where they are.
    """
    outcomes: list[InkSegment | Skip] = []
    for text in texts:
        if isinstance(text, Skip):
            outcomes.append(Skip(f"cut/{text.id}", text.reason))
        elif split_of(text.writer) == "train":
            outcomes += _cut(text)
    return outcomes


def _cut(text: InkSegment) -> list[InkSegment | Skip]:
    labels = tidy_label(text.text).split()
    words = cut_words(split_lines(text.strokes), [len(label) for label in labels])
    if words is None:
        return [Skip(f"cut/{text.id}", "words cannot be told apart")]
    return [
        InkSegment(f"cut/{text.id}/{place}", label, text.writer, strokes)
        for place, (label, strokes) in enumerate(zip(labels, words, strict=True))
    ]
