// Reading and writing safetensors files: eight bytes with the length of a JSON header, the header, the tensors' bytes.
// What is read is not trusted; what is written appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"

namespace osdn::safetensors {

enum class DType { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };

/// As the format writes it: "BF16".
[[nodiscard]] std::string_view name(DType dtype);
[[nodiscard]] std::size_t size_of(DType dtype);

/// `[1, 128, 2, 64]`
[[nodiscard]] std::string shape_text(const std::vector<std::int64_t>& shape);

/// What the header says of a tensor. Offsets count from the end of the header.
struct TensorInfo {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  [[nodiscard]] std::int64_t elements() const;
};

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, TensorInfo> tensors;
  std::uint64_t bytes = 0;  ///< of the length and the JSON: where the tensors' bytes begin
};

/// The longest header that is read; the format's own limit.
inline constexpr std::uint64_t max_header_bytes = 100'000'000;

/// Checks and reads a header. `file` holds at least the length and the header of a file of `file_bytes` bytes, or all
/// there is of it. Every tensor lies inside the file, none overlap, none are missing bytes, no name occurs twice.
/// Errors: corrupt, naming the field, what it was and what is allowed.
expected<Header> parse_header(std::span<const std::byte> file, std::uint64_t file_bytes);

struct Tensor {
  DType dtype = DType::f32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  [[nodiscard]] std::int64_t elements() const;
};

/// An open file whose header has been checked. Tensors are read when asked for.
class Reader {
 public:
  /// Errors: io, corrupt.
  static expected<Reader> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] const TensorInfo* find(std::string_view tensor) const;
  /// Errors: invalid_argument when there is no such tensor, io.
  expected<Tensor> load(std::string_view tensor) const;

 private:
  struct Descriptor;
  std::string path_;
  std::shared_ptr<const Descriptor> file_;
  Header header_;
};

/// Writes the whole file or nothing (whole_file.hpp). Errors: io, invalid_argument.
expected<void> write(const std::string& path, const std::map<std::string, std::string>& metadata,
                     const std::map<std::string, Tensor>& tensors);

}  // namespace osdn::safetensors
