#!/usr/bin/env bash
# What compilers and drivers that are not wgpu's own say of every kernel: Tint (Chrome), spirv-val (Khronos), DXC
# (Direct3D 12), and SwiftShader, a second Vulkan driver, which runs the operations. Each is fetched in a version that is
# named here. `run.sh tint dxc` asks these alone; all are asked before it fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly WEBGPU=0.6.2
# carries a private build of libdxcompiler; no registry has the official one for Linux
readonly DXC='compushady-lrtu==0.18.0'
readonly DXC_HASH='sha256:b76371972f2543a1e83034a86c83cfad678dabf66be0b50b7d78edbcb1c98243'
readonly CARGO=${CARGO:-cargo}
readonly TOOLS=$PWD/target/portability
readonly DUMP=$TOOLS/kernels
readonly HERE=$PWD/tests/portability

apt() {
    if ! command -v apt-get > /dev/null; then
        echo "error: this is no Debian or Ubuntu; install $* by hand" >&2
        return 1
    fi
    local sudo=
    if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" > "$TOOLS/apt.log" 2>&1 || {
        $sudo apt-get update > /dev/null
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    }
}

check_tint() {
    command -v npm > /dev/null || apt nodejs npm || return 1
    [ -d "$TOOLS/node_modules/webgpu" ] || npm install --silent --no-audit --no-fund --prefix "$TOOLS" "webgpu@$WEBGPU" || return 1
    cp "$HERE/tint.mjs" "$TOOLS/" # beside what it imports
    node "$TOOLS/tint.mjs" "$DUMP"
}

# Debian 12's knows no cooperative matrices, which Vulkan took in afterwards; a later one checks these, too.
readonly UNKNOWN='Invalid capability operand: 6022'

check_spirv-val() {
    command -v spirv-val > /dev/null || apt spirv-tools || return 1
    local accepted=0 unknown=0 refused=0 said file
    # a validator that accepts this accepts anything
    if head -c 64 "$(find "$DUMP" -name '*.spv' | sort | head -1)" | spirv-val - > /dev/null 2>&1; then
        echo 'spirv-val: half a module was accepted: nothing is checked here' >&2
        return 1
    fi
    for file in "$DUMP"/*.spv; do
        if said=$(spirv-val --target-env vulkan1.3 "$file" 2>&1); then
            accepted=$((accepted + 1))
        elif [[ $said == *"$UNKNOWN"* ]]; then
            unknown=$((unknown + 1))
        else
            refused=$((refused + 1))
            echo "spirv-val: $(basename "$file" .spv): $said" >&2
        fi
    done
    echo "spirv-val: $accepted of $((accepted + unknown + refused)) kernels accepted, $unknown not known to this version (cooperative matrices)"
    ((refused == 0 && accepted > 0))
}

check_dxc() {
    local library=$TOOLS/dxc/compushady/backends/libdxcompiler_x86_64.so
    if [ ! -f "$library" ]; then
        python3 -m venv "$TOOLS/venv" 2> /dev/null || { apt python3-venv && python3 -m venv "$TOOLS/venv"; } || return 1
        echo "$DXC --hash=$DXC_HASH" > "$TOOLS/dxc.txt"
        "$TOOLS/venv/bin/pip" download --quiet --no-deps --require-hashes --only-binary :all: --python-version 3.11 \
            --platform manylinux_2_28_x86_64 --dest "$TOOLS" --requirement "$TOOLS/dxc.txt" || return 1
        "$TOOLS/venv/bin/python" -m zipfile -e "$TOOLS"/compushady_lrtu-*.whl "$TOOLS/dxc"
    fi
    "$TOOLS/venv/bin/python" "$HERE/dxc.py" "$DUMP" "$library"
}

# What it does not have, and the tests that need it.
readonly NO_HALVES=(16_bits)

check_swiftshader() {
    local driver=$TOOLS/swiftshader/usr/lib/chromium/vk_swiftshader_icd.json
    if [ ! -f "$driver" ]; then
        command -v apt-get > /dev/null || { echo 'error: SwiftShader comes from a package of Debian, chromium-common' >&2; return 1; }
        (cd "$TOOLS" && rm -f chromium-common_*.deb && apt-get download --quiet chromium-common > /dev/null 2>&1) || return 1
        dpkg -x "$TOOLS"/chromium-common_*.deb "$TOOLS/swiftshader"
    fi
    local -x VK_DRIVER_FILES=$driver VK_ICD_FILENAMES=$driver
    local adapter
    adapter=$("$CARGO" run --quiet --locked -- devices | grep SwiftShader) || { echo 'SwiftShader: not found' >&2; return 1; }
    if [[ $adapter == *f16* ]]; then
        echo 'SwiftShader: it has 16-bit floats now: let it run the tests that are left out here' >&2
        return 1
    fi
    echo "SwiftShader has no 16-bit floats: tests named ${NO_HALVES[*]} are not run on it"
    "$CARGO" test --locked --no-fail-fast --test ops --test device --test golden_ops --test fusion -- "${NO_HALVES[@]/#/--skip=}" || return 1
    "$CARGO" test --locked --test separator_step -- gpu_and_cpu_train_alike
}

main() {
    local checks=("$@") failed=()
    ((${#checks[@]} > 0)) || checks=(tint spirv-val dxc swiftshader)
    mkdir -p "$TOOLS"
    if [ "${checks[*]}" != swiftshader ]; then
        rm -rf "$DUMP"
        "$CARGO" run --quiet --locked -- bench --dump "$DUMP"
    fi
    for check in "${checks[@]}"; do
        case $check in
            tint | spirv-val | dxc | swiftshader) "check_$check" || failed+=("$check") ;;
            *) echo "error: there is no check '$check': name tint, spirv-val, dxc or swiftshader" >&2; exit 2 ;;
        esac
    done
    if ((${#failed[@]} > 0)); then
        echo "failed: ${failed[*]}" >&2
        exit 1
    fi
}

main "$@"
