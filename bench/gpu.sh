#!/usr/bin/env bash
# Tests and times the CUDA kernels on a machine with a GPU, nvcc, cmake and a C++ compiler, optionally with a python3
# that has torch. Node and packages are taken from .gpu (npm run gpu:bundle) if they are not installed. No network.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v node > /dev/null; then
  if [ ! -e .gpu/node.gz ]; then
    echo "found neither node nor .gpu/node.gz. Run 'npm run gpu:bundle' in the original checkout." >&2
    exit 1
  fi
  mkdir -p .gpu/bin
  [ -x .gpu/bin/node ] || { gzip -dc .gpu/node.gz > .gpu/bin/node && chmod +x .gpu/bin/node; }
  export PATH="$PWD/.gpu/bin:$PATH"
fi
# A folder unpacked from a bundle is unpacked again if the bundle has changed: .bundle stores the checksum of the
# bundle that the folder was unpacked from.
for folder in node_modules dist; do
  bundle=.gpu/$folder.tar.gz mark=$folder/.bundle
  if [ ! -e $folder ] || { [ -e $mark ] && [ -e $bundle ] && [ "$(cksum < $bundle)" != "$(cat $mark)" ]; }; then
    rm -rf $folder
    tar -xzf $bundle
    cksum < $bundle > $mark
  fi
done
# The usual location of the toolkit if it is not on the PATH.
command -v nvcc > /dev/null || export PATH="$PATH:/usr/local/cuda/bin"
# Prefer ninja, because a machine with cmake may have no make.
if command -v ninja > /dev/null; then export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"; fi
exec node dist/bench/gpu.js "$@"
