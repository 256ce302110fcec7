#!/usr/bin/env python3
"""What NVIDIA's compiler makes of dumped kernels: Metal's C++, as the dump has it, to CUDA's C++ (here), to SASS.

    compile.py DUMP OUT [ARCHITECTURE [PART...]]     as in compile.py dump out sm_90 conv2d

Of the kernels that the dump's plans run, those whose name contains a PART. Writes OUT/*.s, the assembly, for roofline.py. Not the
way that a Vulkan driver goes, but the same code generator at its end. Kernels of subgroups, of matrix units and of 16-bit floats
are left out: their Metal is not translated.
"""

import ctypes
import json
import re
import subprocess
import sys
from pathlib import Path

import nvidia

HEADER = r"""
typedef unsigned int uint;
template <class To, class From> To as_type(From from) { return *(To*)&from; }
namespace metal {
template <class T> struct alignas(4 * sizeof(T)) vec4 {
    T x, y, z, w;
    constexpr vec4() = default;
    template <class U> explicit vec4(vec4<U> v) : x(v.x), y(v.y), z(v.z), w(v.w) {}
    constexpr vec4(T v) : x(v), y(v), z(v), w(v) {}
    constexpr vec4(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}
};
template <class T> struct alignas(2 * sizeof(T)) vec2 {
    T x, y;
    constexpr vec2() = default;
    constexpr vec2(T v) : x(v), y(v) {}
    constexpr vec2(T x, T y) : x(x), y(y) {}
};
typedef vec4<float> float4; typedef vec4<uint> uint4; typedef vec4<int> int4; typedef vec4<bool> bool4;
typedef vec2<float> float2; typedef vec2<uint> uint2; typedef vec2<bool> bool2;
struct uint3 { uint x, y, z; };
#define EACH(op, R) \
    template <class T> vec4<R> operator op(vec4<T> a, vec4<T> b) { return vec4<R>(a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w); } \
    template <class T> vec4<R> operator op(vec4<T> a, T b) { return a op vec4<T>(b); } \
    template <class T> vec4<R> operator op(T a, vec4<T> b) { return vec4<T>(a) op b; } \
    template <class T> vec2<R> operator op(vec2<T> a, vec2<T> b) { return vec2<R>(a.x op b.x, a.y op b.y); } \
    template <class T> vec2<R> operator op(vec2<T> a, T b) { return a op vec2<T>(b); }
EACH(+, T) EACH(-, T) EACH(*, T) EACH(/, T) EACH(%, T) EACH(&, T) EACH(|, T)
EACH(<, bool) EACH(<=, bool) EACH(>, bool) EACH(>=, bool) EACH(==, bool) EACH(!=, bool)
template <class T> T select(T a, T b, bool c) { return c ? b : a; }
template <class T> vec4<T> select(vec4<T> a, vec4<T> b, bool4 c) {
    return vec4<T>(c.x ? b.x : a.x, c.y ? b.y : a.y, c.z ? b.z : a.z, c.w ? b.w : a.w);
}
template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
template <class T> vec4<T> min(vec4<T> a, vec4<T> b) { return vec4<T>(min(a.x, b.x), min(a.y, b.y), min(a.z, b.z), min(a.w, b.w)); }
inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
inline float4 fma(float4 a, float4 b, float4 c) { return float4(fma(a.x, b.x, c.x), fma(a.y, b.y, c.y), fma(a.z, b.z, c.z), fma(a.w, b.w, c.w)); }
inline float sqrt(float a) { return sqrtf(a); }
inline float exp(float a) { return expf(a); }
template <class T> T clamp(T a, T low, T high) { return min(max(a, low), high); }
}
"""


