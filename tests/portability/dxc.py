"""DXC, the HLSL compiler of Direct3D 12, on dumped kernels: each is compiled to DXIL for cs_6_2, with nothing run.

    python dxc.py DUMP LIBDXCOMPILER
"""

import ctypes
import json
import sys
from ctypes import POINTER, byref, c_int32, c_size_t, c_uint32, c_void_p, c_wchar_p
from pathlib import Path
from uuid import UUID

UTF_8 = 65001
# wgpu's own; 16-bit types are also asked for where none are used
FLAGS = ["-HV", "2018", "-no-warnings", "-enable-16bit-types"]


def guid(text):
    return ctypes.create_string_buffer(UUID(text).bytes_le, 16)


COMPILER = guid("73e22d93-e6ce-47f3-b5bf-f0664f39c1b0"), guid("8c210bf3-011f-4422-8d70-6f9acb8db617")
LIBRARY = guid("6245d6af-66e0-48fd-80b4-4d271796748c"), guid("e5204dc7-d18c-4c3c-bdfb-851673980fe7")


class Dxc:
    """The three interfaces of dxcapi.h that are needed, by the places of their functions."""

    def __init__(self, path):
        self.create = ctypes.CDLL(path).DxcCreateInstance
        self.create.restype = c_int32
        self.library, self.compiler = self.instance(LIBRARY), self.instance(COMPILER)

    def instance(self, ids):
        made = c_void_p()
        if self.create(ids[0], ids[1], byref(made)) != 0:
            sys.exit("error: this library makes no compiler")
        return made

    @staticmethod
    def call(instance, place, restype, *arguments):
        table = ctypes.cast(instance, POINTER(POINTER(c_void_p)))[0]
        types = [c_void_p, *(type(argument) for argument in arguments)]
        return ctypes.CFUNCTYPE(restype, *types)(table[place])(instance, *arguments)

    def text(self, blob):
        start, size = self.call(blob, 3, c_void_p), self.call(blob, 4, c_size_t)
        return ctypes.string_at(start, size)

    def release(self, *instances):
        for instance in instances:
            if instance:
                self.call(instance, 2, c_uint32)

    def refused(self, source, entry):
        """What DXC says of a program that it does not compile."""
        blob, result = c_void_p(), c_void_p()
        at = ctypes.cast(ctypes.c_char_p(source), c_void_p)
        # CreateBlobWithEncodingOnHeapCopy
        self.call(self.library, 7, c_int32, at, c_uint32(len(source)), c_uint32(UTF_8), ctypes.cast(byref(blob), c_void_p))
        flags = (c_wchar_p * len(FLAGS))(*FLAGS)
        done = self.call(
            self.compiler, 3, c_int32, blob, c_wchar_p("kernel.hlsl"), c_wchar_p(entry), c_wchar_p("cs_6_2"),
            ctypes.cast(flags, c_void_p), c_uint32(len(FLAGS)), c_void_p(), c_uint32(0), c_void_p(), ctypes.cast(byref(result), c_void_p),
        )
        status = c_int32(done)
        if done == 0:
            self.call(result, 3, c_int32, ctypes.cast(byref(status), c_void_p))
        message, compiled = c_void_p(), c_void_p()
        if status.value != 0:
            self.call(result, 5, c_int32, ctypes.cast(byref(message), c_void_p))
            said = self.text(message).decode(errors="replace") or f"status {status.value:#x}"
        else:
            self.call(result, 4, c_int32, ctypes.cast(byref(compiled), c_void_p))
            container = self.text(compiled)
            said = None if container[:4] == b"DXBC" and b"DXIL" in container else "it made no DXIL"
        self.release(blob, result, message, compiled)
        return said


def main():
    dump, dxc = Path(sys.argv[1]), Dxc(sys.argv[2])
    kernels = json.loads((dump / "manifest.json").read_text())["kernels"]
    failures, accepted, none = [], 0, 0
    # a compiler that accepts this accepts anything
    if not dxc.refused(b"[numthreads(1, 1, 1)] void main() { uint x = missing; }", "main"):
        failures.append("a program without a declaration was accepted: nothing is checked here")
    for kernel in kernels:
        path = dump / f"{kernel['name']}.hlsl"
        if not path.exists():
            none += 1
            continue
        said = dxc.refused(path.read_bytes(), kernel["entry"])
        if said:
            failures.append(f"{kernel['name']}: {said.strip().splitlines()[0]}")
        else:
            accepted += 1
    print(f"DXC: {accepted} of {len(kernels)} kernels accepted, {none} have no HLSL (cooperative matrices)")
    for failure in failures:
        print(f"DXC: {failure}", file=sys.stderr)
    sys.exit(1 if failures or accepted == 0 else 0)


main()
