"""The Llama architecture in PyTorch, as small as its checkpoint format allows."""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional

from attention import BlockAttention

NORM_EPSILON = 1e-5
ROPE_THETA = 10000.0


@dataclasses.dataclass(frozen=True)
class Shape:
    """The seven numbers of a llama2.c header; the classifier always shares the embedding."""

    dim: int = 128
    hidden_dim: int = 320
    layers: int = 5
    heads: int = 8
    kv_heads: int = 4
    vocab_size: int = 768
    seq_len: int = 1024

    @property
    def head_dim(self):
        return self.dim // self.heads

    @property
    def kv_dim(self):
        return self.head_dim * self.kv_heads


class RmsNorm(nn.Module):
    """Scales each vector to a root mean square of one, then by a learned weight."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + NORM_EPSILON) * self.weight


class Block(nn.Module):
    """Grouped-query attention with rotary positions, then the SwiGLU feed-forward network."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.attention_norm = RmsNorm(shape.dim)
        self.wq = nn.Linear(shape.dim, shape.dim, bias=False)
        self.wk = nn.Linear(shape.dim, shape.kv_dim, bias=False)
        self.wv = nn.Linear(shape.dim, shape.kv_dim, bias=False)
        self.wo = nn.Linear(shape.dim, shape.dim, bias=False)
        self.feed_forward_norm = RmsNorm(shape.dim)
        self.w1 = nn.Linear(shape.dim, shape.hidden_dim, bias=False)
        self.w2 = nn.Linear(shape.hidden_dim, shape.dim, bias=False)
        self.w3 = nn.Linear(shape.dim, shape.hidden_dim, bias=False)

    def forward(self, x, cos, sin):
        x = x + self._attend(self.attention_norm(x), cos, sin)
        normed = self.feed_forward_norm(x)
        return x + self.w2(functional.silu(self.w1(normed)) * self.w3(normed))

    def _attend(self, x, cos, sin):
        batch, length, _ = x.shape
        shape = self.shape
        group = shape.heads // shape.kv_heads
        query = rotate(self.wq(x).view(batch, length, shape.heads, shape.head_dim), cos, sin)
        key = rotate(self.wk(x).view(batch, length, shape.kv_heads, shape.head_dim), cos, sin)
        value = self.wv(x).view(batch, length, shape.kv_heads, shape.head_dim)
        mixed = BlockAttention.apply(
            query.transpose(1, 2).reshape(batch * shape.kv_heads, group, length, shape.head_dim),
            key.transpose(1, 2).reshape(batch * shape.kv_heads, length, shape.head_dim),
            value.transpose(1, 2).reshape(batch * shape.kv_heads, length, shape.head_dim))
        mixed = mixed.view(batch, shape.heads, length, shape.head_dim).transpose(1, 2)
        return self.wo(mixed.reshape(batch, length, shape.dim))


def rotate(x, cos, sin):
    """Rotary position embedding on interleaved pairs, the llama2.c convention."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def rope_tables(shape):
    """cos and sin of every position's angles, each [seq_len, head_dim / 2]."""
    exponents = torch.arange(0, shape.head_dim, 2, dtype=torch.float64) / shape.head_dim
    angles = torch.outer(torch.arange(shape.seq_len, dtype=torch.float64), ROPE_THETA ** -exponents)
    return angles.cos().float(), angles.sin().float()


class Llama(nn.Module):
    """Token ids [batch, length] to logits [batch, length, vocab_size]."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.dim)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.final_norm = RmsNorm(shape.dim)
        cos, sin = rope_tables(shape)
        self.register_buffer("rope_cos", cos, persistent=False)
        self.register_buffer("rope_sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            if name.endswith(("wo.weight", "w2.weight")):
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.layers))

    def forward(self, tokens):
        length = tokens.shape[1]
        cos, sin = self.rope_cos[:length, None], self.rope_sin[:length, None]
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.final_norm(x) @ self.embedding.weight.T
