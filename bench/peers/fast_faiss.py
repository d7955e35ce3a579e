"""faiss with the settings at which its searches were fastest. Import faiss from here."""

from __future__ import annotations

import os

import numpy as np  # noqa: F401
from threadpoolctl import threadpool_info

# faiss ships its own OpenBLAS, which does not know recent processors and uses an SSE kernel on them. Use the kernel
# that numpy's OpenBLAS chose: on a Zen 5, 277 instead of 91 GFLOP/s.
for library in threadpool_info():
    if library["internal_api"] == "openblas":
        os.environ["OPENBLAS_CORETYPE"] = library["architecture"]
import faiss  # noqa: E402

# faiss 1.15 uses BLAS only for large batches: 512 queries of 128 columns took 200 ms without it, and 26 ms with it.
faiss.cvar.distance_compute_blas_threshold = 20
