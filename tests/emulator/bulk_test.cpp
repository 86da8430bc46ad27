// Bulk copies of tensors (PTX ISA 9.7.9.25.5): boxes of random tensors against arithmetic on the host.
#include "bulk.hpp"

#include <bit>
#include <cmath>

namespace emulator::test {
namespace {

/// One entry for each rank. Loads: the box to shared memory at `base`, then shared memory as it is to `out`. Stores:
/// shared memory from `out`, then the box at `base` to the tensor.
std::string kernels() {
  std::string text = ".version 8.6\n.target sm_90a\n.address_size 64\n";
  for (unsigned rank = 1; rank <= 5; ++rank) {
    const std::string d = std::to_string(rank);
    std::string coordinates, fetch;
    for (unsigned i = 0; i < rank; ++i) {
      const std::string k = std::to_string(i);
      fetch += "ld.param.u32 c" + k + ", [at+" + std::to_string(4 * i) + "];\n";
      coordinates += (i == 0 ? "c" : ", c") + k;
    }
    const std::string begin = R"( (.param .align 64 .b8 map[128], .param .align 4 .b8 at[20], .param .u32 base,
    .param .u32 bytes, .param .u64 out, .param .u32 all) {
  .shared .align 1024 .b8 tile[40960];
  .shared .align 8 .b64 object;
  .reg .b32 c<5>, t, r<8>; .reg .b64 m, o, d; .reg .pred p, q;
  mov.b64 m, map;
  cvta.param.u64 m, m;
  ld.param.u64 o, [out];
  ld.param.u32 r0, [base];
  ld.param.u32 r1, [bytes];
  ld.param.u32 r2, [all];
  mov.u32 r3, tile;
  add.u32 r0, r0, r3;
  mov.u32 t, %tid.x;
  setp.ne.u32 p, t, 0;
)" + fetch;
    text += ".visible .entry load" + d + begin + R"(
  @p bra wait;
  mbarrier.init.shared.b64 [object], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared.b64 _, [object], r1;
  cp.async.bulk.tensor.)" +
            d + R"(d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [r0], [m, {)" + coordinates +
            R"(}], [object];
wait:
  bar.sync 0;
again:
  mbarrier.try_wait.parity.shared.b64 q, [object], 0;
  @!q bra again;
  shl.b32 t, t, 2;
copy:
  setp.ge.u32 q, t, r1;
  @q bra done;
  ld.param.u32 r4, [base];
  add.u32 r4, r4, t;
  add.u32 r5, r3, r4;
  ld.shared.u32 r6, [r5];
  cvt.u64.u32 d, r4;
  add.u64 d, d, o;
  st.global.u32 [d], r6;
  add.u32 t, t, 128;
  bra copy;
done:
  ret;
}
)";
    const auto store = [&](const std::string& name, const std::string& opcode, const std::string& op) {
      return ".visible .entry " + name + d + begin + R"(
  shl.b32 t, t, 2;
copy:
  setp.ge.u32 q, t, r2;
  @q bra done;
  cvt.u64.u32 d, t;
  add.u64 d, d, o;
  ld.global.u32 r6, [d];
  add.u32 r5, r3, t;
  st.shared.u32 [r5], r6;
  add.u32 t, t, 128;
  bra copy;
done:
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @p bra behind;
  )" + opcode +
             ".tensor." + d + "d.global.shared::cta" + op + R"(.tile.bulk_group [m, {)" + coordinates + R"(}], [r0];
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
behind:
  ret;
}
)";
    };
    text += store("store", "cp.async.bulk", "");
    for (const char* op : {"add", "min", "max"}) text += store(op, "cp.reduce.async.bulk", std::string(".") + op);
  }
  return text;
}

class BulkTensor : public Machine {
 protected:
  static constexpr std::uint32_t kRoom = 40960;

  void SetUp() override {
    profile_.major = 9;
    const auto refused = load(kernels());
    ASSERT_FALSE(refused) << refused->text();
  }

  /// Puts the tensor's bytes into device memory and the address into the map.
  std::uint8_t* place(Tile& tile, const std::vector<std::uint8_t>& bytes) {
    std::uint8_t* at = buffer(bytes);
    tile.map.address = reinterpret_cast<std::uint64_t>(at);
    return at;
  }

  std::optional<Fault> go(const std::string& kernel, const Tile& tile, std::uint32_t base, std::uint8_t* out) {
    schedule_ = random_();
    return launch(kernel + std::to_string(tile.map.rank),
                  Arguments().add(parameter_of(tile.map)).add(tile.at).add(base).add(tile.bytes()).add(out).add(kRoom));
  }

