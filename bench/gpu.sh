#!/usr/bin/env bash
# Tests and times the CUDA kernels on a machine that has a GPU, nvcc, cmake and a C++ compiler, and perhaps a python3
# with torch; Node and packages come from .gpu (npm run gpu:bundle) where they are not installed. No network.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v node > /dev/null; then
  if [ ! -e .gpu/node.gz ]; then
    echo "there is neither node nor .gpu/node.gz: run 'npm run gpu:bundle' where the checkout comes from" >&2
    exit 1
  fi
  mkdir -p .gpu/bin
  [ -x .gpu/bin/node ] || { gzip -dc .gpu/node.gz > .gpu/bin/node && chmod +x .gpu/bin/node; }
  export PATH="$PWD/.gpu/bin:$PATH"
fi
[ -e node_modules ] || tar -xzf .gpu/node_modules.tar.gz
[ -e dist ] || tar -xzf .gpu/dist.tar.gz
exec node dist/bench/gpu.js "$@"
