"""faiss's HNSW and IVF indexes on the points of bench/search-scale.ts, by squared Euclidean distance.

Reads rows, queries and the true neighbors under the hyperbolic distance, and prints one line of JSON per index: the
cheapest setting whose candidates include enough of the true neighbors. Times do not include reranking candidates.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable

import numpy as np
from fast_faiss import faiss

FETCH = (10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 3000)
LISTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def measure(index: faiss.Index, queries: np.ndarray, truth: np.ndarray, fetch: int) -> dict[str, float]:
    start = time.perf_counter()
    _, found = index.search(queries, fetch)
    batch = time.perf_counter() - start
    hits = sum(len(np.intersect1d(f, t)) for f, t in zip(found, truth, strict=True))
    few = queries[:50]
    start = time.perf_counter()
    for i in range(len(few)):
        index.search(few[i : i + 1], fetch)
    single = time.perf_counter() - start
    return {
        "recall": hits / truth.size,
        "singleMs": 1e3 * single / len(few),
        "batchMs": 1e3 * batch / len(queries),
    }


def cheapest(settings: Iterable[tuple[str, Callable[[], dict[str, float]]]], target: float) -> dict:
    last: dict = {}
    for setting, run in settings:
        last = {"setting": setting, **run()}
        if last["recall"] >= target:
            break
    return last


def main() -> None:
    folder, threads, target = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    faiss.omp_set_num_threads(threads)
    rows, queries, truth = (np.load(f"{folder}/{name}.npy") for name in ("rows", "queries", "truth"))
    count, dim = rows.shape

    def run(index: faiss.Index, fetch: int) -> Callable[[], dict[str, float]]:
        return lambda: measure(index, queries, truth, min(fetch, count))

    def hnsw_settings(index: faiss.Index):
        for fetch in FETCH:
            index.hnsw.efSearch = fetch
            yield f"{fetch} candidates", run(index, fetch)

    def ivf_settings(index: faiss.Index):
        for fetch in (30, 300, 3000):
            for lists in LISTS:
                index.nprobe = min(lists, index.nlist)
                yield f"{index.nprobe} lists, {fetch} candidates", run(index, fetch)

    hnsw = faiss.IndexHNSWFlat(dim, 32)
    hnsw.hnsw.efConstruction = 128
    ivf = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim), dim, max(1, round(2 * count**0.5)))
    for name, index, settings in (("faiss HNSW", hnsw, hnsw_settings), ("faiss IVF", ivf, ivf_settings)):
        start = time.perf_counter()
        if not index.is_trained:
            index.train(rows[np.random.default_rng(0).permutation(count)[: 64 * index.nlist]])
        index.add(rows)
        built = time.perf_counter() - start
        size = faiss.serialize_index(index).nbytes
        best = cheapest(settings(index), target)
        print(json.dumps({"side": name, **best, "buildSeconds": built, "bytes": int(size)}), flush=True)


main()