  std::vector<std::uint8_t> noise(std::uint64_t bytes) {
    std::vector<std::uint8_t> result(bytes);
    for (auto& each : result) each = static_cast<std::uint8_t>(random_());
    return result;
  }
  /// Boxes begin anywhere that is aligned, which moves the pattern of a swizzle.
  std::uint32_t base() { return static_cast<std::uint32_t>(random_() % 16) * 128; }

  std::uint64_t seed_ = fresh_seed();
  std::mt19937_64 random_{seed_};
};

constexpr std::uint8_t kTypes[] = {kU8, kU16, kU32, kS32, kF16, kF32, kF64, kBf16};

TEST_F(BulkTensor, LoadsBoxes) {
  SCOPED_TRACE(seed_);
  for (unsigned trial = 0; trial < 160; ++trial) {
    Tile tile = random_tile(random_, 1 + trial % 5, kTypes[random_() % std::size(kTypes)], trial / 5 % 4);
    const auto tensor = noise(tile.tensor_bytes);
    std::uint8_t* device = place(tile, tensor);
    auto* out = poisoned<std::uint8_t>(kRoom);
    const std::uint32_t first = base();
    const auto fault = go("load", tile, first, out);
    ASSERT_FALSE(fault) << fault->text();
    tile.each([&](std::uint32_t n, bool inside, std::uint64_t byte) {
      for (std::uint32_t k = 0; k < tile.element; ++k) {
        const std::uint32_t at = tile.place(first, n * tile.element + k);
        // A swizzle that begins in the middle of its pattern reaches beyond what is copied back.
        if (at < first || at >= first + tile.bytes()) continue;
        ASSERT_EQ(out[at], inside ? tensor[byte + k] : 0) << "element " << n << " of trial " << trial;
      }
    });
    for (void* each : {static_cast<void*>(device), static_cast<void*>(out)}) {
      memory_.release(reinterpret_cast<std::uint64_t>(each));
    }
  }
}

TEST_F(BulkTensor, StoresBoxes) {
  SCOPED_TRACE(seed_);
  for (unsigned trial = 0; trial < 120; ++trial) {
    Tile tile = random_tile(random_, 1 + trial % 5, kTypes[random_() % std::size(kTypes)], trial / 5 % 4);
    auto expected = noise(tile.tensor_bytes);
    const std::uint8_t* device = place(tile, expected);
    const auto shared = noise(kRoom);
    const std::uint32_t first = base();
    const auto fault = go("store", tile, first, buffer(shared));
    ASSERT_FALSE(fault) << fault->text();
    tile.each([&](std::uint32_t n, bool inside, std::uint64_t byte) {
      for (std::uint32_t k = 0; k < tile.element && inside; ++k) {
        expected[byte + k] = shared[tile.place(first, n * tile.element + k)];
      }
    });
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(device[i], expected[i]) << i << " of trial " << trial;
  }
}

/// Small whole numbers, whose sums every format holds.
template <class T, class To, class From>
void reductions(BulkTensor& /*test*/, std::mt19937_64& random, std::uint8_t type, To to, From from, auto run) {
  for (const std::string op : {"add", "min", "max"}) {
    Tile tile = random_tile(random, 1 + static_cast<unsigned>(random() % 5), type, static_cast<unsigned>(random() % 4));
    const auto numbers = [&](std::size_t count) {
      std::vector<T> result(count);
      for (T& each : result) each = to(static_cast<int>(random() % 200) - 100);
      return result;
    };
    run(op, tile, numbers(tile.tensor_bytes / sizeof(T)), numbers(40960 / sizeof(T)), from);
  }
}

TEST_F(BulkTensor, ReducesInMemory) {
  SCOPED_TRACE(seed_);
  const auto run = [&]<class T>(const std::string& op, Tile tile, std::vector<T> tensor, const std::vector<T>& shared,
                                auto from) {
    const T* device = buffer(tensor);
    tile.map.address = reinterpret_cast<std::uint64_t>(device);
    const auto fault = go(op, tile, 0, reinterpret_cast<std::uint8_t*>(buffer(shared)));
    ASSERT_FALSE(fault) << fault->text();
    std::vector<double> expected;
    for (const T each : tensor) expected.push_back(from(each));
    tile.each([&](std::uint32_t n, bool inside, std::uint64_t byte) {
      if (!inside) return;
      const double operand = from(shared[tile.place(0, n * tile.element) / sizeof(T)]);
      double& x = expected[byte / sizeof(T)];
      x = op == "add" ? x + operand : op == "min" ? std::min(x, operand) : std::max(x, operand);
    });
    for (std::size_t i = 0; i < tensor.size(); ++i) ASSERT_EQ(from(device[i]), expected[i]) << op << " " << i;
  };
  const auto bf16 = [](int v) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16);
  };
  const auto from_bf16 = [](std::uint16_t v) { return double{std::bit_cast<float>(std::uint32_t{v} << 16)}; };
  const auto f16 = [](int v) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
    if (v == 0) return std::uint16_t{0};
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 0xFF) - 112) << 10) |
                                      (bits >> 13 & 0x3FF));
  };
  const auto from_f16 = [](std::uint16_t v) {
    const double magnitude = std::ldexp((v & 0x3FF) | 0x400, (v >> 10 & 31) - 25);
    return (v & 0x7FFF) == 0 ? 0.0 : (v & 0x8000) != 0 ? -magnitude : magnitude;
  };
  reductions<std::uint16_t>(*this, random_, kBf16, bf16, from_bf16, run);
  reductions<std::uint16_t>(*this, random_, kF16, f16, from_f16, run);
  reductions<float>(
      *this, random_, kF32, [](int v) { return static_cast<float>(v); }, [](float v) { return double{v}; }, run);
  reductions<std::int32_t>(
      *this, random_, kS32, [](int v) { return v; }, [](int v) { return double{static_cast<double>(v)}; }, run);
}

