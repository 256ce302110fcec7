#!/usr/bin/env bash
# A first look at a GPU, on a machine with its driver and nothing else: no Rust, no network, five minutes at most.
# `make gpu-kit` lays this script and the programs that it runs into target/gpu-kit; copy that folder, then
#
#   ./gpu.sh [RESULTS]        (default: ./gpu-results)
#
# It takes the first real GPU, or what STEMWISE_DEVICE says, as in STEMWISE_DEVICE=llvmpipe. No part stops another:
# each has its share of the time, and what fails or hangs is a line of the table, which is printed and kept as table.txt.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kit=$here
[ -x "$kit/stemwise" ] || kit=$here/../target/gpu-kit
if [ ! -x "$kit/stemwise" ]; then
    echo "error: no programs beside this script: 'make gpu-kit' makes them" >&2
    exit 2
fi
results=${1:-./gpu-results}
mkdir -p "$results" && results=$(cd "$results" && pwd) || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
# nothing outside of these folders is read or written
export XDG_CACHE_HOME=$work/cache
rm -f "$results"/{table.txt,devices.txt,tests.log,bench.json,bench.log,train.log,separator.jsonl,clean.jsonl}

table=$results/table.txt
# seconds of the five minutes, less some for what is killed late
left() { echo $((SECONDS < 280 ? 280 - SECONDS : 1)); }
failed=0

line() { printf '%-12s %-8s %5s s  %s\n' "$1" "$2" "$3" "$4" | tee -a "$table"; }

# part NAME SECONDS LOG COMMAND...: runs it for so long at most; a line of the table ends with what said_NAME finds.
part() {
    local name=$1 limit=$2 log=$3 began=$SECONDS code state said
    shift 3
    { timeout --kill-after=2 "$limit" "$@" > "$work/log" 2>&1 < /dev/null; } 2> /dev/null
    code=$?
    { echo "== $name: $*"; cat "$work/log"; } >> "$log"
    case $code in
        0) state=ok ;;
        124 | 137) state=timeout ;;
        *) state=failed ;;
    esac
    said=$("said_$name" "$work/log" 2> /dev/null | tail -n 1)
    if [ $code -ne 0 ]; then
        failed=1
        said="$said $(grep -aE '^error: |panicked' "$work/log" | grep -v XDG_RUNTIME_DIR | tail -n 1)"
    fi
    line "$name" "$state" $((SECONDS - began)) "$said"
    return $code
}

said_devices() { grep '^Without --device' "$1"; }
said_ops() {
    awk '/^test .* ok$/ { n++ } /^test result/ { all = $0 } END { print all ? all : n + 0 " tests passed until then" }' "$1"
}
said_bounds() { said_ops "$1"; }
said_engine() { said_ops "$1"; }
said_bench() { grep '^At most' "$1"; }
said_corpus() { tail -n 1 "$1"; }
# the loss of the first and the last step, and the speed
said_train() {
    sed -nE 's/^\{"step":([0-9]+),"loss":([^,]+),.*"segments_per_second":([^,}]+).*/\1 \2 \3/p' "$1" |
        awk 'NR == 1 { first = $2 } { last = $2; speed = $3; steps = $1 }
             END { if (steps) printf "%d steps, loss %.4f to %.4f, %.1f segments/s", steps, first, last, speed }'
}
said_separator() { keep separator && said_train "$results/separator.jsonl"; }
said_clean() { keep clean && said_train "$results/clean.jsonl"; }
keep() { cp "$work/$1/metrics.jsonl" "$results/$1.jsonl"; }

: > "$table"
part devices 10 "$results/devices.txt" "$kit/stemwise" devices
# the marked one: its index, and what kind it is
device=$(awk '$1 == "*" { print $2; exit }' "$results/devices.txt")
kind=$(awk '$1 == "*"' "$results/devices.txt" | grep -oE ' (discrete|integrated|virtual|unknown|software) ' | head -n 1)
device=${STEMWISE_DEVICE:-$device}
if [ -z "$device" ] || [ "$device" = cpu ]; then
    line device failed 0 "there is no GPU, and STEMWISE_DEVICE names no other device"
    exit 1
fi
export STEMWISE_DEVICE=$device STEMWISE_TEST_DEVICE=$device

# what takes a real GPU seconds, and a software driver minutes
case $kind in
    *software*)
        preset=tiny batch=2 sizes=(--batch 1 --bins 64 --frames 32 --layer encoder.2 --samples 1)
        export STEMWISE_TEST_OPS=add,scale,sigmoid,concat_channels,linear,sum,triplet_loss,l2_normalise
        ;;
    *) preset=paper batch=16 sizes=(--samples 3) ;;
esac

part corpus 20 "$results/train.log" "$kit/stemwise" corpus synth "$work/corpus" --train 6 --validation 4 --test 1 --seconds 24
part corpus 15 "$results/train.log" "$kit/stemwise" corpus prepare "$work/corpus" --out "$work/store"
for recipe in separator clean; do
    options=(--instrument drums --preset "$preset" --corpus "$work/store" --out "$work/$recipe")
    for setting in batch="$batch" epoch=$((10 * batch)) epochs=1 validation="$batch" knn_segments=8 best=loss; do
        options+=(--set "training.$setting")
    done
    part "$recipe" 40 "$results/train.log" "$kit/stemwise" train "$recipe" "${options[@]}"
done
part bench 45 "$results/bench.log" "$kit/stemwise" bench "${sizes[@]}" --json "$results/bench.json"
part engine 20 "$results/tests.log" "$kit/test-device"
# kernels against the reference, and what they touch; the other tests are of the processor alone. A driver compiles a
# thousand kernels for them, so they have all the time that is left
part ops $(($(left) * 6 / 10)) "$results/tests.log" "$kit/test-ops" --skip on_the_cpu --skip convolutions --show-output follow too_large
part bounds "$(left)" "$results/tests.log" "$kit/test-ops" --show-output bounds

echo "results: $results"
exit $failed
