// Devices and their attributes.
#include <fmt/format.h>

#include <cstring>

#include "driver/entry.hpp"

namespace emulator {
namespace {

constexpr int kVersion = 13000;
constexpr int kFirstBus = 1;
constexpr int kMaxPitch = 0x7FFFFFFF;

/// Text and its NUL into a caller's buffer, cut to fit.
void copy_text(char* out, int room, const std::string& text) {
  require(out != nullptr && room > 0);
  const std::size_t length = std::min(text.size(), static_cast<std::size_t>(room) - 1);
  std::memcpy(out, text.data(), length);
  out[length] = '\0';
}

std::string bus_id(const Device& device) {
  return fmt::format("0000:{:02X}:00.0", kFirstBus + device.ordinal);
}

CUresult write_uuid(CUuuid* uuid, CUdevice ordinal) {
  require(uuid != nullptr);
  const std::string text = fmt::format("osdn-emulator-{:02d}", device_of(ordinal).ordinal);
  static_assert(sizeof(uuid->bytes) == 16);
  std::memcpy(uuid->bytes, text.data(), sizeof(uuid->bytes));
  return CUDA_SUCCESS;
}

/// Launch limits and sizes; zero for everything that the device has not.
int attribute_of(const Device& device, CUdevice_attribute attribute) {
  const Architecture& kind = device.architecture;
  const Profile& profile = kind.profile;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return profile.threads_per_block;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      return 0x7FFFFFFF;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      return static_cast<int>(profile.shared_per_block);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      return static_cast<int>(profile.shared_per_block_optin);
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      return static_cast<int>(profile.shared_per_multiprocessor);
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK:
      return profile.major >= 8 ? 1024 : 0;
    case CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED:
      return profile.major >= 9 ? 1 : 0;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
      return 64 * 1024;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH:
      return kMaxPitch;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
      return profile.registers_per_block;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      return kind.clock_khz;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      return kind.memory_clock_khz;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
      return kind.memory_bus_bits;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      return kind.l2_bytes;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return profile.multiprocessors;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      return kind.threads_per_multiprocessor;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
      return kind.blocks_per_multiprocessor;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return profile.major;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return profile.minor;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT:
    case CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT:
      return 512;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT:
      return 32;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
      return kFirstBus + device.ordinal;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY:
    case CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM:
    case CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
      return 1;
    case CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO:
      return profile.minor == 0 && profile.major <= 10 ? 2 : 64;
    case CU_DEVICE_ATTRIBUTE_NUMA_ID:
    case CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID:
      return -1;
    default:
      return 0;
  }
}

bool is_known(CUdevice_attribute attribute) {
  switch (attribute) {
#define ATTRIBUTE(name, value) case CU_DEVICE_ATTRIBUTE_##name:
#include "driver/attributes.def"
#undef ATTRIBUTE
    return true;
  }
  return false;
}

CUresult peer_access(int* possible, CUdevice first, CUdevice second) {
  require(possible != nullptr);
  device_of(first);
  device_of(second);
  *possible = 0;  // each device's memory is its own
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuDriverGetVersion(int* version) {
  return entry([&] {
    require(version != nullptr);
    *version = kVersion;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return entry([&] {
    require(device != nullptr);
    *device = device_of(ordinal).ordinal;
  });
}

CUresult cuDeviceGetCount(int* count) {
  return entry([&] {
    require(count != nullptr);
    *count = static_cast<int>(driver().devices.size());
  });
}

CUresult cuDeviceGetName(char* name, int room, CUdevice device) {
  return entry([&] { copy_text(name, room, fmt::format("osdn emulator ({})", device_of(device).architecture.name)); });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return entry([&] {
    require(value != nullptr);
    const Device& found = device_of(device);
    require(is_known(attribute));
    *value = attribute_of(found, attribute);
  });
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  return entry([&] {
    require(bytes != nullptr);
    *bytes = device_of(device).memory.capacity();
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return entry([&] { return write_uuid(uuid, device); });
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  return entry([&] { return write_uuid(uuid, device); });
}

CUresult cuDeviceGetPCIBusId(char* id, int room, CUdevice device) {
  return entry([&] { copy_text(id, room, bus_id(device_of(device))); });
}

CUresult cuDeviceGetByPCIBusId(CUdevice* found, const char* id) {
  return entry([&] {
    require(found != nullptr && id != nullptr);
    for (const auto& device : driver().devices)
      if (bus_id(*device) == id) {
        *found = device->ordinal;
        return CUDA_SUCCESS;
      }
    return CUDA_ERROR_INVALID_DEVICE;
  });
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return entry([&] {
    require(major != nullptr && minor != nullptr);
    const Profile& profile = device_of(device).architecture.profile;
    *major = profile.major;
    *minor = profile.minor;
  });
}

CUresult cuDeviceGetProperties(CUdevprop* properties, CUdevice ordinal) {
  return entry([&] {
    require(properties != nullptr);
    const Device& device = device_of(ordinal);
    const Profile& profile = device.architecture.profile;
    *properties = {profile.threads_per_block,
                   {1024, 1024, 64},
                   {0x7FFFFFFF, 65535, 65535},
                   static_cast<int>(profile.shared_per_block),
                   64 * 1024,
                   32,
                   kMaxPitch,
                   profile.registers_per_block,
                   device.architecture.clock_khz,
                   512};
  });
}

CUresult cuDeviceCanAccessPeer(int* possible, CUdevice device, CUdevice peer) {
  return entry([&] { return peer_access(possible, device, peer); });
}

CUresult cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attribute, CUdevice from, CUdevice to) {
  return entry([&] {
    driver();
    require(attribute >= CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK &&
            attribute <= CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED);
    require(from != to, CUDA_ERROR_INVALID_DEVICE);
    return peer_access(value, from, to);
  });
}

// There is nothing to profile with.
CUresult cuProfilerStart() {
  return entry([&] { current_context(); });
}

CUresult cuProfilerStop() {
  return entry([&] { current_context(); });
}

}  // namespace emulator
