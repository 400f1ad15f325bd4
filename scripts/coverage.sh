#!/usr/bin/env bash
# Line coverage of src/ by the whole test suite. Uses rustc's own llvm-tools, else the newest LLVM of the system.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo-llvm-cov >/dev/null || cargo install --locked cargo-llvm-cov

if ! ls "$(rustc --print sysroot)"/lib/rustlib/*/bin/llvm-cov >/dev/null 2>&1; then
  for directory in $(ls -d /usr/lib/llvm-*/bin 2>/dev/null | sort -rV); do
    [ -x "$directory/llvm-cov" ] || continue
    export LLVM_COV="$directory/llvm-cov" LLVM_PROFDATA="$directory/llvm-profdata"
    break
  done
  [ -n "${LLVM_COV:-}" ] || {
    echo "quittance: llvm-cov is missing: rustup component add llvm-tools (Debian: apt-get install llvm-19)" >&2
    exit 1
  }
fi

cargo llvm-cov --workspace --exclude quittance-containers --ignore-filename-regex '(sandbox|tests)/' --summary-only "$@"
