// Asynchronous copies from global to shared memory. PTX ISA: cp.async (9.7.8.25).
#pragma once

namespace osdn {

inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

/// Copies 16 bytes, or writes 16 zero bytes without reading when `valid` is false. Both addresses 16-byte aligned.
inline void copy_async_16(void* shared, const void* global, bool valid) {
  const int source_bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(shared)), "l"(__cvta_generic_to_global(global)), "r"(source_bytes)
               : "memory");
}

/// Closes the group of copies this thread has issued since the last call; a group may be empty.
inline void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/// Waits until at most `pending` of this thread's latest groups are still in flight. Other threads' copies are visible
/// only after a barrier.
template <int pending>
inline void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

/// Loads `Rows` rows of `Columns` elements into shared memory with a group of threads that begins at a multiple of its
/// size. Rows from `valid_rows` on are zeros and are not read: they may belong to another sequence.
template <int Rows, int Columns, int Stride, int Threads, class T>
inline void copy_tile_async(T* shared, const T* global, long long row_stride, int valid_rows) {
  constexpr int per_vector = 16 / sizeof(T);
  constexpr int vectors_per_row = Columns / per_vector;
  const int thread = threadIdx.x % Threads;
  if constexpr (Threads % vectors_per_row == 0 && Rows % (Threads / vectors_per_row) == 0) {
    // Every thread keeps its column.
    constexpr int step = Threads / vectors_per_row;
    int row = thread / vectors_per_row;
    const T* from = global + row * row_stride + thread % vectors_per_row * per_vector;
    T* to = shared + row * Stride + thread % vectors_per_row * per_vector;
#pragma unroll 2
    for (int i = 0; i < Rows / step; ++i) {
      copy_async_16(to + i * step * Stride, from, row < valid_rows);
      row += step;
      from += step * row_stride;
    }
  } else {
#pragma unroll 2
    for (int i = thread; i < Rows * vectors_per_row; i += Threads) {
      const int row = i / vectors_per_row;
      const int column = (i % vectors_per_row) * per_vector;
      const bool valid = row < valid_rows;
      copy_async_16(shared + row * Stride + column, global + (valid ? row * row_stride + column : 0), valid);
    }
  }
}

}  // namespace osdn
