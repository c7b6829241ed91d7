"""Causal grouped-query attention in small blocks, with its own backward pass.

PyTorch's batched product is slow in Debian's build (no MKL), and whole score matrices do not fit a
cache. Here each block of queries meets only the keys that it may see, one matrix product at a time.
"""

import math

import torch

QUERY_BLOCK = 128


class BlockAttention(torch.autograd.Function):
    """query [groups, repeat, length, head_dim], key and value [groups, length, head_dim].

    A group is one key head of one sequence, and `repeat` query heads share it. The result has the
    shape of the query.
    """

    @staticmethod
    def forward(context, query, key, value):
        output = torch.empty_like(query)
        saved = []
        for group, begin, end in _blocks(query):
            weights = _weights(query[group, :, begin:end], key[group, :end], begin)
            output[group, :, begin:end] = (weights @ value[group, :end]).view(query.shape[1], end - begin, -1)
            saved.append(weights)
        context.save_for_backward(query, key, value, *saved)
        return output

    @staticmethod
    def backward(context, grad_output):
        query, key, value, *saved = context.saved_tensors
        grad_query, grad_key, grad_value = (torch.zeros_like(tensor) for tensor in (query, key, value))
        scale = 1.0 / math.sqrt(query.shape[-1])
        for (group, begin, end), weights in zip(_blocks(query), saved):
            block = (group, slice(None), slice(begin, end))
            grad = grad_output[block].reshape(-1, query.shape[-1])
            grad_value[group, :end].addmm_(weights.T, grad)
            grad_weights = grad @ value[group, :end].T
            row_sums = (grad * (weights @ value[group, :end])).sum(-1, keepdim=True)
            grad_scores = grad_weights.sub_(row_sums).mul_(weights).mul_(scale)
            grad_query[block] = (grad_scores @ key[group, :end]).view(query.shape[1], end - begin, -1)
            grad_key[group, :end].addmm_(grad_scores.T, query[block].reshape(-1, query.shape[-1]))
        return grad_query, grad_key, grad_value


def _blocks(query):
    for group in range(query.shape[0]):
        for begin in range(0, query.shape[2], QUERY_BLOCK):
            yield group, begin, min(begin + QUERY_BLOCK, query.shape[2])


def _weights(query, key, begin):
    """Attention weights [repeat * rows, keys] of the queries that start at position `begin`."""
    repeat, rows, head_dim = query.shape
    scores = (query.reshape(-1, head_dim) @ key.T).mul_(1.0 / math.sqrt(head_dim))
    future = torch.ones(rows, rows, dtype=torch.bool).triu_(1).repeat(repeat, 1)
    scores[:, begin:].masked_fill_(future, -math.inf)
    return torch.softmax(scores, -1)