def to_cuda(metal, threads):
    text = re.sub(r"^(#include|using metal).*$", "", metal, flags=re.M)
    text = re.sub(r"metal::threadgroup_barrier\([^)]*\)", "__syncthreads()", text)
    head, entry = re.split(r"\[\[max_total_threads_per_threadgroup\(\d+\)\]\] kernel void main_\(", text)
    parameters, body = entry.split("\n) {", 1)
    parameters = [p.strip().lstrip(",").strip() for p in re.sub(r"\[\[.*?\]\]", "", parameters).splitlines() if p.strip()]
    outer, inner, shared = [], [], []
    for parameter in parameters:
        name = parameter.split()[-1]
        kind = re.sub(r"\b(device|constant|threadgroup)\b|&|\bconst\b", "", parameter.rsplit(" ", 1)[0]).strip()
        if parameter.startswith("threadgroup"):
            shared.append(f"__shared__ {kind} {name};")
            inner.append(name)
        elif parameter.startswith("device"):
            const = "const " if "const&" in parameter else ""
            outer.append(f"{const}float* __restrict__ {name}")
            inner.append(f"*({const}{kind}*){name}")
        elif parameter.startswith("constant"):
            outer.append(f"const {kind} {name}")
            inner.append(name)
        elif "uint3" in kind:
            of = "gridDim" if name.startswith("groups") else "blockIdx"
            inner.append(f"metal::uint3{{{of}.x, {of}.y, {of}.z}}")
        else:
            inner.append("threadIdx.x")
    text = head + "void main_(\n" + ",\n".join(parameters) + "\n) {" + body
    text = re.sub(r"\b(device|threadgroup|thread)\b ", "", text)
    text = re.sub(r"^constant (\S+ \w+ = )", r"constexpr \1", text, flags=re.M)
    text = re.sub(r"\bconstant\b", "const", text)
    text = re.sub(r"(?<![\w.])(\d+\.\d+(e[+-]?\d+)?)(?![\w.])", r"\1f", text)
    text = re.sub(r"^typedef (\S+) (type_\d+)\[1\];", r"typedef \1 \2[1 << 28];", text, flags=re.M)
    wrapper = f'extern "C" __global__ void __launch_bounds__({threads}) entry({", ".join(outer)}) {{\n'
    return HEADER + text + wrapper + "\n".join(shared) + f"\nmain_({', '.join(inner)});\n}}\n"


def nvidia_file(name):
    """A file of NVIDIA's packages."""
    return next(file for place in nvidia.__path__ for file in sorted(Path(place).rglob(name)))


class Nvrtc:
    def __init__(self, architecture):
        self.library = ctypes.CDLL(str(nvidia_file("libnvrtc.so.*")))
        self.options = [f"--gpu-architecture={architecture}", "--device-as-default-execution-space", "-w"]

    def compile(self, source):
        program, size, lib = ctypes.c_void_p(), ctypes.c_size_t(), self.library
        lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None)
        options = (ctypes.c_char_p * len(self.options))(*[o.encode() for o in self.options])
        if lib.nvrtcCompileProgram(program, len(options), options):
            lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            log = ctypes.create_string_buffer(size.value)
            lib.nvrtcGetProgramLog(program, log)
            raise ValueError(log.value.decode()[:1500])
        lib.nvrtcGetCUBINSize(program, ctypes.byref(size))
        cubin = ctypes.create_string_buffer(size.value)
        lib.nvrtcGetCUBIN(program, cubin)
        lib.nvrtcDestroyProgram(ctypes.byref(program))
        return cubin.raw


def main():
    dump, out = Path(sys.argv[1]), Path(sys.argv[2])
    architecture, names = (sys.argv[3:] or ["sm_90"])[0], sys.argv[4:]
    out.mkdir(parents=True, exist_ok=True)
    nvrtc, disassemble = Nvrtc(architecture), nvidia_file("nvdisasm")
    manifest = json.loads((dump / "manifest.json").read_text())
    operations = [operation for plan in manifest["plans"] for operation in plan["operations"]]
    used = {launch["kernel"] for operation in operations for launch in operation["dispatches"]}
    for kernel in manifest["kernels"]:
        subgroups = "MATRIX" in kernel["defines"] or "SUBGROUPS" in kernel["defines"]
        halves = any(binding["words"] == "f16" for binding in kernel["bindings"])
        name = kernel["name"]
        if name not in used or subgroups or halves or (names and not any(part in name for part in names)):
            continue
        metal = (dump / f"{name}.metal").read_text()
        threads = kernel["workgroup"][0] * kernel["workgroup"][1] * kernel["workgroup"][2]
        try:
            (out / "kernel.cubin").write_bytes(nvrtc.compile(to_cuda(metal, threads)))
        except ValueError as error:
            print(name, error)
            continue
        sass = subprocess.run([disassemble, "-c", out / "kernel.cubin"], capture_output=True, text=True, check=True)
        (out / f"{name}.s").write_text(sass.stdout)
        print(name)
    (out / "kernel.cubin").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
