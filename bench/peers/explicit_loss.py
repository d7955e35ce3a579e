"""The hybrid contrastive loss with explicit gradients, for torch.compile: four matrix products instead of autograd's six."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from distance import squared_arguments
from registry import Inputs, Params, Peer, peer
from torch import Tensor


def _by_view(rows: Tensor, views: int) -> Tensor:
    """Reorders rows from sample by sample to view by view."""
    return rows.view(len(rows) // views, views, -1).transpose(0, 1).reshape(len(rows), -1)


def _by_sample(rows: Tensor, views: int) -> Tensor:
    return rows.view(views, len(rows) // views, -1).transpose(0, 1).reshape(len(rows), -1)


def _loss_and_weights(scores: Tensor, views: int) -> tuple[Tensor, Tensor]:
    """The loss of symmetric scores, and the sum of its derivative and the transpose of its derivative.

    Indices are [view, sample, view, sample]. A term (a, i, b), with b other than a, is the log-sum-exp of the scores of row
    (a, i) with the views b and a, except with itself, minus its score with (b, i). The derivative is exp(score + shift of the
    row and view) / samples, minus 1 / samples at positives; the scores are symmetric, so the transpose needs no second
    matrix.
    """
    samples = len(scores) // views
    cube = scores.view(views, samples, views, samples)
    view, sample = torch.arange(views), torch.arange(samples)
    own = (view[:, None] == view)[:, None, :]
    same = (sample[:, None] == sample)[None, :, None, :]
    itself = own[..., None] & same
    sums = torch.where(itself, -1e9, cube).logsumexp(3)
    own_sum = torch.where(own, sums, 0).sum(2, keepdim=True)
    positives = torch.where(same, cube, 0).sum(3)
    loss = torch.where(own, 0, torch.logaddexp(sums, own_sum) - positives).sum() / samples
    of_own = torch.where(own, 0, torch.sigmoid(own_sum - sums)).sum(2, keepdim=True)
    factors = torch.where(own, of_own, torch.sigmoid(sums - own_sum)) / samples
    shifts = factors.log() - sums
    transposed = shifts.permute(2, 0, 1).contiguous()
    weights = torch.exp(cube + shifts[..., None]) + torch.exp(cube + transposed[:, None])
    weights = torch.where(same, torch.where(own[..., None], 0, weights - 2 / samples), weights)
    return loss, weights.view(scores.shape)


def loss_and_gradients(p: Params) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Returns a function of the Euclidean and the hyperbolic rows: the loss and both gradients."""
    views, c = p["views"], p["c"]
    slope = p["lambda"] / p["tauH"] / math.sqrt(c)

    def run(e: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        e, h = _by_view(e, views), _by_view(h, views)
        u, factors = squared_arguments(h, h, c)
        distances = torch.log(u.sqrt() + torch.sqrt(1 + u))
        loss, weights = _loss_and_weights(e @ e.T / p["tauE"] - 2 * slope * distances, views)
        by_u = -slope * torch.rsqrt(u * (1 + u)) * weights
        by_square = by_u * (2 * c * factors[0][:, None] * factors[1])
        radial = by_square.sum(1) + (by_u * u).sum(1) * 2 * c * factors[0]
        gradients = weights @ e / p["tauE"], radial[:, None] * h - by_square @ h
        return loss, *(_by_sample(gradient, views) for gradient in gradients)

    return run


@peer("torch.compile, explicit gradients")
def compiled(inputs: Inputs, params: Params) -> Peer:
    e, h = torch.from_numpy(inputs["e"]), torch.from_numpy(inputs["h"])
    run = torch.compile(loss_and_gradients(params), dynamic=False)

    def call() -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            return run(e, h)

    return Peer(call, lambda out: [float(out[0]), float(out[1].norm()), float(out[2].norm())])
