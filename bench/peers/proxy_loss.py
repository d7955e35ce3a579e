"""Losses of a batch against proxies, by pytorch-metric-learning."""

from __future__ import annotations

import torch
from registry import Inputs, Params, Peer, peer


@peer("pytorch-metric-learning, proxies")
def metric_learning(inputs: Inputs, params: Params) -> Peer:
    """It normalizes its inputs, so its gradients have no radial part."""
    from pytorch_metric_learning import losses

    labels = torch.from_numpy(inputs["labels"]).long()
    e = torch.from_numpy(inputs["e"]).requires_grad_()
    count, width = inputs["p"].shape
    if params["loss"] == "proxy-anchor":
        criterion = losses.ProxyAnchorLoss(count, width, params["margin"], params["scale"])
    else:
        # The squared distance of unit vectors is 2 - 2 cos, so half the scale gives the same logits.
        criterion = losses.ProxyNCALoss(count, width, softmax_scale=params["scale"] / 2)
    criterion.proxies.data = torch.from_numpy(inputs["p"]).clone()

    def run() -> tuple[torch.Tensor, ...]:
        e.grad = criterion.proxies.grad = None
        value = criterion(e, labels)
        value.backward()
        return value.detach(), e.grad, criterion.proxies.grad

    # In float32, the norm of 10,000 rows would be accurate only to 2e-4.
    return Peer(run, lambda out: [float(out[0]), *(float(g.double().norm()) for g in out[1:])])
