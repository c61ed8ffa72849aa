"""A lexicon as a trie on the device, and how a text being spelled moves through it.

As in word beam search (Scheidl, Fiel and Sablatnig, Word beam search: a CTC decoding algorithm, 2018) a text is either
inside a word, where the trie says what may follow, or between words, where all other characters are free. Unlike there,
a word may leave the lexicon at a price, and what may be spelled depends on the characters alone, never on the image:
each text has one node in the trie, and one weight.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from hwr_jax.decoding.lexicon import VARIANTS, Lexicon, expand_variants, is_letter
from hwr_jax.errors import InputError
from hwr_jax.messages import count_of
from hwr_jax.text.alphabet import Alphabet
from hwr_jax.text.direction import to_visual

# A word being spelled is at a node of the trie. Two nodes are special: no word begun yet, and a word that has left the
# lexicon.
ROOT, OUTSIDE = 0, 1
# Signs of the alphabet that the lexicon has not seen count as if they had occurred once more than that.
_SIGN_COUNT_ADDED = 1.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LexiconTables:
    """A trie over classes. The children of a node lie side by side, in the order of their classes."""

    children_SxM: UInt32[Array, "S M"]  # bit k % 32 of word k // 32 is set if the node has a child for class k, uint32
    first_child_S: Int[Array, " S"]  # the first of them, int32
    # The highest log probability among the words at and below the node; 0 at the root, float32
    log_best_S: Float[Array, " S"]
    # Log probability of the word (or words and signs) that ends at the node; 0 where none does, float32
    log_end_S: Float[Array, " S"]
    ends_S: Bool[Array, " S"]  # whether one does. The root counts as an end.
    # Whether a new word may begin at the node: at the root, and behind a sign that ends what came before
    begins_S: Bool[Array, " S"]
    root_child_K: Int[Array, " K"]  # the root's child for each class, OUTSIDE where there is none, int32
    is_letter_K: Bool[Array, " K"]  # letters make words; all other characters are free, and end words
    log_free_K: Float[Array, " K"]  # log probability of a free character, float32; 0 for letters

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All of them by name."""
        return {name: np.asarray(value) for name, value in vars(self).items()}


