"""A lexicon as a trie on the device, and how a text being spelled moves through it.

As in word beam search (Scheidl, Fiel and Sablatnig, Word beam search: a CTC decoding algorithm, 2018) a text is either
inside a word, where the trie says what may follow, or between words, where all other characters are free. Unlike there,
a word may leave the lexicon at a price, and what may be spelled depends on the characters alone, never on the image:
each text has one place in the trie, and one weight.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

# A word being spelled is at a node of the trie. Two nodes are special: no word begun yet, and a word that has left the
# lexicon.
ROOT, OUTSIDE = 0, 1


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LexiconTables:
    """A trie over classes. The children of a node lie side by side, in the order of their classes.

    Attributes:
      children_SxM: bit k % 32 of word k // 32 is set if the node has a child for class k, uint32.
      first_child_S: the first of them, int32.
      log_best_S: the highest log probability among the words at and below the node; 0 at the root, float32.
      log_end_S: log probability of the word (or words and signs) that ends at the node; 0 where none does, float32.
      ends_S: whether one does. The root counts as an end.
      begins_S: whether a new word may begin at the node: at the root, and behind a sign that ends what came before.
      root_child_K: the root's child for each class, OUTSIDE where there is none, int32.
      is_letter_K: letters make words; all other characters are free, and end words.
      log_free_K: log probability of a free character, float32; 0 for letters.
    """

    children_SxM: UInt32[Array, "S M"]
    first_child_S: Int[Array, " S"]
    log_best_S: Float[Array, " S"]
    log_end_S: Float[Array, " S"]
    ends_S: Bool[Array, " S"]
    begins_S: Bool[Array, " S"]
    root_child_K: Int[Array, " K"]
    is_letter_K: Bool[Array, " K"]
    log_free_K: Float[Array, " K"]


def extend_word(
    tables: LexiconTables,
    node: Int[Array, ""],
    class_id: Int[Array, ""],
    weight: Float[Array, ""],
    escape: Float[Array, ""],
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """What a character adds to the log weight of a text, and the node it leads to. For one text; use `jax.vmap`.

    A finished word adds `weight` times its log probability if it is in the lexicon, and at least `escape` in any case.
    A word being spelled counts for the best word it can become (look-ahead: Ortmanns, Ney and Eiden, Language-model
    look-ahead for large vocabulary speech recognition, 1996), so that the beam compares like with like: what the
    characters of a word add sums to what the word adds.
    """
    child, has_child = _find_child(tables, node, class_id)
    begins, is_letter = tables.begins_S[node], tables.is_letter_K[class_id]
    # A letter with which no word goes on begins one where that is possible, or else leads outside.
    by_letter = jnp.where(begins, tables.root_child_K[class_id], OUTSIDE)
    next_node = jnp.where(has_child, child, jnp.where(is_letter, by_letter, ROOT))
    ends = ~has_child & (begins | ~is_letter)
    added = _value(tables, next_node, weight, escape) - _value(tables, node, weight, escape)
    added += jnp.where(ends, _end_value(tables, node, weight, escape), 0.0)
    added += jnp.where(has_child, 0.0, weight * tables.log_free_K[class_id])
    return added, next_node


def finish_word(
    tables: LexiconTables, node: Int[Array, ""], weight: Float[Array, ""], escape: Float[Array, ""]
) -> Float[Array, ""]:
    """What the end of the text adds to its log weight."""
    return _end_value(tables, node, weight, escape) - _value(tables, node, weight, escape)


def _value(tables: LexiconTables, node: Array, weight: Array, escape: Array) -> Array:
    """What the word being spelled counts for so far: the most that it can become."""
    inside = jnp.maximum(weight * tables.log_best_S[node], escape)
    return jnp.where(node == OUTSIDE, escape, jnp.where(node == ROOT, 0.0, inside))


def _end_value(tables: LexiconTables, node: Array, weight: Array, escape: Array) -> Array:
    """What it counts for if it ends here."""
    inside = jnp.where(tables.ends_S[node], jnp.maximum(weight * tables.log_end_S[node], escape), escape)
    return jnp.where(node == ROOT, 0.0, inside)


def _find_child(tables: LexiconTables, node: Array, class_id: Array) -> tuple[Array, Array]:
    """The child of a node for a class, and whether there is one. Its place is the number of bits set below its own."""
    children_M = tables.children_SxM[node]
    word = class_id // 32
    bit = jnp.uint32(1) << (class_id % 32).astype(jnp.uint32)
    here, child = jnp.uint32(0), tables.first_child_S[node]
    for place in range(tables.children_SxM.shape[1]):
        here = jnp.where(word == place, children_M[place], here)
        child += jnp.where(word > place, _count_bits(children_M[place]), 0)
    return child + _count_bits(here & (bit - 1)), (here & bit) != 0


def _count_bits(word: Array) -> Array:
    return jax.lax.population_count(word).astype(jnp.int32)
