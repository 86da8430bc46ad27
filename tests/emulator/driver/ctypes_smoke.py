"""Loads the emulator as a driver from Python and runs one kernel. Usage: ctypes_smoke.py <libosdn_emulator.so>"""

import ctypes
import sys

PTX = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .entry square(.param .u64 values)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [values];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r2, [%rd3];
  mul.lo.u32 %r3, %r2, %r2;
  st.global.u32 [%rd3], %r3;
  ret;
}
"""

driver = ctypes.CDLL(sys.argv[1])


def call(name, *arguments):
    result = getattr(driver, name)(*arguments)
    if result:
        sys.exit(f"{name} returned {result}")


context, module, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
memory = ctypes.c_uint64()
values = (ctypes.c_uint32 * 32)(*range(32))

call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
call("cuCtxSetCurrent", context)
call("cuModuleLoadData", ctypes.byref(module), PTX)
call("cuModuleGetFunction", ctypes.byref(function), module, b"square")
call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(128))
call("cuMemcpyHtoD_v2", memory, values, ctypes.c_size_t(128))
parameters = (ctypes.c_void_p * 1)(ctypes.addressof(memory))
call("cuLaunchKernel", function, 1, 1, 1, 32, 1, 1, 0, None, parameters, None)
call("cuMemcpyDtoH_v2", values, memory, ctypes.c_size_t(128))
call("cuMemFree_v2", memory)
if list(values) != [i * i for i in range(32)]:
    sys.exit(f"wrong values: {list(values)}")
print("ok")
