"""The optimiser: orthogonalised momentum for the weight matrices, AdamW for everything else.

Orthogonalised momentum (known as Muon) needs about half the text of AdamW at this size, which
matters on one processor core. Each update of a matrix is its momentum with all singular values
brought close to one by a Newton-Schulz iteration.
"""

import math

import torch

MATRIX_LEARNING_RATE = 0.02
MATRIX_MOMENTUM = 0.95
MATRIX_WEIGHT_DECAY = 0.05
OTHER_LEARNING_RATE = 3e-3
# Coefficients of an odd quintic that pushes every singular value in (0, 1] towards one; five rounds do.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5


class StoryOptimizer:
    """Steps all parameters of a model; `scale` follows the learning rate schedule, at most one."""

    def __init__(self, model):
        self._matrices = [parameter for name, parameter in model.named_parameters()
                          if parameter.dim() == 2 and not name.startswith("embedding")]
        matrix_ids = {id(parameter) for parameter in self._matrices}
        self._momenta = [torch.zeros_like(parameter) for parameter in self._matrices]
        others = [parameter for parameter in model.parameters() if id(parameter) not in matrix_ids]
        self._adam = torch.optim.AdamW(others, lr=OTHER_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0)

    @torch.no_grad()
    def step(self, scale):
        for group in self._adam.param_groups:
            group["lr"] = OTHER_LEARNING_RATE * scale
        self._adam.step()
        rate = MATRIX_LEARNING_RATE * scale
        for parameter, momentum in zip(self._matrices, self._momenta):
            momentum.lerp_(parameter.grad, 1 - MATRIX_MOMENTUM)
            direction = orthogonalise(parameter.grad.lerp(momentum, MATRIX_MOMENTUM))
            parameter.mul_(1 - rate * MATRIX_WEIGHT_DECAY)
            parameter.add_(direction, alpha=-rate * math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1])))

    def state(self):
        return {"momenta": self._momenta, "adam": self._adam.state_dict()}

    def restore(self, state):
        self._momenta = state["momenta"]
        self._adam.load_state_dict(state["adam"])


def orthogonalise(matrix):
    """A matrix with the singular vectors of the given one and singular values near one."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    first, second, third = QUINTIC
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = first * x + (second * gram + third * gram @ gram) @ x
    return x.T if tall else x
