"""Proves that a GPU computes: adds two vectors on the device through the CUDA driver, and checks every sum.

Prints one JSON line, and leaves it where the kubelet looks for a container's last words. Exit code 0: all sums are right; 3: this container sees no GPU; 1: a GPU is there and does not work.
On the lab's simulated hardware the processor adds, and the line says so.
"""

import array
import ctypes
import json
import os
import sys

ELEMENTS = 1 << 20
NO_GPU = 3
LAST_WORDS = "/dev/termination-log"
# float *a, *b, *c; c[i] = a[i] + b[i]. For every architecture since Maxwell: the driver compiles it.
PTX = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry add(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u32 count)
{
    .reg .pred %p<2>;
    .reg .f32 %f<4>;
    .reg .b32 %r<6>;
    .reg .b64 %d<11>;
    ld.param.u64 %d1, [pa];
    ld.param.u64 %d2, [pb];
    ld.param.u64 %d3, [pc];
    ld.param.u32 %r1, [count];
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ntid.x;
    mov.u32 %r4, %tid.x;
    mad.lo.s32 %r5, %r2, %r3, %r4;
    setp.ge.u32 %p1, %r5, %r1;
    @%p1 bra DONE;
    cvta.to.global.u64 %d4, %d1;
    cvta.to.global.u64 %d5, %d2;
    cvta.to.global.u64 %d6, %d3;
    mul.wide.u32 %d7, %r5, 4;
    add.s64 %d8, %d4, %d7;
    add.s64 %d9, %d5, %d7;
    add.s64 %d10, %d6, %d7;
    ld.global.f32 %f1, [%d8];
    ld.global.f32 %f2, [%d9];
    add.f32 %f3, %f1, %f2;
    st.global.f32 [%d10], %f3;
DONE:
    ret;
}
\0"""


class CudaError(Exception):
    """A call of the driver failed."""


class Driver:
    """The calls of libcuda that are needed; each raises CudaError with the driver's own name for the problem."""

    def __init__(self, library):
        self._library = library

    def __getattr__(self, name):
        function = getattr(self._library, name)

        def call(*arguments):
            code = function(*arguments)
            if code:
                text = ctypes.c_char_p()
                self._library.cuGetErrorName(code, ctypes.byref(text))
                raise CudaError(f"{name}: {(text.value or b'error').decode()} ({code})")
        return call


def add_on_device(library, left, right):
    """(name of the device, sums); (None, None) where the driver sees no device."""
    cuda, count = Driver(library), ctypes.c_int()
    try:
        cuda.cuInit(0)
        cuda.cuDeviceGetCount(ctypes.byref(count))
    except CudaError as problem:
        if "(100)" in str(problem) or "(999)" in str(problem) and not os.path.exists("/dev/nvidiactl"):
            return None, None
        raise
    if not count.value:
        return None, None
    device, context, name = ctypes.c_int(), ctypes.c_void_p(), ctypes.create_string_buffer(128)
    cuda.cuDeviceGet(ctypes.byref(device), 0)
    cuda.cuDeviceGetName(name, 128, device)
    cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device)
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    cuda.cuModuleLoadData(ctypes.byref(module), ctypes.c_char_p(PTX))
    cuda.cuModuleGetFunction(ctypes.byref(function), module, b"add")
    size = ctypes.c_size_t(4 * len(left))
    places = [ctypes.c_uint64() for _ in range(3)]
    for place in places:
        cuda.cuMemAlloc_v2(ctypes.byref(place), size)
    for place, values in zip(places, (left, right)):
        cuda.cuMemcpyHtoD_v2(place, ctypes.c_void_p(values.buffer_info()[0]), size)
    number = ctypes.c_uint(len(left))
    arguments = (ctypes.c_void_p * 4)(*(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in (*places, number)))
    cuda.cuLaunchKernel(function, (len(left) + 255) // 256, 1, 1, 256, 1, 1, 0, None, arguments, None)
    cuda.cuCtxSynchronize()
    sums = array.array("f", bytes(4 * len(left)))
    cuda.cuMemcpyDtoH_v2(ctypes.c_void_p(sums.buffer_info()[0]), places[2], size)
    for place in places:
        cuda.cuMemFree_v2(place)
    cuda.cuCtxDestroy_v2(context)
    return name.value.decode(), sums


def prove(environment):
    """(answer, exit code)"""
    left = array.array("f", range(ELEMENTS))
    right = array.array("f", (2.0 * number for number in range(ELEMENTS)))
    device = environment.get("EDGEAI_SIMULATED_GPU")
    simulated = bool(device)
    try:
        if simulated:
            sums = array.array("f", map(float.__add__, left, right))
        else:
            device, sums = add_on_device(ctypes.CDLL("libcuda.so.1"), left, right)
    except OSError:
        device, sums = None, None
    except (CudaError, AttributeError) as problem:
        return {"device": device or "unknown", "simulated": False, "result": "fail", "error": str(problem)}, 1
    if not device:
        return {"device": None}, NO_GPU
    right_sums = all(value == 3.0 * number for number, value in enumerate(sums))
    answer = {"device": device, "simulated": simulated, "result": "pass" if right_sums else "fail", "elements": ELEMENTS}
    return answer, 0 if right_sums else 1


if __name__ == "__main__":
    found, code = prove(os.environ)
    print(json.dumps(found), flush=True)
    try:
        with open(LAST_WORDS, "w", encoding="utf-8") as kept:
            json.dump(found, kept)
    except OSError:
        pass  # not in a pod: the line above is all there is
    sys.exit(code)
