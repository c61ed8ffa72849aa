"""What a text is worth before the image is looked at: language model, lexicon and length, weighed together."""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hwr_jax.decoding.language_model import NGramTables
from hwr_jax.decoding.lexicon_tables import ROOT, LexiconTables, extend_word, finish_word
from hwr_jax.errors import InputError
from hwr_jax.models.ops import take_pairs

# A text whose log weight is below the first is ruled out. Both are finite, so that sums and differences stay numbers.
RULED_OUT = -1e8
FORBIDDEN = -1e9


@dataclasses.dataclass(frozen=True)
class FusionWeights:
    """How much each part counts. The score of a text is the sum of its log CTC probability,
    language_model * log P(text), length_bonus * number of characters, and for each of its words
    max(lexicon * log P(word), escape), or `escape` for words outside the lexicon. All logarithms are natural ones.

    The defaults are about what UNIPEN words ask for; better ones are found by `evaluation.tune.tune_weights`.
    """

    language_model: float = 0.8  # without unit
    length_bonus: float = 2.0  # nats a character; makes up for what a language model takes off longer texts
    lexicon: float = 0.3  # without unit; 0 makes all words of the lexicon equally likely
    escape: float = -10.0  # nats a word, below 0; -inf lets only words of the lexicon pass

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if math.isnan(value) or (math.isinf(value) and (name, value) != ("escape", -math.inf)):
                raise InputError(f"decoding weights: {name} {value}: not a finite number")
        if self.escape > 0:
            raise InputError(f"decoding weights: escape {self.escape}: must be at most 0")


class TextState(NamedTuple):
    """Where the text model stands after each of W texts: row of the language model's tables, node of the lexicon."""

    context_W: Int[Array, " W"]
    node_W: Int[Array, " W"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TextModel:
    """Scores texts a character at a time, inside jit. See `build_text_model`."""

    ngrams: NGramTables | None
    lexicon: LexiconTables | None
    language_model_weight: Float[Array, ""]
    length_bonus: Float[Array, ""]
    lexicon_weight: Float[Array, ""]
    escape: Float[Array, ""]

    def start(self, width: int) -> TextState:
        """The state before the first character."""
        context = self.ngrams.start if self.ngrams else jnp.int32(0)
        return TextState(jnp.broadcast_to(context, (width,)), jnp.full(width, ROOT, jnp.int32))

    def extend(self, state: TextState, class_C: Int[Array, " C"]) -> Float[Array, "W C"]:
        """What each character adds to the log weight of each text."""
        width = len(state.node_W)
        added_WxC = jnp.broadcast_to(self.length_bonus, (width, len(class_C)))
        if self.ngrams:
            class_WxC = jnp.broadcast_to(class_C[None], added_WxC.shape)
            log_probs_WxC = take_pairs(self.ngrams.log_probs_SxK, state.context_W, class_WxC)
            added_WxC += self.language_model_weight * log_probs_WxC
        if self.lexicon:
            node_Wx1, class_1xC = state.node_W[:, None], class_C[None]
            added_WxC += extend_word(self.lexicon, node_Wx1, class_1xC, self.lexicon_weight, self.escape)[0]
        return added_WxC

    def advance(
        self, state: TextState, from_W: Int[Array, " W"], class_W: Int[Array, " W"], appended_W: Bool[Array, " W"]
    ) -> TextState:
        """The states of the texts at `from_W`, where `appended_W` with one more character."""
        context_W, node_W = state.context_W[from_W], state.node_W[from_W]
        if self.ngrams:
            next_W = take_pairs(self.ngrams.next_SxK, context_W, class_W[:, None])[:, 0]
            context_W = jnp.where(appended_W, next_W, context_W)
        if self.lexicon:
            _, next_W = extend_word(self.lexicon, node_W, class_W, self.lexicon_weight, self.escape)
            node_W = jnp.where(appended_W, next_W, node_W)
        return TextState(context_W, node_W)

    def finish(self, state: TextState) -> Float[Array, " W"]:
        """What the end of the text adds to its log weight."""
        added_W = jnp.zeros(len(state.node_W))
        if self.ngrams:
            added_W += self.language_model_weight * self.ngrams.log_ends_S[state.context_W]
        if self.lexicon:
            added_W += finish_word(self.lexicon, state.node_W, self.lexicon_weight, self.escape)
        return added_W


def build_text_model(
    weights: FusionWeights, *, ngrams: NGramTables | None = None, lexicon: LexiconTables | None = None
) -> TextModel:
    """Puts the parts together. Without one of them its weights have no effect; the length bonus has it always.

    Other weights for the same tables need no new compilation.
    """
    return TextModel(
        ngrams,
        lexicon,
        jnp.float32(weights.language_model),
        jnp.float32(weights.length_bonus),
        jnp.float32(weights.lexicon),
        jnp.float32(max(weights.escape, FORBIDDEN)),
    )
