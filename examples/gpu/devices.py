"""Lists the GPUs that the CUDA driver shows, without any package: its
library comes from the host."""
import ctypes

try:
    cuda = ctypes.CDLL("libcuda.so.1")
except OSError:
    print("no CUDA driver here; on a machine with a GPU it is --nv that brings it in")
    raise SystemExit(0)

count, name = ctypes.c_int(), ctypes.create_string_buffer(100)
if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)):
    raise SystemExit("the CUDA driver does not start")
for i in range(count.value):
    cuda.cuDeviceGetName(name, len(name), i)
    print(f"{i}: {name.value.decode()}")
