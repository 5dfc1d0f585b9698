"""WordPiece over many words at once: all of them take each step together, in numpy.

WordPiece splits a word greedily: the longest token that begins it, then the longest
that continues it, and so on; a word that cannot be split is [UNK] (Wu et al. 2016, as
in BERT). Tokens are looked up letter by letter in a trie.
"""

import itertools
from collections.abc import Mapping

import numpy as np

from data_prep.records.ragged import Ragged

_DEAD, _BEGIN, _CONTINUE = range(3)  # Nodes: no token, and the two roots.
_UNCUT = -1  # Number of pieces of a word that cannot be split.
_MULTIPLIER = np.int64(-0x61C8864680B583EB)  # Fibonacci hashing.


class WordPiece:
    """Splits words, given as the numbers of their letters."""

    def __init__(
        self,
        first: Mapping[str, int],
        inner: Mapping[str, int],
        unk_id: int,
        max_letters: int,
    ):
        """
        Args:
          first: id of each token that can begin a word.
          inner: id of each token that can continue a word, without its `##`.
          unk_id: id of words that cannot be split or are too long.
          max_letters: length of the longest word that is split.
        """
        self._unk_id, self._max_letters = unk_id, max_letters
        letters = sorted(set(itertools.chain.from_iterable([*first, *inner])))
        self._numbers = {letter: number for number, letter in enumerate(letters, 1)}
        children: dict[tuple[int, int], int] = {}
        ids = {}
        for root, vocab in ((_BEGIN, first), (_CONTINUE, inner)):
            for token, token_id in vocab.items():
                ids[self._insert(children, root, token)] = token_id
        self._ids, self._lengths = _longest_tokens(children, ids)
        self._children = _Transitions(children, len(letters) + 2)

    def number(self, letter: str) -> int:
        """A letter's number; 0 is no letter."""
        return self._numbers.get(letter, len(self._numbers) + 1)

    def _insert(self, children: dict, node: int, letters: str) -> int:
        for letter in letters:
            edge = (node, self._numbers[letter])
            node = children.setdefault(edge, len(children) + 3)
        return node

    def __call__(
        self, letters: np.ndarray, starts: np.ndarray, continues: np.ndarray
    ) -> Ragged:
        """Token ids, int32, one row per word.

        Args:
          letters: [positions], with a 0 at the end.
          starts: [words], the positions where words begin.
          continues: [positions], whether a position continues a word.
        """
        words, at = np.arange(len(starts)), starts
        pieces = []
        counts = np.ones(len(starts), np.int64)
        node = _BEGIN
        while len(words):
            deepest = self._walk(letters, at, node)
            lengths = self._lengths[deepest]
            at = at + lengths
            is_cut = (lengths > 0) & (at - starts[words] <= self._max_letters)
            pieces.append((words, self._ids[deepest]))
            counts[words] = np.where(is_cut, len(pieces), _UNCUT)
            unfinished = is_cut & continues[at]
            words, at, node = words[unfinished], at[unfinished], _CONTINUE
        return self._collect(pieces, counts)

    def _walk(self, letters: np.ndarray, at: np.ndarray, root: int) -> np.ndarray:
        """The deepest nodes that the letters from each position lead to."""
        deepest = nodes = np.full(len(at), root)
        alive = np.arange(len(at))
        while len(alive):
            nodes = self._children(nodes, letters[at])
            is_alive = np.flatnonzero(nodes != _DEAD)
            alive, nodes, at = alive[is_alive], nodes[is_alive], at[is_alive] + 1
            deepest[alive] = nodes
        return deepest

    def _collect(self, pieces: list, counts: np.ndarray) -> Ragged:
        """The n-th pieces of words -> rows; a word that cannot be split is [UNK]."""
        values = np.full(int(np.abs(counts).sum()), self._unk_id, np.int32)
        rows = Ragged.from_lengths(values, np.abs(counts))
        for number, (words, ids) in enumerate(pieces):
            is_kept = counts[words] > 0
            values[rows.offsets[words[is_kept]] + number] = ids[is_kept]
        return rows


def _longest_tokens(
    children: Mapping[tuple[int, int], int], ids: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """For each node, id and length of the longest token on its path; 0 for none."""
    nodes = [(0, 0, 0)] * (len(children) + 3)  # The node's depth, then id and length.
    for (parent, _), node in children.items():  # Parents come first.
        depth, token_id, length = nodes[parent]
        is_token = node in ids
        token_id, length = (ids[node], depth + 1) if is_token else (token_id, length)
        nodes[node] = (depth + 1, token_id, length)
    _, token_ids, lengths = np.array(nodes, np.int64).T
    return token_ids.astype(np.int32), lengths.copy()


class _Transitions:
    """(node, letter) -> child as a hash table with linear probing."""

    def __init__(self, children: Mapping[tuple[int, int], int], num_letters: int):
        self._num_letters = num_letters
        bits = max(8, (4 * len(children)).bit_length())
        self._shift, self._mask = np.int64(64 - bits), (1 << bits) - 1
        self._keys = np.full(1 << bits, -1, np.int64)
        self._values = np.full(1 << bits, _DEAD, np.int64)
        edges = np.array(list(children), np.int64).reshape(-1, 2)
        keys = edges[:, 0] * num_letters + edges[:, 1]
        values = np.array(list(children.values()), np.int64)
        slots = self._slots(keys)
        while len(keys):
            slots = slots & self._mask
            free = self._keys[slots] < 0
            self._keys[slots[free]] = keys[free]  # Of several, one stays.
            placed = self._keys[slots] == keys
            self._values[slots[placed]] = values[placed]
            keys, values, slots = (x[~placed] for x in (keys, values, slots + 1))

    def _slots(self, keys: np.ndarray) -> np.ndarray:
        hashed = (keys * _MULTIPLIER).view(np.uint64) >> self._shift.view(np.uint64)
        return hashed.view(np.int64)

    def __call__(self, nodes: np.ndarray, letters: np.ndarray) -> np.ndarray:
        """Child nodes; _DEAD where there is none."""
        keys = nodes * self._num_letters + letters
        slots = self._slots(keys)
        stored = self._keys[slots]
        is_other = stored != keys
        values = np.where(is_other, _DEAD, self._values[slots])
        open_ = np.flatnonzero(is_other & (stored >= 0))
        while len(open_):
            slots[open_] = slots[open_] + 1 & self._mask
            stored = self._keys[slots[open_]]
            is_hit = stored == keys[open_]
            values[open_[is_hit]] = self._values[slots[open_[is_hit]]]
            open_ = open_[~is_hit & (stored >= 0)]
        return values
