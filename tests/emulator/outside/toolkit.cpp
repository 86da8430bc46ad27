#include "toolkit.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace emulator::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Toolkit {
  fs::path root;
  std::vector<std::string> includes;
  void* nvrtc = nullptr;
  std::string nvcc;
  std::string missing;
};

std::vector<fs::path> roots() {
  std::vector<fs::path> result;
  for (const char* name : {"CUDA_PATH", "CUDA_HOME"}) {
    if (const char* value = std::getenv(name)) result.emplace_back(value);
  }
  result.emplace_back("/usr/local/cuda");
  return result;
}

Toolkit find_toolkit() {
  Toolkit result;
  for (const fs::path& root : roots()) {
    const fs::path include = root / "include";
    if (!fs::exists(include / "cuda_fp16.h")) continue;
    result.root = root;
    // From CUDA 13 on, CUB and libcu++ lie in a folder of their own.
    if (fs::exists(include / "cccl")) result.includes.push_back((include / "cccl").string());
    result.includes.push_back(include.string());
    for (const char* folder : {"lib64", "lib", "targets/x86_64-linux/lib"}) {
      if (result.nvrtc == nullptr) {
        result.nvrtc = dlopen((root / folder / "libnvrtc.so").c_str(), RTLD_NOW | RTLD_LOCAL);
      }
    }
    if (fs::exists(root / "bin" / "nvcc")) result.nvcc = (root / "bin" / "nvcc").string();
    break;
  }
  if (result.root.empty()) {
    result.missing = "no CUDA toolkit with headers: set CUDA_PATH to one to run foreign kernels";
  } else if (result.nvrtc == nullptr && result.nvcc.empty()) {
    result.missing = "the toolkit in " + result.root.string() + " has neither libnvrtc.so nor nvcc";
  }
  return result;
}

const Toolkit& toolkit() {
  static const Toolkit found = find_toolkit();
  return found;
}

template <class F>
F symbol(const char* name) {
  return reinterpret_cast<F>(dlsym(toolkit().nvrtc, name));
}

Compiled by_nvrtc(const std::string& file, const std::string& arch, const std::vector<std::string>& options) {
  const auto create =
      symbol<int (*)(void**, const char*, const char*, int, const char**, const char**)>("nvrtcCreateProgram");
  const auto build = symbol<int (*)(void*, int, const char**)>("nvrtcCompileProgram");
  const auto ptx_size = symbol<int (*)(void*, std::size_t*)>("nvrtcGetPTXSize");
  const auto ptx = symbol<int (*)(void*, char*)>("nvrtcGetPTX");
  const auto log_size = symbol<int (*)(void*, std::size_t*)>("nvrtcGetProgramLogSize");
  const auto program_log = symbol<int (*)(void*, char*)>("nvrtcGetProgramLog");
  const auto destroy = symbol<int (*)(void**)>("nvrtcDestroyProgram");
  Compiled result;
  void* program = nullptr;
  const std::string source = read_file(fs::path(OSDN_OUTSIDE_SOURCES) / file);
  if (create(&program, source.c_str(), file.c_str(), 0, nullptr, nullptr) != 0) {
    result.log = "nvrtcCreateProgram failed";
    return result;
  }
  std::vector<std::string> all{"-arch=" + arch, "-std=c++17", "-default-device", "--device-int128"};
  for (const std::string& include : toolkit().includes) all.push_back("--include-path=" + include);
  all.insert(all.end(), options.begin(), options.end());
  std::vector<const char*> words;
  for (const std::string& option : all) words.push_back(option.c_str());
  const bool good = build(program, static_cast<int>(words.size()), words.data()) == 0;
  std::size_t size = 0;
  log_size(program, &size);
  result.log.resize(size);
  program_log(program, result.log.data());
  if (good && ptx_size(program, &size) == 0) {
    result.ptx.resize(size);
    ptx(program, result.ptx.data());
  }
  destroy(&program);
  return result;
}

std::string quoted(const std::string& word) {
  return std::string(1, '\'').append(word).append(1, '\'');
}

