#!/usr/bin/python3
"""Tests of the training script's parts: run `/usr/bin/python3 -m unittest -v` in this folder."""

import json
import random
import re
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

import attention
import reference_generate
from export import export_hugging_face, export_legacy, hugging_face_tensors, read_safetensors
from model import Llama, Shape, rope_tables, rotate
from optimizer import orthogonalise
from story_grammar import write_stories
from tokenizer import BOS, Tokenizer

SHIPPED = Path(__file__).resolve().parents[2] / "scenarios" / "models" / "tale"
SMALL = Shape(dim=32, hidden_dim=48, layers=2, heads=4, kv_heads=2, vocab_size=400, seq_len=64)


class GrammarTest(unittest.TestCase):
    def test_seed_names_the_text(self):
        self.assertEqual(list(write_stories(20, 5)), list(write_stories(20, 5)))
        self.assertNotEqual(list(write_stories(20, 5)), list(write_stories(20, 6)))

    def test_text_is_clean(self):
        for story in write_stories(3000, 11):
            self.assertIsNone(re.search(r"[^A-Za-z\n '\",.!?]|  | [.,!?]|\ba [aeiou]", story), story)
            self.assertEqual(story.count('"') % 2, 0, story)
            self.assertIsNone(re.search(r"(^|[.!?] |\n)[a-z]", story), story)


class TokenizerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stories = list(write_stories(300, 3))
        cls.tokenizer = Tokenizer.train(cls.stories, 600)

    def test_word_by_word_equals_whole_text(self):
        for text in self.stories[:3] + ["Hello, Zürich: 42 times!\n\n  Two  spaces\tand 'quotes'?!\"", "a", " ", "x y"]:
            self.assertEqual(self.tokenizer.encode(text), self.tokenizer.encode_whole(text))

    def test_decoding_returns_the_text(self):
        for text in self.stories[:50] + ["Ünïcödé \U0001F600 and 0x0A\n"]:
            self.assertEqual(self.tokenizer.decode(self.tokenizer.encode(text)).decode("utf-8"), text)

    def test_reference_reads_the_same_tokens(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.bin"
            self.tokenizer.save(path)
            vocabulary = reference_generate.Vocabulary(path, self.tokenizer.vocab_size)
        for text in [story[:200] for story in self.stories[:5]] + ["Qu\xe9 42?"]:
            self.assertEqual(vocabulary.encode(text), [BOS] + self.tokenizer.encode(text))


    def test_hugging_face_merges_give_the_same_tokens(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            self.tokenizer.save_hugging_face(path)
            model = json.loads(path.read_text(encoding="utf-8"))["model"]
        ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(model["merges"])}
        for story in self.stories[:5]:
            symbols = ["<0x0A>" if character == "\n" else character for character in "\u2581" + story.replace(" ", "\u2581")]
            while candidates := [(ranks[pair], place) for place, pair in enumerate(zip(symbols, symbols[1:])) if pair in ranks]:
                place = min(candidates)[1]
                symbols[place:place + 2] = [symbols[place] + symbols[place + 1]]
            self.assertEqual([model["vocab"][symbol] for symbol in symbols], self.tokenizer.encode(story))


class AttentionTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        self.block, attention.QUERY_BLOCK = attention.QUERY_BLOCK, 4
        self.inputs = [torch.randn(*shape, dtype=torch.double, requires_grad=True)
                       for shape in ((2, 2, 10, 4), (2, 10, 4), (2, 10, 4))]

    def tearDown(self):
        attention.QUERY_BLOCK = self.block

    def test_equals_full_softmax(self):
        query, key, value = self.inputs
        scores = query @ key.unsqueeze(1).transpose(-1, -2) / 2.0
        scores = scores.masked_fill(torch.ones(10, 10, dtype=torch.bool).triu(1), -np.inf)
        expected = scores.softmax(-1) @ value.unsqueeze(1)
        self.assertLess((expected - attention.BlockAttention.apply(*self.inputs)).abs().max().item(), 1e-12)

    def test_backward_is_the_gradient(self):
        self.assertTrue(torch.autograd.gradcheck(attention.BlockAttention.apply, self.inputs))


class OptimizerTest(unittest.TestCase):
    def test_singular_values_become_near_one(self):
        torch.manual_seed(2)
        for shape in ((16, 48), (48, 16), (32, 32)):
            values = torch.linalg.svdvals(orthogonalise(torch.randn(*shape)))
            self.assertGreater(values.median().item(), 0.6)
            self.assertLess(values.max().item(), 1.3)


class ExportTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.model = Llama(SMALL)
        for parameter in self.model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)

    def test_numpy_reference_computes_the_same_logits(self):
        tokens = random.Random(4).choices(range(SMALL.vocab_size), k=SMALL.seq_len)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.bin"
            export_legacy(self.model, path)
            decoder = reference_generate.Decoder(reference_generate.Checkpoint(path))
        with torch.no_grad():
            expected = self.model(torch.tensor([tokens]))[0].numpy()
        actual = np.stack([decoder.logits(token, position) for position, token in enumerate(tokens)])
        np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)

    def test_hugging_face_tensors_round_trip(self):
        with tempfile.TemporaryDirectory() as folder:
            export_hugging_face(self.model, Tokenizer.train(write_stories(50, 1), SMALL.vocab_size), folder)
            read = read_safetensors(Path(folder) / "model.safetensors")
        written = hugging_face_tensors(self.model)
        self.assertEqual(set(read), set(written))
        for name, tensor in written.items():
            np.testing.assert_array_equal(read[name], tensor.astype(np.float16))

    def test_reordered_rows_suit_the_rotate_half_form(self):
        tensors = hugging_face_tensors(self.model)
        prefix = "model.layers.0.self_attn."
        x = torch.randn(1, 9, SMALL.dim)
        cos, sin = (table[:9, None] for table in rope_tables(SMALL))
        block = self.model.blocks[0]
        with torch.no_grad():
            expected = self._scores(rotate(block.wq(x).view(1, 9, SMALL.heads, -1), cos, sin),
                                    rotate(block.wk(x).view(1, 9, SMALL.kv_heads, -1), cos, sin))
            query = (x @ torch.from_numpy(tensors[prefix + "q_proj.weight"].T.copy())).view(1, 9, SMALL.heads, -1)
            key = (x @ torch.from_numpy(tensors[prefix + "k_proj.weight"].T.copy())).view(1, 9, SMALL.kv_heads, -1)
            actual = self._scores(self._rotate_half(query, cos, sin), self._rotate_half(key, cos, sin))
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)

    @staticmethod
    def _rotate_half(x, cos, sin):
        half = x.shape[-1] // 2
        cos, sin = torch.cat((cos, cos), -1), torch.cat((sin, sin), -1)
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin

    @staticmethod
    def _scores(query, key):
        group = query.shape[2] // key.shape[2]
        return torch.einsum("bqhd,bkhd->bhqk", query, key.repeat_interleave(group, 2))


