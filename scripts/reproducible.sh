#!/usr/bin/env bash
# Builds the release of what is committed twice, in two directories, and compares the two programs byte for byte.
#
# Where it was built is written into a program in many places; all of them are mapped to one. The same commit, lock file, Rust and
# system then make the same bytes: what `rustc --version` and the C compiler say is printed with the hash.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
work=$root/target/reproducible
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rm -rf "$work"

build() {
  local place=$work/$1
  mkdir -p "$place"
  git archive HEAD | tar -x -C "$place"
  local map="--remap-path-prefix=$place=/quittance --remap-path-prefix=$cargo_home=/cargo"
  local c_map="-ffile-prefix-map=$place=/quittance -ffile-prefix-map=$cargo_home=/cargo"
  (cd "$place" && env -u RUSTC_WRAPPER RUSTFLAGS="$map" CFLAGS="$c_map" CARGO_INCREMENTAL=0 \
    SOURCE_DATE_EPOCH="$(git -C "$root" log -1 --format=%ct)" CARGO_TARGET_DIR="$place/target" \
    cargo build --quiet --locked --release --package quittance --bin quittance)
  sha256sum <"$place/target/release/quittance" | cut -d ' ' -f 1
}

first=$(build one)
second=$(build two/levels/below)
echo "$(rustc --version), $(cc --version | head -n 1)"
if [ "$first" = "$second" ]; then
  echo "reproducible: $first"
else
  echo "NOT reproducible: $first and $second; compare target/reproducible/{one,two/levels/below}/target/release/quittance" >&2
  exit 1
fi
