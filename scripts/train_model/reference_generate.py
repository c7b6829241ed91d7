#!/usr/bin/env python3
"""Prints what a legacy llama2.c checkpoint writes: plain NumPy, float32, one token at a time.

Written from the format and the architecture alone, sharing no code with the training script, so that
it can stand as a reference for both the training script and the simulator. With temperature 0 the
most likely token is taken; the text ends at the next <s> or after --positions tokens.
"""

import argparse
import struct
import sys

import numpy as np

BOS = 1
RMS_EPSILON = np.float32(1e-5)


class Checkpoint:
    """The header and the tensors of a model.bin."""

    def __init__(self, path):
        with open(path, "rb") as file:
            header = struct.unpack("<7i", file.read(28))
            self._data = np.frombuffer(file.read(), "<f4")
        self.dim, self.hidden, self.layers, self.heads, self.kv_heads, vocab, self.seq_len = header
        self.vocab = abs(vocab)
        self.head_dim = self.dim // self.heads
        kv_dim = self.head_dim * self.kv_heads
        self._offset = 0
        self.embedding = self._take(self.vocab, self.dim)
        self.rms_attention = self._take(self.layers, self.dim)
        self.wq = self._take(self.layers, self.dim, self.dim)
        self.wk = self._take(self.layers, kv_dim, self.dim)
        self.wv = self._take(self.layers, kv_dim, self.dim)
        self.wo = self._take(self.layers, self.dim, self.dim)
        self.rms_ffn = self._take(self.layers, self.dim)
        self.w1 = self._take(self.layers, self.hidden, self.dim)
        self.w2 = self._take(self.layers, self.dim, self.hidden)
        self.w3 = self._take(self.layers, self.hidden, self.dim)
        self.rms_final = self._take(self.dim)
        self._take(2, self.seq_len, self.head_dim // 2)
        self.classifier = self.embedding if vocab > 0 else self._take(self.vocab, self.dim)
        if self._offset != self._data.size:
            raise ValueError(f"{path}: {4 * (self._data.size - self._offset)} bytes after the last tensor")

    def _take(self, *shape):
        size = int(np.prod(shape))
        if self._offset + size > self._data.size:
            raise ValueError("checkpoint ends early")
        tensor = self._data[self._offset:self._offset + size].reshape(shape)
        self._offset += size
        return tensor


class Decoder:
    """One sequence with its key and value cache."""

    def __init__(self, checkpoint):
        self._w = checkpoint
        shape = (checkpoint.layers, checkpoint.kv_heads, checkpoint.seq_len, checkpoint.head_dim)
        self._keys = np.zeros(shape, np.float32)
        self._values = np.zeros(shape, np.float32)
        pairs = np.arange(0, checkpoint.head_dim, 2, dtype=np.float32) / np.float32(checkpoint.head_dim)
        self._frequencies = np.float32(1.0) / np.float32(10000.0) ** pairs

    def logits(self, token, position):
        w = self._w
        x = w.embedding[token].copy()
        for layer in range(w.layers):
            x += w.wo[layer] @ self._attention(layer, rms_norm(x, w.rms_attention[layer]), position)
            normed = rms_norm(x, w.rms_ffn[layer])
            gate = w.w1[layer] @ normed
            x += w.w2[layer] @ (gate / (1 + np.exp(-gate)) * (w.w3[layer] @ normed))
        return w.classifier @ rms_norm(x, w.rms_final)

    def _attention(self, layer, x, position):
        w = self._w
        query = self._rotate((w.wq[layer] @ x).reshape(w.heads, w.head_dim), position)
        self._keys[layer, :, position] = self._rotate((w.wk[layer] @ x).reshape(w.kv_heads, w.head_dim), position)
        self._values[layer, :, position] = (w.wv[layer] @ x).reshape(w.kv_heads, w.head_dim)
        output = np.empty((w.heads, w.head_dim), np.float32)
        for head in range(w.heads):
            shared = head * w.kv_heads // w.heads
            scores = self._keys[layer, shared, :position + 1] @ query[head] / np.float32(np.sqrt(w.head_dim))
            output[head] = softmax(scores) @ self._values[layer, shared, :position + 1]
        return output.reshape(-1)

    def _rotate(self, x, position):
        angles = np.float32(position) * self._frequencies
        cos, sin = np.cos(angles), np.sin(angles)
        rotated = np.empty_like(x)
        rotated[:, 0::2] = x[:, 0::2] * cos - x[:, 1::2] * sin
        rotated[:, 1::2] = x[:, 0::2] * sin + x[:, 1::2] * cos
        return rotated


class Vocabulary:
    """The pieces and scores of a tokenizer.bin."""

    def __init__(self, path, size):
        self.pieces, self.scores = [], []
        with open(path, "rb") as file:
            file.read(4)
            for _ in range(size):
                score, length = struct.unpack("<fi", file.read(8))
                self.scores.append(score)
                self.pieces.append(file.read(length))
        self._ids = {piece: index for index, piece in reversed(list(enumerate(self.pieces)))}

    def encode(self, text):
        """<s>, then the text's characters merged by best score; an empty text is <s> alone."""
        ids = []
        for character in (" " + text if text else ""):
            piece = character.encode("utf-8")
            ids += [self._ids[piece]] if piece in self._ids else [byte + 3 for byte in piece]
        while True:
            candidates = [(self.scores[joined], -place, joined) for place, joined in self._joins(ids)]
            if not candidates:
                return [BOS] + ids
            _, place, joined = max(candidates)
            ids[-place:-place + 2] = [joined]

    def _joins(self, ids):
        for place, (left, right) in enumerate(zip(ids, ids[1:])):
            joined = self._ids.get(self.pieces[left] + self.pieces[right])
            if joined is not None:
                yield place, joined

    def decode(self, token, previous):
        piece = self.pieces[token]
        if previous == BOS and piece.startswith(b" "):
            piece = piece[1:]
        if len(piece) == 6 and piece.startswith(b"<0x"):
            return bytes([int(piece[3:5], 16)])
        return piece


def rms_norm(x, weight):
    return weight * (x / np.sqrt(np.mean(x * x) + RMS_EPSILON))


def softmax(x):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


def choose(logits, temperature, generator):
    if temperature == 0:
        return int(np.argmax(logits))
    return int(generator.choice(logits.size, p=softmax(logits.astype(np.float64) / temperature)))


def generate(checkpoint, vocabulary, prompt, positions, temperature=0.0, seed=1):
    """The prompt's text and its continuation, as bytes."""
    decoder, generator = Decoder(checkpoint), np.random.default_rng(seed)
    prompt_ids = vocabulary.encode(prompt)
    token, text = prompt_ids[0], b""
    for position in range(min(positions, checkpoint.seq_len)):
        logits = decoder.logits(token, position)
        following = prompt_ids[position + 1] if position + 1 < len(prompt_ids) else choose(logits, temperature, generator)
        if following == BOS:
            break
        text += vocabulary.decode(following, token)
        token = following
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model.bin")
    parser.add_argument("tokenizer", help="its tokenizer.bin")
    parser.add_argument("--prompt", default="Once upon a time")
    parser.add_argument("--positions", type=int, default=200, help="most positions to run (default 200)")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    checkpoint = Checkpoint(arguments.model)
    vocabulary = Vocabulary(arguments.tokenizer, checkpoint.vocab)
    text = generate(checkpoint, vocabulary, arguments.prompt, arguments.positions, arguments.temperature, arguments.seed)
    sys.stdout.buffer.write(text + b"\n")


if __name__ == "__main__":
    main()
