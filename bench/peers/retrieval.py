"""Retrieval metrics of a whole set: the calculator of pytorch-metric-learning with faiss."""

from __future__ import annotations

import torch
from fast_faiss import faiss
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from registry import Inputs, Params, Peer, peer

NAMES = ("precision_at_1", "r_precision", "mean_average_precision_at_r")


@peer("pytorch-metric-learning AccuracyCalculator")
def accuracy_calculator(inputs: Inputs, params: Params) -> Peer:
    rows, labels = torch.from_numpy(inputs["x"]), torch.from_numpy(inputs["labels"])
    calculator = AccuracyCalculator(include=NAMES, k="max_bin_count", device=torch.device("cpu"))

    def run() -> dict[str, float]:
        # By default, faiss collects fewer than 100 neighbors in heaps, which takes a third longer here.
        usual = faiss.cvar.distance_compute_min_k_reservoir
        faiss.cvar.distance_compute_min_k_reservoir = 1
        try:
            return calculator.get_accuracy(rows, labels)
        finally:
            faiss.cvar.distance_compute_min_k_reservoir = usual

    return Peer(run, lambda found: [found[name] for name in NAMES])