TEST_F(BulkTensor, FillsWithNan) {
  Tile tile = random_tile(random_, 2, kBf16, 0);
  tile.map.fill_nan = 1;
  tile.map.dims = {16, 4};
  tile.map.strides[0] = 32;
  tile.map.box = {8, 4};
  tile.map.element_strides = {1, 1};
  tile.extent = {8, 4};
  tile.at = {12, -1};
  tile.tensor_bytes = 128;
  place(tile, std::vector<std::uint8_t>(128, 0));
  auto* out = poisoned<std::uint8_t>(kRoom);
  const auto fault = go("load", tile, 0, out);
  ASSERT_FALSE(fault) << fault->text();
  tile.each([&](std::uint32_t n, bool inside, std::uint64_t) {
    const unsigned bits = out[2 * n] | out[2 * n + 1] << 8;
    EXPECT_EQ((bits & 0x7FFFu) > 0x7F80u, !inside) << n << " " << bits;
  });
}

TEST_F(BulkTensor, RoundsToTf32) {
  Tile tile;
  tile.map.magic = TensorMap::kMagic;
  tile.map.data_type = kTf32;
  tile.map.rank = 1;
  tile.map.dims[0] = 16;
  tile.map.box[0] = 16;
  tile.map.element_strides[0] = 1;
  tile.extent = {16};
  tile.element = 4;
  std::vector<float> values;
  for (int i = 0; i < 16; ++i) values.push_back(1.0f + std::ldexp(static_cast<float>(2 * i - 15), -12));
  tile.map.address = reinterpret_cast<std::uint64_t>(buffer(values));
  auto* out = poisoned<std::uint8_t>(kRoom);
  const auto fault = go("load", tile, 0, out);
  ASSERT_FALSE(fault) << fault->text();
  for (std::size_t i = 0; i < 16; ++i) {
    const float x = values[i];
    const double unit = x < 1 ? std::ldexp(1.0, -11) : std::ldexp(1.0, -10);
    EXPECT_EQ(reinterpret_cast<const float*>(out)[i], static_cast<float>(std::round(x / unit) * unit)) << x;
  }
}

TEST_F(BulkTensor, Misuse) {
  const auto attempt = [&](auto change, Fault::Kind kind, const std::string& words) {
    Tile tile = random_tile(random_, 2, kF32, 0);
    place(tile, noise(tile.tensor_bytes));
    std::uint32_t first = 0;
    change(tile, first);
    const auto fault = go("load", tile, first, poisoned<std::uint8_t>(kRoom));
    ASSERT_TRUE(fault) << words;
    EXPECT_EQ(fault->kind, kind) << fault->text();
    EXPECT_NE(fault->text().find(words), std::string::npos) << fault->text();
  };
  const auto map = Fault::Kind::tensor_map;
  attempt([](Tile& t, std::uint32_t&) { t.map.magic = 7; }, map, "no tensor map");
  attempt([](Tile& t, std::uint32_t&) { t.map.interleave = 1; }, map, "interleaved");
  attempt(
      [](Tile& t, std::uint32_t&) {
        t.map.swizzle = 3;
        t.map.box[0] = 8;
      },
      map, "as wide as the swizzle");
  attempt([](Tile&, std::uint32_t& first) { first = 16; }, Fault::Kind::misaligned, "128 bytes");
  attempt([](Tile&, std::uint32_t& first) { first = 40960; }, Fault::Kind::out_of_bounds, "shared memory");
  attempt(
      [](Tile& t, std::uint32_t&) {
        t.map.dims[1] = 1 << 20;
        t.map.box[1] = 1;
        t.extent[1] = 1;
        t.at = {0, (1 << 20) - 1};
      },
      Fault::Kind::out_of_bounds, "bytes at address");
}

}  // namespace
}  // namespace emulator::test
