"""Pair losses with any number of samples per label: one masked matrix in torch, and pytorch-metric-learning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from distance import gram_distance
from registry import Inputs, Params, Peer, peer

Scores = Callable[..., Tensor]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def _scores(p: Params) -> Scores:
    def euclidean(e: Tensor) -> Tensor:
        return e @ e.T / p["tauE"]

    def hybrid(e: Tensor, h: Tensor) -> Tensor:
        return euclidean(e) - p["lambda"] / p["tauH"] * gram_distance(h, h, p["c"])

    return euclidean if p["geometry"] == "euclidean" else hybrid


def nt_xent(scores: Tensor, positive: Tensor, itself: Tensor) -> Tensor:
    """log(1 + exp(N - s)), averaged over positive pairs: s is the pair's score, N the log-sum-exp of the anchor's negatives."""
    negatives = torch.where(positive | itself, -1e9, scores).logsumexp(1)
    each = torch.nn.functional.softplus(negatives[:, None] - scores)
    return torch.where(positive, each, 0).sum() / positive.sum()


def sup_con(scores: Tensor, positive: Tensor, itself: Tensor) -> Tensor:
    """The log-sum-exp of all other scores minus the mean score of the positives, averaged over anchors with positives."""
    all_ = torch.where(itself, -1e9, scores).logsumexp(1)
    count = positive.sum(1)
    mean = torch.where(positive, scores, 0).sum(1) / count.clamp_min(1)
    return torch.where(count > 0, all_ - mean, 0).sum() / (count > 0).sum()


TERMS: dict[str, Loss] = {"ntxent": nt_xent, "supcon": sup_con}


def one_matrix(p: Params) -> Callable[..., Tensor]:
    """The masks are comparisons of indices and of labels, which the compiler fuses with the formulas on the scores."""
    scores, terms = _scores(p), TERMS[p["loss"]]

    def loss(labels: Tensor, *rows: Tensor) -> Tensor:
        row = torch.arange(len(labels))
        itself = row[:, None] == row
        return terms(scores(*rows), (labels[:, None] == labels) & ~itself, itself)

    return loss


def _with_gradients(loss: Callable[..., Tensor], inputs: Inputs, params: Params) -> Peer:
    labels = torch.from_numpy(inputs["labels"]).long()
    names = ("e",) if params["geometry"] == "euclidean" else ("e", "h")
    rows = [torch.from_numpy(inputs[name]).requires_grad_() for name in names]

    def run() -> list[Tensor]:
        for each in rows:
            each.grad = None
        value = loss(labels, *rows)
        value.backward()
        return [value.detach(), *(each.grad for each in rows)]

    return Peer(run, lambda out: [float(out[0]), *(float(gradient.norm()) for gradient in out[1:])])


@peer("torch eager, masked matrix")
def eager(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(one_matrix(params), inputs, params)


@peer("torch.compile, masked matrix")
def compiled(inputs: Inputs, params: Params) -> Peer:
    return _with_gradients(torch.compile(one_matrix(params), dynamic=False), inputs, params)


def _metric_learning(inputs: Inputs, params: Params, through: Callable[..., Callable]) -> Peer:
    """Euclidean only. It normalizes its input, so only the value is compared."""
    from pytorch_metric_learning import losses

    kind = {"ntxent": losses.NTXentLoss, "supcon": losses.SupConLoss}[params["loss"]]
    criterion = kind(temperature=params["tauE"])
    made = _with_gradients(through(lambda labels, e: criterion(e, labels)), inputs, params)
    return Peer(made.run, lambda out: [float(out[0])])


@peer("pytorch-metric-learning")
def metric_learning(inputs: Inputs, params: Params) -> Peer:
    return _metric_learning(inputs, params, lambda loss: loss)


@peer("pytorch-metric-learning, compiled")
def metric_learning_compiled(inputs: Inputs, params: Params) -> Peer:
    return _metric_learning(inputs, params, lambda loss: torch.compile(loss, dynamic=False))
