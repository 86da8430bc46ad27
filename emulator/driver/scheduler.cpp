#include "driver/scheduler.hpp"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "driver/state.hpp"

namespace emulator {

Scheduler::Scheduler(int devices, std::uint64_t seed) : random_(seed) {
  // The workers leave every signal to the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < devices; ++i) {
    lanes_.push_back(std::make_unique<Lane>());
    std::thread([this, lane = lanes_.back().get()] { work(*lane); }).detach();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Scheduler::Lane& Scheduler::lane_of(const Operation& operation) {
  return *lanes_[static_cast<std::size_t>(operation.context->device.ordinal)];
}

void Scheduler::submit(const OperationPtr& operation, const std::vector<OperationPtr>& after) {
  const std::lock_guard lock(mutex_);
  ++operation->context->outstanding;
  for (const OperationPtr& earlier : after) {
    if (!earlier || earlier->done) continue;
    earlier->followers.push_back(operation);
    ++operation->waits_for;
  }
  if (operation->waits_for == 0) start(operation);
}

// A meeting point has nothing to run: it is over as soon as what it waits for is, even while its device is busy.
void Scheduler::start(const OperationPtr& operation) {
  if (!operation->work) {
    finish(operation);
    finished_.notify_all();
    return;
  }
  Lane& lane = lane_of(*operation);
  lane.ready.push_back(operation);
  lane.wake.notify_one();
}

bool Scheduler::done(const OperationPtr& operation) const {
  const std::lock_guard lock(mutex_);
  return !operation || operation->done;
}

bool Scheduler::done(const std::vector<OperationPtr>& operations) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(operations.begin(), operations.end(), [](const auto& each) { return !each || each->done; });
}

void Scheduler::wait(const std::vector<OperationPtr>& operations) {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] {
    return std::all_of(operations.begin(), operations.end(), [](const auto& each) { return !each || each->done; });
  });
  lock.unlock();
  for (const OperationPtr& each : operations) {
    if (each && each->context) each->context->printer.flush();
  }
}

void Scheduler::drain(const Context& context) {
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return context.outstanding == 0; });
  lock.unlock();
  context.printer.flush();
}

void Scheduler::set_seed(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  random_.seed(seed);
}

void Scheduler::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  const auto idle = [this] {
    return std::none_of(lanes_.begin(), lanes_.end(), [](auto& lane) { return lane->busy; });
  };
  finished_.wait_for(lock, std::chrono::seconds(2), idle);
}

OperationPtr Scheduler::take(Lane& lane) {
  const std::size_t choice = lane.ready.size() == 1 ? 0 : random_() % lane.ready.size();
  std::swap(lane.ready[choice], lane.ready.back());
  OperationPtr operation = std::move(lane.ready.back());
  lane.ready.pop_back();
  return operation;
}

void Scheduler::work(Lane& lane) {
  std::unique_lock lock(mutex_);
  for (;;) {
    lane.wake.wait(lock, [&] { return !lane.ready.empty() && !stopping_; });
    OperationPtr operation = take(lane);
    lane.busy = true;
    lock.unlock();
    run(operation);
    lock.lock();
    lane.busy = false;
    finish(operation);
    finished_.notify_all();
    // Destroying an operation may unload modules and release memory: not under the lock.
    lock.unlock();
    operation.reset();
    lock.lock();
  }
}

void Scheduler::run(const OperationPtr& operation) {
  Context& context = *operation->context;
  if (operation->even_after_fault || context.sticky == abi::CUDA_SUCCESS) {
    abi::CUresult result = abi::CUDA_ERROR_UNKNOWN;
    try {
      result = operation->work();
    } catch (const std::exception& error) {
      report_fault(std::string("the emulator failed: ") + error.what(), true);
    } catch (...) {
      report_fault("the emulator failed", true);
    }
    if (result != abi::CUDA_SUCCESS) context.poison(result);
  }
  operation->work = nullptr;
}

void Scheduler::finish(const OperationPtr& operation) {
  std::vector<OperationPtr> finishing{operation};
  while (!finishing.empty()) {
    const OperationPtr current = std::move(finishing.back());
    finishing.pop_back();
    current->done = true;
    current->finished = std::chrono::steady_clock::now();
    --current->context->outstanding;
    for (OperationPtr& follower : std::exchange(current->followers, {})) {
      if (--follower->waits_for > 0) continue;
      if (follower->work)
        start(follower);
      else
        finishing.push_back(std::move(follower));
    }
  }
}

}  // namespace emulator
