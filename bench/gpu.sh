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
# A folder that comes from a bundle is taken again when the bundle is another one; it says itself which one it is from,
# for a new .gpu may come in the old one's place.
for folder in node_modules dist; do
  bundle=.gpu/$folder.tar.gz mark=$folder/.bundle
  if [ ! -e $folder ] || { [ -e $mark ] && [ -e $bundle ] && [ "$(cksum < $bundle)" != "$(cat $mark)" ]; }; then
    rm -rf $folder
    tar -xzf $bundle
    cksum < $bundle > $mark
  fi
done
# Where the toolkit lies that no PATH leads to.
command -v nvcc > /dev/null || export PATH="$PATH:/usr/local/cuda/bin"
# Machines with cmake have make or ninja, seldom both.
if command -v ninja > /dev/null; then export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"; fi
exec node dist/bench/gpu.js "$@"
