"""Losses with gradients: the hybrid contrastive loss as published and in its best formulations in torch, and SupCon."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from distance import gram_distance
from published import Distance, published_distance
from registry import Inputs, Params, Peer, peer

Loss = Callable[[Tensor, Tensor], Tensor]


def pair_loss(e: tuple[Tensor, Tensor], h: tuple[Tensor, Tensor], distance: Distance, p: Params) -> Tensor:
    """One ordered pair of views: row i has the logits of sample i with the other view, then with its own view (itself masked
    by -1e9), and its target is i."""

    def logits(a: int, b: int) -> Tensor:
        return e[a] @ e[b].T / p["tauE"] - p["lambda"] * distance(h[a], h[b], p["c"]) / p["tauH"]

    count = len(e[0])
    same = logits(0, 0) - torch.eye(count, dtype=e[0].dtype) * 1e9
    rows = torch.cat([logits(0, 1), same], 1)
    rows = rows - rows.max(1, keepdim=True).values.detach()
    return F.cross_entropy(rows, torch.arange(count))


def pairwise_views(distance: Distance, p: Params) -> Loss:
    """The published loop, which computes every ordered pair of views separately."""
    views = p["views"]

    def loss(e: Tensor, h: Tensor) -> Tensor:
        pairs = itertools.permutations(range(views), 2)
        return sum(
            pair_loss((e[a::views], e[b::views]), (h[a::views], h[b::views]), distance, p) for a, b in pairs
        )

    return loss


def one_matrix(p: Params) -> Loss:
    """All views from one N x N matrix, ordered view by view, so that every reduction reads contiguous memory.

    The fastest form with torch.compile among those whose gradients torch derives: the mask as a comparison of indices
    instead of a masked fill, and single scores by gather instead of by diagonal. The alternatives take three times as long.
    """
    views = p["views"]

    def loss(e: Tensor, h: Tensor) -> Tensor:
        count = len(e) // views
        e, h = (x.view(count, views, -1).transpose(0, 1).reshape(len(x), -1) for x in (e, h))
        scores = e @ e.T / p["tauE"] - p["lambda"] / p["tauH"] * gram_distance(h, h, p["c"])
        row = torch.arange(len(e))
        view = torch.arange(views)
        masked = torch.where(row[:, None] == row, -1e9, scores)
        by_view = masked.view(len(e), views, count).logsumexp(2)
        own = by_view.gather(1, (row // count)[:, None])
        positives = scores.gather(1, (row % count)[:, None] + count * view)
        each = torch.logaddexp(by_view, own) - positives
        return (each * (view != (row // count)[:, None])).sum() / count

    return loss


def _with_gradients(loss: Loss, inputs: Inputs, note: str = "") -> Peer:
    e = torch.from_numpy(inputs["e"]).requires_grad_()
    h = torch.from_numpy(inputs["h"]).requires_grad_()

    def run() -> tuple[Tensor, Tensor, Tensor]:
        e.grad = h.grad = None
        value = loss(e, h)
        value.backward()
        return value.detach(), e.grad, h.grad

    return Peer(run, lambda out: [float(out[0]), float(out[1].norm()), float(out[2].norm())], note)


@peer("published loss")
def published(inputs: Inputs, params: Params) -> Peer:
    distance, source = published_distance()
    return _with_gradients(pairwise_views(distance, params), inputs, source)


@peer("torch eager, one matrix")
def eager(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(one_matrix(params), inputs)


@peer("torch.compile, one matrix")
def compiled(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(torch.compile(one_matrix(params), dynamic=False), inputs)


@peer("torch.compile, pair blocks")
def compiled_blocks(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(torch.compile(pairwise_views(gram_distance, params), dynamic=False), inputs)


@peer("pytorch-metric-learning SupConLoss")
def sup_con(inputs: Inputs, params: Params) -> Peer:
    """Euclidean only. With two views, it is half of horoball's loss, because it is a mean over anchors. It normalizes its
    input, so its gradient has no radial part."""
    from pytorch_metric_learning.losses import SupConLoss

    e = torch.from_numpy(inputs["e"]).requires_grad_()
    labels = torch.arange(len(e)) // params["views"]
    criterion = SupConLoss(temperature=params["tauE"])

    def run() -> tuple[Tensor, Tensor]:
        e.grad = None
        value = 2 * criterion(e, labels)
        value.backward()
        return value.detach(), e.grad

    return Peer(run, lambda out: [float(out[0])])
