// Panels: 64 columns of 16-bit elements, 128 bytes a row, any multiple of 8 rows, as the copy engine writes and wgmma
// reads them with the 128-byte swizzle: in row r, the 16-byte chunk c lies in the place of chunk c ^ (r % 8)
// (PTX ISA 5.5.6). A wider matrix is panel behind panel. Panels begin at multiples of 1,024 bytes.
#pragma once

namespace osdn {

inline constexpr int panel_columns = 64;
inline constexpr int panel_row = 128;  // bytes

template <int Rows>
constexpr int panel_bytes() {
  return Rows * panel_row;
}

/// Byte offset of 16-byte chunk `chunk` (0 … 7) of a row within its panel.
inline int panel_chunk(int row, int chunk) {
  return row * panel_row + ((chunk ^ (row & 7)) << 4);
}

/// Byte offset of an element of a matrix of panels with `Rows` rows.
template <int Rows>
inline int panel_offset(int row, int column) {
  return column / panel_columns * panel_bytes<Rows>() + panel_chunk(row, column % panel_columns / 8) + column % 8 * 2;
}

}  // namespace osdn
