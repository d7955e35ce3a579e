"""Exact nearest neighbors: the flat indexes of faiss on the same gallery and queries."""

from __future__ import annotations

import os

import faiss
import numpy as np
from registry import Inputs, Params, Peer, peer


def _flat(index: faiss.Index, inputs: Inputs, params: Params) -> Peer:
    faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    index.add(inputs["gallery"])
    queries = inputs["queries"]
    return Peer(lambda: index.search(queries, params["k"]), _first_indices)


def _first_indices(found: tuple[np.ndarray, np.ndarray]) -> list[float]:
    return [float(i) for i in found[1][:4].ravel()]


@peer("faiss IndexFlatL2")
def flat_l2(inputs: Inputs, params: Params) -> Peer:
    return _flat(faiss.IndexFlatL2(inputs["gallery"].shape[1]), inputs, params)


@peer("faiss IndexFlatIP")
def flat_ip(inputs: Inputs, params: Params) -> Peer:
    return _flat(faiss.IndexFlatIP(inputs["gallery"].shape[1]), inputs, params)
