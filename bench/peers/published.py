"""The published distance: from a checkout if one is given, otherwise rewritten, with the guards of the published
code."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Distance = Callable[[Tensor, Tensor, float], Tensor]
REWRITTEN = "published formula (re-written)"


class _ClampedArtanh(torch.autograd.Function):
    """artanh with its argument clamped to +-(1 - 1e-5); the gradient passes straight through the clamp."""

    @staticmethod
    def forward(ctx, value: Tensor) -> Tensor:
        held = value.clamp(-1 + 1e-5, 1 - 1e-5)
        ctx.save_for_backward(held)
        return 0.5 * (torch.log1p(held) - torch.log1p(-held))

    @staticmethod
    def backward(ctx, cotangent: Tensor) -> Tensor:
        (held,) = ctx.saved_tensors
        return cotangent / (1 - held.square())


def rewritten_distance(x: Tensor, y: Tensor, c: float) -> Tensor:
    """2/sqrt(c) artanh(sqrt(c) |(-x) (+) y|) with 1e-5 added to the denominators, through the B x C x D tensor
    of Moebius sums."""
    x2, y2 = x.square().sum(1)[:, None], y.square().sum(1)[None]
    inner = -(x @ y.T)
    left = (1 + 2 * c * inner + c * y2)[:, :, None] * -x[:, None]
    right = (1 - c * x2)[:, :, None] * y[None]
    denominator = 1 + 2 * c * inner + c * c * x2 * y2
    difference = (left + right) / (denominator[:, :, None] + 1e-5)
    return 2 / math.sqrt(c) * _ClampedArtanh.apply(math.sqrt(c) * difference.norm(dim=2))


def published_distance() -> tuple[Distance, str]:
    """The distance, and its source."""
    try:
        from hyptorch.pmath import dist_matrix
    except ImportError:
        return rewritten_distance, REWRITTEN
    return lambda x, y, c: dist_matrix(x, y, c=c), "hyptorch from the folder given"
