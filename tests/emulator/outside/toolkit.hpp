// A CUDA toolkit, where there is one: its headers, and what compiles them to PTX.
#pragma once

#include <string>
#include <vector>

namespace emulator::test {

/// What became of a source.
struct Compiled {
  std::string ptx;
  std::string log;      ///< of the compiler, when ptx is empty
  std::string missing;  ///< why nothing was compiled: what the machine lacks
};

/// Compiles a source of this folder once per process, with the toolkit's NVRTC or else its nvcc. The toolkit is that of
/// CUDA_PATH or CUDA_HOME, else /usr/local/cuda.
const Compiled& compile(const std::string& file, const std::string& arch = "compute_80",
                        const std::vector<std::string>& options = {});

/// The same by `nvcc -ptx`, which takes other ways through the headers and has options of its own.
const Compiled& compile_with_nvcc(const std::string& file, const std::string& arch,
                                  const std::vector<std::string>& options);

/// What a host compiler makes of a source of this folder: a shared library, loaded with the emulator's entries of the
/// driver at hand. `missing` says why there is none.
struct HostLibrary {
  void* handle = nullptr;
  std::string missing;
};
const HostLibrary& compile_for_host(const std::string& file, const std::vector<std::string>& options);

/// The folder of CUTLASS's headers: OSDN_CUTLASS_INCLUDE, or an installed Python package; empty when there is none.
std::string cutlass_include();

}  // namespace emulator::test
