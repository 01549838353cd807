#!/usr/bin/env bash
# Fuzzes the targets with AFL++, coverage-guided, and minimises what was found into the corpus that the tests replay.
#
#   native/fuzz/fuzz.sh [TARGET ...]     targets: front_end, decision (default: both)
#
# FUZZ_SECONDS  seconds for each target (default 60)
# FUZZ_SEEDS    folder of further seeds, in a folder per target; what is found from them is not taken into the corpus
#
# Inputs that break a law, crash, hang or fill the memory stay in build/fuzz/TARGET; exit code 1 where there are some.
set -euo pipefail

AFL_VERSION=0.18.2
# Named, so that what runs at build time is not instrumented.
HOST=$(rustc --print host-tuple)
# A law of each target bounds the CPU time far below; this ends what never comes back.
HANG_MS=10000
MEMORY_MIB=2048
MAX_BYTES=16384
# Larger inputs stay out of the corpus.
MAX_KEPT_BYTES=4096

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fleetgate
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
export PATH="$cache/cargo-afl/bin:$PATH"
export AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_FORKSRV_INIT_TMOUT=60000
export RUST_BACKTRACE=0

build() {
    if [ "$(cargo-afl afl --version 2>/dev/null | awk '{print $2}')" != "$AFL_VERSION" ]; then
        cargo install --quiet --locked --force --version "$AFL_VERSION" --root "$cache/cargo-afl" cargo-afl
    fi
    # The runtime belongs to one version of rustc; where it is there already this complains.
    cargo afl config --build >/dev/null 2>&1 || true
    (cd "$here" && cargo afl build --quiet --locked --release --target "$HOST" --target-dir "$CARGO_TARGET_DIR/fuzz")
}

fuzz() {
    local target=$1 program=$CARGO_TARGET_DIR/fuzz/$HOST/release/$1
    local corpus=$root/tests/data/corpus/$target found=$root/build/fuzz/$target
    local words=$here/dictionaries/kubernetes.dict seeds=$corpus
    if [ "$target" = front_end ]; then words=$here/dictionaries/rego.dict; fi
    rm -rf "$found"
    mkdir -p "$found"
    if [ -n "${FUZZ_SEEDS:-}" ]; then
        seeds=$found/seeds
        mkdir "$seeds"
        cp -r "$corpus/." "$FUZZ_SEEDS/$target/." "$seeds"
    fi
    echo "fuzzing $target for ${FUZZ_SECONDS:-60} s"
    cargo afl fuzz -V "${FUZZ_SECONDS:-60}" -t "$HANG_MS" -m "$MEMORY_MIB" -G "$MAX_BYTES" -x "$words" -i "$seeds" -o "$found" \
        -- "$program" >"$found.log" 2>&1 || { tail -n 20 "$found.log" >&2; return 1; }
    sed -n -E 's/^(execs_done|edges_found|corpus_count|saved_crashes|saved_hangs) +: /  &/p' "$found/default/fuzzer_stats"
    if [ -z "${FUZZ_SEEDS:-}" ]; then keep "$target" "$program" "$corpus" "$found" || return 1; fi
    find "$found"/default/crashes "$found"/default/hangs -type f -name 'id:*' | tee "$found.broken"
    [ ! -s "$found.broken" ]
}

# Takes the smallest inputs that reach all that was reached into the corpus. What was named by hand stays.
keep() {
    local target=$1 program=$2 corpus=$3 found=$4 all=$4/all least=$4/least
    mkdir "$all"
    cp "$corpus"/* "$all"
    find "$found/default/queue" -maxdepth 1 -type f -size -"$((MAX_KEPT_BYTES + 1))"c -exec cp -t "$all" {} +
    cargo afl cmin -e -T 1 -t "$HANG_MS" -m "$MEMORY_MIB" -i "$all" -o "$least" -- "$program" >"$found.cmin.log" 2>&1 \
        || { tail -n 20 "$found.cmin.log" >&2; return 1; }
    find "$corpus" -type f -regextype posix-extended -regex '.*/[0-9a-f]{16}' -delete
    find "$least" -maxdepth 1 -type f | while read -r path; do
        cp "$path" "$corpus/$(sha256sum "$path" | cut -c 1-16)"
    done
    find "$all" "$least" -delete
    echo "  corpus: $(find "$corpus" -type f | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
}

build
status=0
if [ $# -eq 0 ]; then set -- front_end decision; fi
for target; do fuzz "$target" || status=1; done
exit $status
