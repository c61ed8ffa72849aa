#!/bin/sh
# Makes kernels.wasm of kernels.c, into the folder given or this one. Debian 12's clang and lld (14.0.6) make the very
# file that lies here: apt-get install clang lld
set -eu
here=$(dirname "$0")
clang --target=wasm32 -O3 -msimd128 -mbulk-memory -ffreestanding -nostdlib -fno-ident -Wall -Wextra -Werror \
    -Wl,--no-entry -Wl,--strip-all -Wl,--export=__heap_base -o "${1:-$here}/kernels.wasm" "$here/kernels.c"
