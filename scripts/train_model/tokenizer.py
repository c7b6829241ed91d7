"""Byte-pair-encoding tokenizer: training, llama2.c-compatible encoding, and its two file formats.

Ids: 0 <unk>, 1 <s> (starts every story), 2 </s>, 3 to 258 the bytes 0x00 to 0xFF, then learned
pieces. Text is encoded as llama2.c's bpe_encode does: a leading space is put in front, each character
becomes its piece (or its bytes), and the adjacent pair whose joined piece has the highest score is
merged until no pair joins. Learned pieces never span a word border, so words are encoded one by one
and remembered; test_train_model.py compares that with merging over a whole text.
"""

import collections
import json
import re
import struct

BOS = 1
FIRST_PIECE = 259
# A word, a run of punctuation (each with the space before it), or one character of anything else.
CHUNK = re.compile(r" ?[A-Za-z]+| ?[^A-Za-z\s]+|\s")


class Tokenizer:
    """Pieces by id, with scores; a higher score merges earlier."""

    def __init__(self, pieces, scores):
        self.pieces = pieces
        self.scores = scores
        self._ids = {piece: index for index, piece in enumerate(pieces) if index >= FIRST_PIECE}
        self._chunk_ids = {}

    @property
    def vocab_size(self):
        return len(self.pieces)

    @classmethod
    def train(cls, texts, vocab_size):
        """Learns single characters and merges from an iterable of texts."""
        counts = collections.Counter()
        for text in texts:
            counts.update(CHUNK.findall(" " + text))
        words = [(list(chunk), count) for chunk, count in counts.items() if not chunk.isspace() or chunk == " "]
        characters = collections.Counter()
        for word, count in words:
            for character in word:
                characters[character] += count
        characters[" "] += 1
        merges = _learn_merges(words, vocab_size - FIRST_PIECE - len(characters))
        learned = merges + [character for character, _ in sorted(characters.items(), key=lambda c: (-c[1], c[0]))]
        special = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % byte for byte in range(256)]
        pieces = special + [piece.encode("utf-8") for piece in learned]
        scores = [0.0] * FIRST_PIECE + [-float(rank) for rank in range(len(learned))]
        return cls(pieces, scores)

    def encode(self, text):
        """Token ids of a text, without <s>."""
        ids = []
        for chunk in CHUNK.findall(" " + text):
            known = self._chunk_ids.get(chunk)
            if known is None:
                known = self._chunk_ids[chunk] = self.merge(self._character_ids(chunk))
            ids += known
        return ids

    def encode_whole(self, text):
        """The same by merging over the whole text, word borders unknown: slow, for tests."""
        return self.merge(self._character_ids(" " + text))

    def _character_ids(self, text):
        ids = []
        for character in text:
            piece = character.encode("utf-8")
            ids += [self._ids[piece]] if piece in self._ids else [byte + 3 for byte in piece]
        return ids

    def merge(self, ids):
        ids = list(ids)
        while True:
            best_score, best_position, best_id = -1e10, -1, -1
            for position in range(len(ids) - 1):
                joined = self._ids.get(self.pieces[ids[position]] + self.pieces[ids[position + 1]])
                if joined is not None and self.scores[joined] > best_score:
                    best_score, best_position, best_id = self.scores[joined], position, joined
            if best_position < 0:
                return ids
            ids[best_position:best_position + 2] = [best_id]

    def decode(self, ids, previous=BOS):
        """Bytes of a token sequence; the piece after <s> loses its leading space, as in llama2.c."""
        output = b""
        for token in ids:
            piece = self.pieces[token]
            if previous == BOS and piece.startswith(b" "):
                piece = piece[1:]
            byte = re.fullmatch(rb"<0x([0-9A-F]{2})>", piece)
            output += bytes([int(byte[1], 16)]) if byte else piece
            previous = token
        return output

    def save(self, path):
        """Writes llama2.c's tokenizer.bin."""
        with open(path, "wb") as file:
            file.write(struct.pack("<i", max(len(piece) for piece in self.pieces)))
            for piece, score in zip(self.pieces, self.scores):
                file.write(struct.pack("<fi", score, len(piece)) + piece)

    @classmethod
    def load(cls, path, vocab_size):
        pieces, scores = [], []
        with open(path, "rb") as file:
            file.read(4)
            for _ in range(vocab_size):
                score, length = struct.unpack("<fi", file.read(8))
                scores.append(score)
                pieces.append(file.read(length))
        return cls(pieces, scores)

    def save_hugging_face(self, path):
        """Writes tokenizer.json in the form that Llama checkpoints use."""
        vocab = {name: index for index, name in enumerate(self._hugging_face_names())}
        names = list(vocab)
        special = [{"id": index, "content": names[index], "single_word": False, "lstrip": False, "rstrip": False,
                    "normalized": False, "special": True} for index in range(3)]
        document = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
            "pre_tokenizer": None,
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                         {"SpecialToken": {"id": "<s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
                {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "vocab": vocab,
                      "merges": self._hugging_face_merges(names)},
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
            file.write("\n")

    def _hugging_face_names(self):
        special = ["<unk>", "<s>", "</s>"] + [piece.decode() for piece in self.pieces[3:FIRST_PIECE]]
        return special + [piece.decode("utf-8").replace(" ", "\u2581") for piece in self.pieces[FIRST_PIECE:]]

    def _hugging_face_merges(self, names):
        """Every pair of pieces that joins into a piece, best score first."""
        learned = {name: index for index, name in enumerate(names) if index >= FIRST_PIECE}
        ranked = sorted(learned, key=lambda name: -self.scores[learned[name]])
        return [f"{name[:cut]} {name[cut:]}" for name in ranked for cut in range(1, len(name))
                if name[:cut] in learned and name[cut:] in learned]


def _learn_merges(words, merge_count):
    merges = []
    while len(merges) < merge_count:
        pairs = collections.Counter()
        for word, count in words:
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        joined = left + right
        if joined not in merges:
            merges.append(joined)
        for word, _ in words:
            position = 0
            while position < len(word) - 1:
                if word[position] == left and word[position + 1] == right:
                    word[position:position + 2] = [joined]
                position += 1
    return merges
