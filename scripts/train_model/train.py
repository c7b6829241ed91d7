#!/usr/bin/python3
"""Trains the project's own small story model and writes model.bin, tokenizer.bin and training.json.

The text comes from the grammar in stories.txt, freshly written for every step, so nothing is
downloaded and no text repeats. One thread, one seed: the same command on the same machine and
PyTorch writes the same weights (with --minutes the machine's speed decides instead).
"""

import os

# One thread keeps the order of every sum fixed.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import ctypes
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from export import export_hugging_face, export_legacy
from model import Llama, Shape
from optimizer import StoryOptimizer
from story_grammar import Grammar, Story, write_stories
from tokenizer import BOS, Tokenizer

TOKENS_PER_STEP = 4096
SHORT_LENGTH = 256
# The last part of the training sees whole contexts; before it, short ones are several times cheaper.
LONG_FRACTION = 0.2
WARMUP_STEPS = 100
# The learning rate stays at its peak until this last part, in which it falls to zero.
DECAY_FRACTION = 0.2
TOKENIZER_STORIES = 4000
TOKENIZER_SEED = 1 << 32
VALIDATION_SEED = 1 << 33


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the model")
    parser.add_argument("--hugging-face", type=Path, help="also write a Hugging Face folder here")
    parser.add_argument("--steps", type=int, default=1250, help="optimiser steps of 4096 tokens (default 1250)")
    parser.add_argument("--minutes", type=float, help="stop after this time instead of after --steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, help="save progress here and continue from it if it exists")
    return parser.parse_args()


def story_rows(grammar, tokenizer, rng, rows, length):
    """Packed stories [rows, length + 1]; every other row starts in the middle of a story."""
    batch = np.zeros((rows, length + 1), dtype=np.int64)
    for row in batch:
        tokens = [BOS] + tokenizer.encode(Story(grammar, rng).text())
        if rng.random() < 0.5:
            tokens = tokens[rng.randrange(len(tokens)):]
        while len(tokens) <= length:
            tokens += [BOS] + tokenizer.encode(Story(grammar, rng).text())
        row[:] = tokens[:length + 1]
    return torch.from_numpy(batch)


def loss_of(model, rows):
    logits = model(rows[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def rate_scale(step, fraction):
    """Warms up, stays, then falls in a straight line."""
    return min(1.0, (step + 1) / WARMUP_STEPS, (1 - fraction) / DECAY_FRACTION)


class Progress:
    """Where the training stands: from 0 to 1, by steps or by minutes."""

    def __init__(self, arguments):
        self.step = 0
        self.seconds = 0.0
        self._arguments = arguments

    @property
    def fraction(self):
        if self._arguments.minutes:
            return self.seconds / (60 * self._arguments.minutes)
        return self.step / self._arguments.steps


def save_checkpoint(path, model, optimizer, progress):
    partial = path.with_suffix(".partial")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state(), "step": progress.step,
                "seconds": progress.seconds}, partial)
    partial.replace(path)


def load_checkpoint(path, model, optimizer, progress):
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.restore(state["optimizer"])
    progress.step, progress.seconds = state["step"], state["seconds"]


def validation_loss(model, grammar, tokenizer):
    rng = random.Random(VALIDATION_SEED)
    with torch.no_grad():
        rows = story_rows(grammar, tokenizer, rng, 16, model.shape.seq_len)
        return float(np.mean([loss_of(model, row[None]).item() for row in rows]))


def train(model, grammar, tokenizer, arguments):
    optimizer, progress = StoryOptimizer(model), Progress(arguments)
    if arguments.checkpoint and arguments.checkpoint.exists():
        load_checkpoint(arguments.checkpoint, model, optimizer, progress)
    recent = []
    while progress.fraction < 1.0:
        begin = time.monotonic()
        length = model.shape.seq_len if progress.fraction >= 1 - LONG_FRACTION else SHORT_LENGTH
        rng = random.Random(f"{arguments.seed} {progress.step}")
        rows = story_rows(grammar, tokenizer, rng, TOKENS_PER_STEP // length, length)
        model.zero_grad(set_to_none=True)
        recent.append(accumulate_gradients(model, rows))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(rate_scale(progress.step, progress.fraction))
        progress.step += 1
        progress.seconds += time.monotonic() - begin
        if progress.step % 25 == 0:
            report(progress, recent, length)
            recent.clear()
        if arguments.checkpoint and progress.step % 25 == 0:
            save_checkpoint(arguments.checkpoint, model, optimizer, progress)
    return progress


def accumulate_gradients(model, rows):
    """Mean loss over the rows; a few rows at a time keep the attention scores in the cache."""
    total, part = 0.0, max(1, 2048 // (rows.shape[1] - 1))
    for piece in rows.split(part):
        loss = loss_of(model, piece) * (len(piece) / len(rows))
        loss.backward()
        total += loss.item()
    return total


def report(progress, recent, length):
    speed = TOKENS_PER_STEP * progress.step / progress.seconds
    print(f"step {progress.step}  {100 * progress.fraction:.1f} %  length {length}  loss {np.mean(recent):.4f}  "
          f"{speed:.0f} tokens/s", flush=True)


def keep_freed_memory():
    """Tells glibc to reuse large blocks: fresh pages for every tensor cost more than the arithmetic."""
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, (1 << 31) - 1)
    libc.mallopt(top_pad, 1 << 26)


def main():
    arguments = parse_arguments()
    keep_freed_memory()
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    shape = Shape()
    grammar = Grammar()
    tokenizer = Tokenizer.train(write_stories(TOKENIZER_STORIES, TOKENIZER_SEED), shape.vocab_size)
    model = Llama(shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters} parameters, {shape}", flush=True)
    progress = train(model, grammar, tokenizer, arguments)
    summary = {"parameters": parameters, "steps": progress.step, "tokens": progress.step * TOKENS_PER_STEP,
               "seed": arguments.seed, "validation_loss_nats_per_token": round(validation_loss(model, grammar, tokenizer), 4)}
    print(summary, flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    export_legacy(model, arguments.out / "model.bin")
    tokenizer.save(arguments.out / "tokenizer.bin")
    (arguments.out / "training.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if arguments.hugging_face:
        export_hugging_face(model, tokenizer, arguments.hugging_face)


if __name__ == "__main__":
    main()
