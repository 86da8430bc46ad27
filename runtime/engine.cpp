// The public face.
#include "osdn/engine.hpp"

#include <utility>

#include "runtime/engine_state.hpp"

namespace osdn {

expected<Engine> Engine::create(const EngineOptions& options) {
  auto state = EngineState::create(options);
  if (!state) return std::move(state).error();
  return Engine(*std::move(state));
}

const DeviceDescription& Engine::device() const {
  return state_->description();
}

expected<PreparedOperation> Engine::prepare(const Problem& problem, const std::optional<Config>& config) {
  return state_->prepare(problem, config);
}

expected<DeviceBuffer> Engine::allocate(std::size_t bytes) {
  if (bytes == 0) return DeviceBuffer();
  auto address = state_->allocate(bytes);
  if (!address) return std::move(address).error();
  return DeviceBuffer(state_, *address, bytes);
}

expected<void> Engine::synchronize(Stream stream) {
  return state_->synchronize(stream);
}

CacheStatistics Engine::cache_statistics() const {
  return state_->cache_statistics();
}

std::uint64_t Engine::launches() const {
  return state_->device().launches().value();
}

DeviceBuffer::DeviceBuffer(std::shared_ptr<EngineState> engine, DevicePointer address, std::size_t bytes)
    : engine_(std::move(engine)), address_(address), bytes_(bytes) {}

DeviceBuffer::~DeviceBuffer() {
  if (engine_ && address_ != 0) engine_->free(address_, bytes_);
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : engine_(std::move(other.engine_)),
      address_(std::exchange(other.address_, 0)),
      bytes_(std::exchange(other.bytes_, 0)) {}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  std::swap(engine_, other.engine_);
  std::swap(address_, other.address_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

expected<void> DeviceBuffer::upload(const void* host) const {
  return bytes_ == 0 ? expected<void>() : engine_->upload(address_, host, bytes_);
}

expected<void> DeviceBuffer::download(void* host) const {
  return bytes_ == 0 ? expected<void>() : engine_->download(host, address_, bytes_);
}

const Problem& PreparedOperation::problem() const {
  return state_->plan().problem;
}
const Config& PreparedOperation::config() const {
  return state_->plan().config;
}
const std::vector<KernelReport>& PreparedOperation::kernels() const {
  return state_->reports();
}

std::size_t PreparedOperation::workspace_bytes(const Shape& shape) const {
  return state_->plan().workspace(shape).bytes;
}

expected<void> PreparedOperation::launch(const ForwardArguments& arguments, Stream stream) const {
  return state_->launch(arguments, stream);
}

expected<void> PreparedOperation::launch(const DecodeArguments& arguments, Stream stream) const {
  return state_->launch(arguments, stream);
}

std::shared_ptr<const PreparedState> PreparedState::as_found_in_memory() const {
  auto twin = std::make_shared<PreparedState>(*this);
  for (KernelReport& report : twin->reports_) report.source = runtime::name(runtime::Origin::memory);
  return twin;
}

}  // namespace osdn
