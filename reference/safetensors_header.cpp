// The header of a safetensors file, read event by event: a name that occurs twice, a depth that the format does not
// have or a number out of range is an error where it stands, before anything is built from it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "reference/safetensors.hpp"

namespace osdn::safetensors {
namespace {

struct DTypeName {
  DType dtype;
  std::string_view name;
  std::size_t bytes;
};

constexpr std::array<DTypeName, 15> dtypes = {{{DType::boolean, "BOOL", 1},
                                               {DType::u8, "U8", 1},
                                               {DType::i8, "I8", 1},
                                               {DType::f8_e5m2, "F8_E5M2", 1},
                                               {DType::f8_e4m3, "F8_E4M3", 1},
                                               {DType::i16, "I16", 2},
                                               {DType::u16, "U16", 2},
                                               {DType::f16, "F16", 2},
                                               {DType::bf16, "BF16", 2},
                                               {DType::i32, "I32", 4},
                                               {DType::u32, "U32", 4},
                                               {DType::f32, "F32", 4},
                                               {DType::f64, "F64", 8},
                                               {DType::i64, "I64", 8},
                                               {DType::u64, "U64", 8}}};

Error corrupt(std::string message) {
  return {ErrorCode::corrupt, std::move(message), {}};
}

/// A name out of an untrusted file, fit to be printed: short, without control characters.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  if (text.size() > 80) out += "…";
  return out;
}

/// a·b, or nothing when it leaves 63 bits.
std::optional<std::int64_t> multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// Receives nlohmann's parser events and builds the header. The format is an object of objects: `__metadata__` maps
/// strings to strings; every other member is {dtype, shape, data_offsets}.
class HeaderBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  [[nodiscard]] const std::string& message() const { return message_; }
  Header take() { return std::move(header_); }

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(number_integer_t value) override { return refuse(fmt::format("the negative number {}", value)); }
  bool number_float(number_float_t, const string_t& text) override {
    return refuse(fmt::format("the number {}", shown(text)));
  }
  bool binary(binary_t&) override { return refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return refuse(fmt::format("{}, which leaves 63 bits", value));
    }
    if (place_ == Place::shape) {
      if (tensor_.shape.size() == max_rank) return fail("{}: more than {} dimensions", field_name(), max_rank);
      tensor_.shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (place_ == Place::offsets) {
      if (offsets_seen_ == 2) return fail("{} has more than two numbers; allowed: [begin, end]", field_name());
      (offsets_seen_ == 0 ? tensor_.begin : tensor_.end) = value;
      ++offsets_seen_;
      return true;
    }
    return refuse(fmt::format("the number {}", value));
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = std::move(value);
      return true;
    }
    if (place_ != Place::dtype) return refuse("a string");
    const auto* found = std::find_if(dtypes.begin(), dtypes.end(), [&](const auto& d) { return d.name == value; });
    if (found == dtypes.end()) {
      std::vector<std::string_view> names;
      for (const auto& dtype : dtypes) names.push_back(dtype.name);
      return fail("{} is \"{}\"; allowed: {}", field_name(), shown(value), fmt::join(names, ", "));
    }
    tensor_.dtype = found->dtype;
    place_ = Place::tensor;
    return true;
  }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::start:
        place_ = Place::top;
        return true;
      case Place::member:
        place_ = tensor_name_ == "__metadata__" ? Place::metadata : Place::tensor;
        tensor_ = {};
        seen_ = {};
        return true;
      default:
        return refuse("an object");
    }
  }

  bool key(string_t& value) override {
    switch (place_) {
      case Place::top:
        tensor_name_ = value;
        place_ = Place::member;
        if (value == "__metadata__") return !std::exchange(metadata_seen_, true) || twice(value);
        return header_.tensors.count(value) == 0 || twice(value);
      case Place::metadata:
        key_ = value;
        return header_.metadata.count(value) == 0 || twice("__metadata__." + value);
      case Place::tensor:
        return tensor_key(value);
      default:
        return refuse("a key");
    }
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      for (std::size_t i = 0; i < seen_.size(); ++i) {
        if (!seen_[i]) return fail("tensor {} has no {}", shown(tensor_name_), tensor_keys[i]);
      }
      header_.tensors.emplace(tensor_name_, std::move(tensor_));
    }
    place_ = place_ == Place::top ? Place::end : Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::shape_value)
      place_ = Place::shape;
    else if (place_ == Place::offsets_value)
      place_ = Place::offsets;
    else
      return refuse("an array");
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_seen_ != 2) {
      return fail("{} has {} numbers; allowed: [begin, end]", field_name(), offsets_seen_);
    }
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    return fail("the header is not JSON at byte {}: {}", position, shown(error.what()));
  }

 private:
  enum class Place { start, top, member, metadata, tensor, dtype, shape_value, shape, offsets_value, offsets, end };
  static constexpr std::size_t max_rank = 32;
  static constexpr std::array<std::string_view, 3> tensor_keys = {"dtype", "shape", "data_offsets"};

  bool tensor_key(const std::string& value) {
    const auto* found = std::find(tensor_keys.begin(), tensor_keys.end(), value);
    if (found == tensor_keys.end()) {
      return fail("tensor {} has the field {}; allowed: dtype, shape, data_offsets", shown(tensor_name_), shown(value));
    }
    const auto index = static_cast<std::size_t>(found - tensor_keys.begin());
    if (std::exchange(seen_[index], true)) return twice(tensor_name_ + "." + value);
    constexpr std::array<Place, 3> next = {Place::dtype, Place::shape_value, Place::offsets_value};
    place_ = next[index];
    offsets_seen_ = 0;
    return true;
  }

  [[nodiscard]] std::string field_name() const {
    switch (place_) {
      case Place::metadata:
        return "__metadata__." + shown(key_);
      case Place::dtype:
        return shown(tensor_name_) + ".dtype";
      case Place::shape_value:
      case Place::shape:
        return shown(tensor_name_) + ".shape";
      case Place::offsets_value:
      case Place::offsets:
        return shown(tensor_name_) + ".data_offsets";
      case Place::member:
      case Place::tensor:
        return shown(tensor_name_);
      default:
        return "the header";
    }
  }

  [[nodiscard]] std::string_view allowed() const {
    switch (place_) {
      case Place::metadata:
        return "a string";
      case Place::dtype:
        return "the name of a type as a string";
      case Place::shape_value:
      case Place::shape:
        return "an array of numbers, 0 and more";
      case Place::offsets_value:
      case Place::offsets:
        return "[begin, end], 0 and more";
      default:
        return "an object";
    }
  }

  template <class... Arguments>
  bool fail(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    message_ = fmt::format(format, std::forward<Arguments>(arguments)...);
    return false;
  }
  bool refuse(std::string_view what) { return fail("{} is {}; allowed: {}", field_name(), what, allowed()); }
  bool twice(std::string_view what) { return fail("{} occurs twice in the header; allowed: once", shown(what)); }

  Header header_;
  Place place_ = Place::start;
  std::string tensor_name_;
  std::string key_;
  TensorInfo tensor_;
  std::array<bool, 3> seen_ = {};
  int offsets_seen_ = 0;
  bool metadata_seen_ = false;
  std::string message_;
};