Compiled by_nvcc(const std::string& file, const std::string& arch, const std::vector<std::string>& options) {
  Compiled result;
  std::ostringstream name;
  name << "osdn-outside-" << getpid() << '-' << file << '-' << arch << ".ptx";
  const fs::path output = fs::temp_directory_path() / name.str();
  std::ostringstream command;
  command << quoted(toolkit().nvcc) << " -ptx -std=c++17 -arch=" << arch;
  for (const std::string& option : options) command << ' ' << quoted(option);
  command << ' ' << quoted((fs::path(OSDN_OUTSIDE_SOURCES) / file).string()) << " -o " << quoted(output.string())
          << " 2>&1";
  if (FILE* pipe = popen(command.str().c_str(), "r")) {
    char line[256];
    while (std::fgets(line, sizeof(line), pipe) != nullptr) result.log += line;
    if (pclose(pipe) == 0) result.ptx = read_file(output);
  }
  fs::remove(output);
  return result;
}

using Key = std::vector<std::string>;

template <class F>
const Compiled& once(const char* how, const std::string& file, const std::string& arch,
                     const std::vector<std::string>& options, F make) {
  static std::map<Key, Compiled> known;
  Key key{how, file, arch};
  key.insert(key.end(), options.begin(), options.end());
  const auto [found, fresh] = known.try_emplace(std::move(key));
  if (fresh) found->second = make();
  return found->second;
}

}  // namespace

const Compiled& compile(const std::string& file, const std::string& arch, const std::vector<std::string>& options) {
  return once("nvrtc", file, arch, options, [&] {
    if (!toolkit().missing.empty()) return Compiled{{}, {}, toolkit().missing};
    return toolkit().nvrtc != nullptr ? by_nvrtc(file, arch, options) : by_nvcc(file, arch, options);
  });
}

const Compiled& compile_with_nvcc(const std::string& file, const std::string& arch,
                                  const std::vector<std::string>& options) {
  return once("nvcc", file, arch, options, [&] {
    if (!toolkit().missing.empty()) return Compiled{{}, {}, toolkit().missing};
    if (toolkit().nvcc.empty()) return Compiled{{}, {}, "the toolkit in " + toolkit().root.string() + " has no nvcc"};
    return by_nvcc(file, arch, options);
  });
}

const HostLibrary& compile_for_host(const std::string& file, const std::vector<std::string>& options) {
  static std::map<std::string, HostLibrary> known;
  const auto [found, fresh] = known.try_emplace(file);
  HostLibrary& result = found->second;
  if (!fresh) return result;
  result.missing = toolkit().missing;
  if (!result.missing.empty()) return result;
  // It finds the driver's entries in what was loaded before.
  void* driver = dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
  const auto begin = driver == nullptr ? nullptr : reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  if (begin == nullptr || begin(0) != 0) {
    result.missing = std::string("the emulator's library does not load: ") + OSDN_EMULATOR_LIBRARY;
    return result;
  }
  const fs::path output = fs::temp_directory_path() / ("osdn-outside-" + std::to_string(getpid()) + "-" + file + ".so");
  std::ostringstream command;
  command << "c++ -x c++ -std=c++17 -w -O0 -fPIC -shared";
  for (const std::string& include : toolkit().includes) command << " -I" << quoted(include);
  for (const std::string& option : options) command << ' ' << quoted(option);
  command << ' ' << quoted((fs::path(OSDN_OUTSIDE_SOURCES) / file).string()) << " -o " << quoted(output.string())
          << " 2>&1";
  std::string log;
  if (FILE* pipe = popen(command.str().c_str(), "r")) {
    char line[256];
    while (std::fgets(line, sizeof(line), pipe) != nullptr) log += line;
    if (pclose(pipe) == 0) result.handle = dlopen(output.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
  if (result.handle == nullptr) result.missing = "no library of " + file + ": " + log;
  fs::remove(output);
  return result;
}

std::string cutlass_include() {
  if (const char* named = std::getenv("OSDN_CUTLASS_INCLUDE")) return named;
  // The wheel nvidia-cutlass installs its headers below the package cutlass_library.
  const char* question =
      "python3 -c \"import cutlass_library, pathlib;"
      "print(pathlib.Path(cutlass_library.__file__).parent / 'source' / 'include')\" 2>/dev/null";
  char line[1024] = {};
  if (FILE* pipe = popen(question, "r")) {
    if (std::fgets(line, sizeof(line), pipe) == nullptr) line[0] = 0;
    pclose(pipe);
  }
  std::string path = line;
  while (!path.empty() && path.back() == '\n') path.pop_back();
  return !path.empty() && fs::exists(fs::path(path) / "cute" / "tensor.hpp") ? path : std::string();
}

}  // namespace emulator::test
