#!/usr/bin/env python3
"""A bound on the speed of a training step of the U-Net, from what a compiler made of its kernels.

    roofline.py DUMP OUT [brief]

DUMP is the folder of `stemwise bench --dump`, OUT that of compile.py. For each convolution: the share of its multiply-adds that is
not wasted by padding a tile, the share of issue slots that multiply-adds have in a step of the tile (from the assembly), the share
of the busiest SM's time in the mean's (whole workgroups), and the memory traffic that cannot be avoided. For all other operations
that traffic. A model, not a measurement: latencies are taken to be hidden.
"""

import json
import math
import sys
from pathlib import Path

import sass

CARDS = {
    "H100-class": {"flops": 67e12, "bytes": 3.35e12, "sms": 132},
    "laptop": {"flops": 10e12, "bytes": 300e9, "sms": 20},
}
SHARED_CYCLES = 4  # of a 16-byte load of a warp, at most: 128 bytes a cycle
FMA_WARPS = 4  # an SM multiplies four warps a cycle
PASSES = {"batch_norm/statistics": 2}  # over its input, where a kernel makes several
CUTS = {"channels/window"}  # which read no more than they write


def numbers(kernel):
    return {key: int(value) for key, value in kernel["defines"].items() if value.isdigit()}


def product(kernel, launch):
    """(rows, columns, depth, times) of a tiled kernel's matrix product."""
    p, d = launch["parameters"], numbers(kernel)
    n, c, k, h, w, sh, sw = p[:7]
    taps = d["KERNEL_H"] * d["KERNEL_W"]
    match kernel["shader"].split("/")[-1]:
        case "forward":
            return k, n * sh * sw, c * taps, 1
        case "transpose":
            ph = [-(-(size - d[f"PHASE_{axis}"]) // d[f"STRIDE_{axis}"]) for size, axis in ((h, "H"), (w, "W"))]
            return c, n * ph[0] * ph[1], k * d["TAPS_H"] * d["TAPS_W"], 1
    slices, pixels = p[7:9]
    return k, c * taps, pixels, slices


def dispatch(kernel, launch, out, flops):
    """Useful and executed multiply-adds, the bounds of issue and of shared memory, workgroups."""
    text = (out / f"{kernel['name']}.s").read_text()
    tiled = "VECTORS" in kernel["defines"]
    counts = sass.tile_step(kernel["defines"], text) if tiled else sass.hottest(text)
    issue = counts["fma"] / sum(counts.values())
    accesses = counts["shared read"] + counts["shared write"]
    shared = min(1.0, counts["fma"] / FMA_WARPS / max(1, accesses * SHARED_CYCLES))
    if not tiled:
        return flops / 2, flops / 2, issue, shared, math.prod(launch["workgroups"])
    d = numbers(kernel)
    rows, columns, depth, times = product(kernel, launch)
    up = lambda n, of: -(-n // of) * of
    done = up(rows, d["ROWS"]) * up(columns, d["COLUMNS"]) * up(depth, d["DEPTH"]) * times
    tiles = up(rows, d["ROWS"]) // d["ROWS"] * (up(columns, d["COLUMNS"]) // d["COLUMNS"]) * times
    return rows * columns * depth * times, done, issue, shared, tiles


def convolution(operation, kernels, out, card):
    flops = 2 * operation["multiply_adds"]
    floats = sum(math.prod(shape) for shape in [*operation["inputs"], operation["output"]])
    compute = with_shared = useful = done = groups = 0
    fills, issues = [], []
    for launch in operation["dispatches"]:
        kernel = kernels[launch["kernel"]]
        if kernel["shader"].startswith("reduce"):  # of slices: written, read, and their sum
            length, slices = launch["parameters"][:2]
            floats += 2 * length * slices + length
            continue
        u, d, issue, shared, count = dispatch(kernel, launch, out, flops)
        fill = count / card["sms"] / math.ceil(count / card["sms"])
        compute += 2 * d / (card["flops"] * issue * fill)
        with_shared += 2 * d / (card["flops"] * min(issue, shared) * fill)
        useful, done, groups = useful + u, done + d, groups + count
        fills.append(fill)
        issues.append(issue)
    memory = 4 * floats / card["bytes"]
    return {
        "flops": flops,
        "bytes": 4 * floats,
        "groups": groups,
        "useful": useful / done,
        "issue": sum(issues) / len(issues),
        "fill": min(fills),
        "bound": "memory" if memory > compute else "issue",
        "seconds": max(compute, memory),
        "shared": max(with_shared, memory),
    }


def traffic(operation, kernels):
    """Bytes that an operation reads and writes at least."""
    floats = 0
    for launch in operation["dispatches"]:
        shader, read, written = kernels[launch["kernel"]]["shader"], launch["floats_read"], launch["floats_written"]
        floats += written + (min(read, written) if shader in CUTS else PASSES.get(shader, 1) * read)
    return 4 * floats


def direction(operation):
    if operation["name"] == "conv2d_weight_gradient":
        return "weight gradient"
    return "forward" if len(operation["inputs"]) == 3 else "input gradient"  # which adds no bias


def main():
    dump, out = Path(sys.argv[1]), Path(sys.argv[2])
    manifest = json.loads((dump / "manifest.json").read_text())
    kernels = {kernel["name"]: kernel for kernel in manifest["kernels"]}
    operations = next(plan for plan in manifest["plans"] if plan["plan"] == "separator")["operations"]
    for name, card in CARDS.items():
        print(f"\n{name}: {card['flops'] / 1e12:.0f} TFLOP/s, {card['bytes'] / 1e12:.2f} TB/s, {card['sms']} SMs")
        lines, by, rest = [], {}, {}
        for operation in operations:
            if not operation["name"].startswith("conv"):
                rest[operation["name"]] = rest.get(operation["name"], 0) + traffic(operation, kernels) / card["bytes"]
                continue
            b = convolution(operation, kernels, out, card)
            where, layer = direction(operation), operation["operation"].split(" ")[0]
            total = by.setdefault(where, {"flops": 0, "seconds": 0, "shared": 0})
            for key in total:
                total[key] += b[key]
            share = b["flops"] / card["flops"] / b["seconds"]
            lines.append(
                f"{where:16} {layer:10} {b['flops'] / 1e9:6.1f} {b['bytes'] / 1e6:5.0f} {b['groups']:6} {b['useful']:6.0%}"
                f" {b['issue']:5.0%} {b['fill']:4.0%} {share:6.0%}  {b['bound']:7} {1e3 * b['seconds']:.3f}"
            )
        if "brief" not in sys.argv:
            print("direction        layer       GFLOP    MB groups useful issue fill  share  bound   ms", *sorted(lines), sep="\n")
        for where, total in by.items():
            print(f"  {where}: {1e3 * total['seconds']:.2f} ms, {total['flops'] / card['flops'] / total['seconds']:.0%} of peak")
        print("  other operations, ms:", "  ".join(f"{n} {1e3 * s:.3f}" for n, s in sorted(rest.items(), key=lambda x: -x[1])))
        flops = sum(total["flops"] for total in by.values())
        for label, key in (("issue", "seconds"), ("issue and shared memory", "shared")):
            convolutions, others = sum(total[key] for total in by.values()), sum(rest.values())
            step = convolutions + others
            print(
                f"  a step, bound by {label}: {1e3 * convolutions:.2f} ms convolutions + {1e3 * others:.2f} ms others"
                f" = {1e3 * step:.2f} ms, {flops / card['flops'] / step:.0%} of peak"
            )


if __name__ == "__main__":
    main()
