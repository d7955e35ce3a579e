#!/usr/bin/env bash
# Makes bench/peers/.venv with the Python peers and bench/peers/node_modules with the JavaScript ones, all pinned.
# Arguments are passed to pip: for example, `--extra-index-url URL` for a CPU-only torch, or `--find-links DIR` for a
# folder of wheels.
set -euo pipefail
cd "$(dirname "$0")"
npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error ||
  echo "The JavaScript peers could not be installed: benchmarks will list them as not measured." >&2
"${PYTHON:-python3}" -m venv .venv
.venv/bin/pip install --disable-pip-version-check -r requirements.txt "$@"
.venv/bin/python -c 'import torch, faiss, numpy; print("peers ready: torch", torch.__version__)'
