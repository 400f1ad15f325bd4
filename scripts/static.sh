#!/bin/sh
# Builds the program as the image holds it, and leaves it at $1: static, for it finds no C library there; optimised as a whole, to be smaller.
set -eu

target=$(rustc --print host-tuple)
RUSTFLAGS="-C target-feature=+crt-static" CARGO_INCREMENTAL=0 \
  cargo build --locked --profile image --package quittance --bin quittance --features vault,otlp --target "$target"
install -D "${CARGO_TARGET_DIR:-target}/$target/image/quittance" "$1"