def extend_word(
    tables: LexiconTables, node: Array, class_id: Array, weight: Array, escape: Array
) -> tuple[Array, Array]:
    """What a character adds to the log weight of a text, and the node it leads to; arrays are broadcast.

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


def finish_word(tables: LexiconTables, node: Array, weight: Array, escape: Array) -> Array:
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
    """The child of a node for a class, and whether there is one. As many siblings precede it as bits are set below."""
    children = tables.children_SxM[node]
    word = class_id // 32
    bit = jnp.uint32(1) << (class_id % 32).astype(jnp.uint32)
    here, child = jnp.uint32(0), tables.first_child_S[node]
    for index in range(tables.children_SxM.shape[1]):
        here = jnp.where(word == index, children[..., index], here)
        child += jnp.where(word > index, _count_bits(children[..., index]), 0)
    return child + _count_bits(here & (bit - 1)), (here & bit) != 0


def _count_bits(word: Array) -> Array:
    return jax.lax.population_count(word).astype(jnp.int32)


def build_lexicon_tables(
    lexicon: Lexicon, alphabet: Alphabet, variants: Mapping[str, float] = VARIANTS
) -> LexiconTables:
    """The tables of a lexicon for an alphabet.

    Log probabilities are of the words, their variants and the signs together. Words with characters outside the
    alphabet are left out: see `Lexicon.unspellable`. `variants` are other forms of the words, see `expand_variants`;
    {}: none. Raises InputError: no words, or none that the alphabet can spell.
    """
    if not lexicon.words:
        raise InputError("lexicon: empty; give at least one word")
    forms = expand_variants(lexicon.words, variants)
    words = {to_visual(word): count for word, count in forms.items() if not alphabet.outside(word)}
    if not words:
        raise InputError(
            f"lexicon: none of its {count_of(lexicon.words, 'word')} can be spelled with the recognizer's alphabet, "
            f"such as {next(iter(lexicon.words))!r}"
        )
    signs = {c: lexicon.signs.get(c, 0.0) + _SIGN_COUNT_ADDED for c in alphabet.characters if not is_letter(c)}
    total = sum(words.values()) + sum(signs.values())
    is_letter_K, log_free_K = np.zeros(alphabet.num_classes, bool), np.zeros(alphabet.num_classes)
    for class_id, character in enumerate(alphabet.characters, start=1):
        is_letter_K[class_id] = is_letter(character)
        log_free_K[class_id] = np.log(signs[character] / total) if character in signs else 0.0
    entries = sorted(words)
    depths, end_N = _number_nodes(entries, alphabet)
    num_nodes = OUTSIDE + 1 + sum(len(parents) for parents, _ in depths)
    children_SxM = np.zeros((num_nodes, -(-alphabet.num_classes // 32)), np.uint32)
    first_child_S = np.zeros(num_nodes, np.int32)
    root_child_K = np.full(alphabet.num_classes, OUTSIDE, np.int32)
    log_end_S = np.full(num_nodes, -np.inf)
    log_end_S[end_N] = np.log(np.array([words[entry] for entry in entries]) / total)
    log_end_S[ROOT] = 0.0
    begins_S = np.arange(num_nodes) == ROOT
    first = OUTSIDE + 1
    for parents, classes in depths:
        nodes = first + np.arange(len(parents))
        first += len(parents)
        np.bitwise_or.at(children_SxM, (parents, classes // 32), np.uint32(1) << (classes % 32).astype(np.uint32))
        with_children, index = np.unique(parents, return_index=True)
        first_child_S[with_children] = nodes[index]
        root_child_K[classes[parents == ROOT]] = nodes[parents == ROOT]
        # A sign behind what may end there ends there too, and a word may begin behind it.
        begins_S[nodes] = ~is_letter_K[classes] & np.isfinite(log_end_S[parents])
        log_behind = np.where(begins_S[nodes], log_end_S[parents] + log_free_K[classes], -np.inf)
        log_end_S[nodes] = np.maximum(log_end_S[nodes], log_behind)
    log_best_S = log_end_S.copy()
    for parents, _ in reversed(depths):
        first -= len(parents)
        np.maximum.at(log_best_S, parents, log_best_S[first : first + len(parents)])
    log_best_S[[ROOT, OUTSIDE]] = 0.0
    ends_S = np.isfinite(log_end_S)
    by_node = (children_SxM, first_child_S, log_best_S, np.where(ends_S, log_end_S, 0.0), ends_S, begins_S)
    arrays = (*by_node, root_child_K, is_letter_K, log_free_K)
    return LexiconTables(*(jnp.asarray(x, jnp.float32 if x.dtype == np.float64 else x.dtype) for x in arrays))


def _number_nodes(entries: list[str], alphabet: Alphabet) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """For each depth of the trie from 1 on the parents and classes of its nodes, siblings side by side; and the node at
    which each entry ends. The entries are sorted, so that those which share a prefix stand together."""
    lengths_N = np.array([len(entry) for entry in entries])
    points = np.frombuffer("".join(entries).encode("utf-32-le"), "<u4")
    known = np.frombuffer(alphabet.characters.encode("utf-32-le"), "<u4")
    ids_NxL = np.zeros((len(entries), lengths_N.max()), np.int32)
    ids_NxL[np.arange(ids_NxL.shape[1])[None] < lengths_N[:, None]] = np.searchsorted(known, points) + 1
    same_NxL = np.cumprod(ids_NxL[1:] == ids_NxL[:-1], axis=1)
    shared_N = np.concatenate([[0], same_NxL.sum(axis=1)])  # characters shared with the entry before
    depths = []
    node_N = np.full(len(entries), ROOT)
    end_N = np.zeros(len(entries), np.int64)
    num_nodes = OUTSIDE + 1
    for depth in range(1, ids_NxL.shape[1] + 1):
        new_N = (shared_N < depth) & (lengths_N >= depth)
        depths.append((node_N[new_N], ids_NxL[new_N, depth - 1]))
        node_N = np.where(lengths_N >= depth, num_nodes + np.cumsum(new_N) - 1, node_N)
        end_N = np.where(lengths_N == depth, node_N, end_N)
        num_nodes += int(new_N.sum())
    return depths, end_N
