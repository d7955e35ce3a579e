"""Exact nearest neighbors: the flat indexes of faiss on the same gallery and queries."""

from __future__ import annotations

import os
import time
from itertools import product

import numpy as np
from fast_faiss import faiss
from registry import Inputs, Params, Peer, peer


def _flat(index: faiss.Index, inputs: Inputs, params: Params) -> Peer:
    faiss.omp_set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    index.add(inputs["gallery"])
    queries = inputs["queries"]

    def search(blocks: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        faiss.cvar.distance_compute_blas_query_bs, faiss.cvar.distance_compute_blas_database_bs = blocks
        return index.search(queries, params["k"])

    def seconds(blocks: tuple[int, int]) -> float:
        search(blocks)
        start = time.perf_counter()
        search(blocks)
        return time.perf_counter() - start

    blocks = min(product((256, 1024, 4096), (1024, 4096, 16384)), key=seconds)
    note = f"BLAS blocks of {blocks[0]} queries x {blocks[1]} rows, the fastest of nine sizes"
    return Peer(lambda: search(blocks), _first_indices, note)


def _first_indices(found: tuple[np.ndarray, np.ndarray]) -> list[float]:
    return [float(i) for i in found[1][:4].ravel()]


@peer("faiss IndexFlatL2")
def flat_l2(inputs: Inputs, params: Params) -> Peer:
    return _flat(faiss.IndexFlatL2(inputs["gallery"].shape[1]), inputs, params)


@peer("faiss IndexFlatIP")
def flat_ip(inputs: Inputs, params: Params) -> Peer:
    return _flat(faiss.IndexFlatIP(inputs["gallery"].shape[1]), inputs, params)
