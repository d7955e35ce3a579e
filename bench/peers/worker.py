"""The Python side of the benchmarks: a long-lived process that reads one request and writes one answer per line, as
JSON.

Inputs come as files (raw, little-endian) so that both sides compute on the same numbers. A call is timed in this
process, without the pipe.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--hypmix", help="a checkout of HypMix or hyp_metric (has hyptorch/pmath.py)")
parser.add_argument("--geoopt", help="a checkout of geoopt")
parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
ARGS = parser.parse_args()

# Set before numpy, torch and faiss start their thread pools.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(ARGS.threads)
# Answers go to the real stdout; anything that a library prints goes to stderr.
ANSWERS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import memory  # noqa: E402
import numpy as np  # noqa: E402
from registry import PEERS, NotHere, Peer  # noqa: E402
from threadpoolctl import threadpool_info  # noqa: E402

for folder in (ARGS.hypmix, ARGS.geoopt):
    if folder:
        sys.path.append(folder)

now = time.perf_counter if ARGS.clock == "wall" else time.process_time

MODULES = ("distance", "loss", "explicit_loss", "pair_loss", "proxy_loss", "search", "delta", "retrieval", "vision")
PACKAGES = ("torch", "torchvision", "timm", "faiss-cpu", "pytorch-metric-learning", "numpy")
MISSING: dict[str, str] = {}
INPUTS: dict[str, np.ndarray] = {}
PREPARED: dict[str, Peer] = {}


def hello(_: dict[str, Any]) -> dict[str, Any]:
    """Imports every module of peers; returns the versions of packages, and why a module could not be imported."""
    for module in MODULES:
        try:
            importlib.import_module(module)
        except (ImportError, RuntimeError) as error:
            MISSING[module] = str(error)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(ARGS.threads)
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return {"versions": versions, "missing": MISSING, "peers": sorted(PEERS), "kernels": kernels()}


def kernels() -> str:
    """The instruction sets that OpenBLAS and torch chose, and whether MKL uses its kernels for Intel's processors."""
    found = [f"OpenBLAS {info['architecture']}" for info in threadpool_info() if info["internal_api"] == "openblas"]
    if "torch" in sys.modules:
        found.append(f"torch {sys.modules['torch'].backends.cpu.get_cpu_capability()}")
    if os.environ.get("LD_PRELOAD", "").endswith("/mkl.so"):
        found.append("MKL as on Intel")
    return ", ".join(dict.fromkeys(found))


def load(request: dict[str, Any]) -> dict[str, Any]:
    array = np.fromfile(request["path"], dtype=request["dtype"]).reshape(request["shape"])
    INPUTS[request["name"]] = array
    return {}


def prepare(request: dict[str, Any]) -> dict[str, Any]:
    name = request["peer"]
    if name not in PEERS:
        raise NotHere("; ".join(f"{module}: {why}" for module, why in MISSING.items()) or f"no peer named {name}")
    made = PEERS[name]({key: INPUTS[held] for key, held in request["inputs"].items()}, request["params"])
    PREPARED[request["handle"]] = made
    return {"probe": made.probe(made.run()), "note": made.note}


def sample(request: dict[str, Any]) -> dict[str, Any]:
    """Times of single calls in ms, until `budget` ms have passed and `least` calls have been made."""
    run: Callable[[], Any] = PREPARED[request["handle"]].run
    times: list[float] = []
    end = now() + request["budget"] / 1e3
    while len(times) < request["least"] or now() < end:
        start = now()
        run()
        times.append((now() - start) * 1e3)
    return {"times": times}


def peak(request: dict[str, Any]) -> dict[str, Any]:
    return {"bytes": memory.peak_bytes(PREPARED[request["handle"]].run)}


def release(request: dict[str, Any]) -> dict[str, Any]:
    del PREPARED[request["handle"]]
    gc.collect()
    return {}


def drop(_: dict[str, Any]) -> dict[str, Any]:
    PREPARED.clear()
    INPUTS.clear()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # client.ts makes glibc keep freed memory
    if trim is not None:
        trim(0)
    return {}


COMMANDS = {"hello": hello, "load": load, "prepare": prepare, "sample": sample, "peak": peak, "release": release, "drop": drop}


def answer(line: str) -> dict[str, Any]:
    request = json.loads(line)
    try:
        return {"id": request["id"], **COMMANDS[request["command"]](request)}
    except Exception as error:  # any error of a peer becomes the reason in the table
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return {"id": request["id"], "error": first if isinstance(error, NotHere) else f"{type(error).__name__}: {first}"}


for line in sys.stdin:
    print(json.dumps(answer(line)), file=ANSWERS, flush=True)
