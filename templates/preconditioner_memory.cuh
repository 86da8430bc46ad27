// What a chunk of the preconditioner keeps in shared memory, each by its name; layout.cuh says how much room each has.
#pragma once

#include "device/element.cuh"
#include "layout.cuh"

namespace osdn {

template <class Traits>
struct PreconditionerMemory {
  static constexpr int C = solve_chunk(Traits::chunk);
  static constexpr PreconditionerChunkLayout layout = preconditioner_chunk_layout(Traits::K, C);
  static constexpr int t_stride = C + 4;
  static constexpr int d_stride = padded(Traits::K);
  static constexpr int gain_stride = padded(C);

  unsigned char* const ahead;   // of the chunk that is prepared or stepped through
  unsigned char* const moving;  // of d

  /// M, then the inverses of its diagonal blocks.
  float* t() const { return in_ahead<float>(layout.t); }

  // Tables of what each row has one of.
  float* b() const { return table(0); }        // β or 1; 0 behind the end
  float* mu() const { return table(1); }       // η b / n
  float* scale() const { return table(2); }    // r of the in-kernel L2 norm
  float* squares() const { return table(3); }  // |k|² of the normed key
  float* gamma() const { return table(4); }    // γ
  float* before() const { return table(5); }   // log γ summed over the rows of the block before this one
  float* through() const { return table(6); }  // the same, this one included
  float* head() const { return table(7); }     // exp(before): from the block's first row
  float* tail() const { return table(8); }     // to the block's end, from behind this row
  float* read() const { return table(9); }     // b r²
  float* write() const { return table(10); }   // μ r²

  // Of each warp, or block of 16 rows.
  float* parts_of_squares() const { return in_ahead<float>(layout.squares); }
  unsigned* largest() const { return in_ahead<unsigned>(layout.largest); }  // of |M|
  float* decay() const { return in_ahead<float>(layout.largest) + 4; }      // of each block

  // What moves with d.
  float* sums() const { return in_moving<float>(layout.sums); }
  float* solution() const { return in_moving<float>(layout.solution); }
  float* d() const { return in_moving<float>(layout.d); }
  unsigned short* d_columns() const { return in_moving<unsigned short>(layout.d_columns); }
  unsigned short* gains() const { return in_moving<unsigned short>(layout.gains); }
  float* reduction() const { return in_moving<float>(layout.reduction); }

 private:
  template <class T>
  T* in_ahead(int offset) const {
    return reinterpret_cast<T*>(ahead + offset);
  }
  template <class T>
  T* in_moving(int offset) const {
    return reinterpret_cast<T*>(moving + offset);
  }
  float* table(int n) const { return in_ahead<float>(layout.rows) + n * C; }
};

}  // namespace osdn