expected<void> check_extent(const std::string& tensor, const TensorInfo& info, std::uint64_t data_bytes) {
  if (info.begin > info.end || info.end > data_bytes) {
    return corrupt(
        fmt::format("{}.data_offsets is [{}, {}]; allowed: within the {} bytes of data in the file (truncated?)",
                    shown(tensor), info.begin, info.end, data_bytes));
  }
  std::optional<std::int64_t> bytes = static_cast<std::int64_t>(size_of(info.dtype));
  for (const std::int64_t size : info.shape) bytes = bytes ? multiply(*bytes, size) : std::nullopt;
  if (!bytes) {
    return corrupt(fmt::format("{}.shape is {}; allowed: sizes whose product stays within 63 bits", shown(tensor),
                               shape_text(info.shape)));
  }
  if (static_cast<std::uint64_t>(*bytes) != info.end - info.begin) {
    return corrupt(fmt::format("{}.data_offsets is [{}, {}], {} bytes; allowed: {} bytes for {} {}", shown(tensor),
                               info.begin, info.end, info.end - info.begin, *bytes, name(info.dtype),
                               shape_text(info.shape)));
  }
  return {};
}

/// The tensors, in the order of their offsets, follow each other without overlap or gap to the end of the file.
expected<void> check_layout(const Header& header, std::uint64_t data_bytes) {
  std::vector<std::pair<const std::string*, const TensorInfo*>> order;
  for (const auto& [tensor, info] : header.tensors) {
    if (auto ok = check_extent(tensor, info, data_bytes); !ok) return ok;
    order.emplace_back(&tensor, &info);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  std::uint64_t expected_begin = 0;
  std::string previous = "the header";
  for (const auto& [tensor, info] : order) {
    if (info->begin != expected_begin) {
      return corrupt(fmt::format(
          "{}.data_offsets is [{}, {}], which {} {}; allowed: to begin at {}", shown(*tensor), info->begin, info->end,
          info->begin < expected_begin ? "overlaps" : "leaves a gap after", previous, expected_begin));
    }
    expected_begin = info->end;
    previous = shown(*tensor);
  }
  if (expected_begin != data_bytes) {
    return corrupt(fmt::format("the file has {} bytes of data; allowed: {}, which is what its tensors take", data_bytes,
                               expected_begin));
  }
  return {};
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) elements *= size;  // within 63 bits: checked when read
  return elements;
}

}  // namespace

std::string_view name(DType dtype) {
  return dtypes[static_cast<std::size_t>(dtype)].name;
}

std::size_t size_of(DType dtype) {
  return dtypes[static_cast<std::size_t>(dtype)].bytes;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

std::int64_t TensorInfo::elements() const {
  return product(shape);
}

std::int64_t Tensor::elements() const {
  return product(shape);
}

expected<Header> parse_header(std::span<const std::byte> file, std::uint64_t file_bytes) {
  if (file_bytes < 8 || file.size() < 8) {
    return corrupt(fmt::format("the file has {} bytes; allowed: at least the 8 of the header's length", file_bytes));
  }
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = (length << 8) | std::to_integer<std::uint64_t>(file[i]);
  const std::uint64_t most = std::min({max_header_bytes, file_bytes - 8, std::uint64_t{file.size() - 8}});
  if (length > most) {
    return corrupt(fmt::format("the header's length is {} bytes; allowed: at most {} in this file of {} bytes", length,
                               most, file_bytes));
  }
  const auto* text = reinterpret_cast<const char*>(file.data()) + 8;
  if (length == 0 || text[0] != '{') return corrupt("the header does not begin with {; allowed: a JSON object");

  HeaderBuilder builder;
  if (!nlohmann::json::sax_parse(text, text + length, &builder)) return corrupt(builder.message());
  Header header = builder.take();
  header.bytes = 8 + length;
  if (auto ok = check_layout(header, file_bytes - header.bytes); !ok) return ok.error();
  return header;
}

}  // namespace osdn::safetensors