class ShippedModelTest(unittest.TestCase):
    def test_fits_its_limits(self):
        self.assertLessEqual((SHIPPED / "model.bin").stat().st_size, 4_000_000)
        checkpoint = reference_generate.Checkpoint(SHIPPED / "model.bin")
        self.assertLess(max(np.abs(tensor).max() for tensor in (checkpoint.embedding, checkpoint.w1, checkpoint.wq)), 100)
        vocabulary = reference_generate.Vocabulary(SHIPPED / "tokenizer.bin", checkpoint.vocab)
        self.assertEqual(len(vocabulary.pieces), Shape().vocab_size)

    def test_writes_a_story_that_ends(self):
        checkpoint = reference_generate.Checkpoint(SHIPPED / "model.bin")
        vocabulary = reference_generate.Vocabulary(SHIPPED / "tokenizer.bin", checkpoint.vocab)
        text = reference_generate.generate(checkpoint, vocabulary, "Once upon a time", checkpoint.seq_len).decode()
        known = set(re.findall(r"[a-z]+", " ".join(write_stories(3000, 1)).lower()))
        unknown = [word for word in re.findall(r"[a-z]+", text.lower()) if word not in known]
        self.assertLess(len(unknown), 3, unknown)
        self.assertIn(text.rstrip()[-1], '.!?"')


if __name__ == "__main__":
    unittest.main()
