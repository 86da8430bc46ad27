// The one table of instructions: what the emulator executes, where the PTX ISA manual (9.1) describes it, which
// modifiers it takes, and what builds it. An instruction that fits no row is refused when a module is loaded.
#include <unordered_map>

#include "execute/bulk.hpp"
#include "ptx/builders.hpp"
#include "ptx/cost.hpp"

namespace emulator::ptx {
namespace {

using I = IntegerOp;
using F = FloatOp;
constexpr int op(IntegerOp o) {
  return static_cast<int>(o);
}
constexpr int op(FloatOp o) {
  return static_cast<int>(o);
}

#define INTEGER_TYPES "type=u16|s16|u32|s32|u64|s64"
#define LOGIC_TYPES "type=b16|b32|b64"
#define ROUNDING "?round=rn|rz|rm|rp"
#define COMPARISONS "cmp=eq|ne|lt|le|gt|ge|lo|ls|hi|hs|equ|neu|ltu|leu|gtu|geu|num|nan"
#define COMPARE_TYPES "type=b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64"
#define MEMORY_TYPES "type=b8|u8|s8|b16|u16|s16|b32|u32|s32|f32|b64|u64|s64|f64"
#define SPACES "?space=global|shared|shared::cta|shared::cluster|local|const|param|param::entry|param::func"
#define ORDER "?order=weak|relaxed|acquire|release|acq_rel|volatile|mmio"
#define SCOPE "?scope=cta|cluster|gpu|sys"
#define CACHE "?cache=ca|cg|cs|cv|lu|wb|wt"
#define EVICTION                                                                             \
  "?l1=L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate " \
  "?l2=L2::evict_normal|L2::evict_first|L2::evict_last ?hint=L2::cache_hint ?prefetch=L2::64B|L2::128B|L2::256B"
#define VIDEO "dtype=u32|s32 atype=u32|s32 btype=u32|s32 ?sat ?second=add|min|max"
#define VIDEO_PARTS "dtype=u32|s32 atype=u32|s32 btype=u32|s32 ?sat ?add"
#define HALVES "type=f16|f16x2|bf16|bf16x2"
#define WMMA_SHAPES "shape=m16n16k16|m32n8k16|m8n32k16|m16n16k8|m8n8k4"
#define MBARRIER_ORDER "?order=relaxed|acquire|release ?scope=cta|cluster "
#define SHARED "?space=shared|shared::cta|shared::cluster "
// The number of matrices and .trans are accepted in front of the shape as well.
#define MATRICES "?count=x1|x2|x4 ?trans m8n8 ?count=x1|x2|x4 ?trans "
#define TO_BARRIER "completion=mbarrier::complete_tx::bytes "
#define TENSOR "async bulk tensor dim=1d|2d|3d|4d|5d "
#define LOAD_MODE "?mode=tile|tile::gather4|im2col|im2col::w|im2col::w::128 "
#define MATRIX_SHAPES "shape=m16n8k16|m16n8k8|m16n8k4|m8n8k4|m16n8k32|m8n8k16"

const std::vector<Row>& rows() {
  using namespace build;
  static const std::vector<Row> table = {
      // Integer arithmetic
      {"add", "9.7.1.1", INTEGER_TYPES "|u16x2|s16x2", integer_binary, op(I::add)},
      {"add", "9.7.1.1", "sat type=s32", integer_saturating, op(I::add)},
      {"sub", "9.7.1.2", INTEGER_TYPES, integer_binary, op(I::sub)},
      {"sub", "9.7.1.2", "sat type=s32", integer_saturating, op(I::sub)},
      {"mul", "9.7.1.3", "half=lo|hi|wide " INTEGER_TYPES, multiply, 0},
      {"mad", "9.7.1.4", "half=lo|hi|wide " INTEGER_TYPES, multiply, 1},
      {"mad", "9.7.1.4", "hi sat type=s32", integer_saturating, op(I::mad_hi)},
      {"mul24", "9.7.1.5", "half=lo|hi type=u32|s32", multiply_24, 0},
      {"mad24", "9.7.1.6", "half=lo|hi type=u32|s32", multiply_24, 1},
      {"sad", "9.7.1.7", INTEGER_TYPES, integer_ternary, op(I::sad)},
      {"div", "9.7.1.8", INTEGER_TYPES, integer_binary, op(I::div)},
      {"rem", "9.7.1.9", INTEGER_TYPES, integer_binary, op(I::rem)},
      {"abs", "9.7.1.10", "type=s16|s32|s64", integer_unary, op(I::abs)},
      {"neg", "9.7.1.11", "type=s16|s32|s64", integer_unary, op(I::neg)},
      {"min", "9.7.1.12", INTEGER_TYPES "|u16x2|s16x2", integer_binary, op(I::min)},
      {"min", "9.7.1.12", "relu type=s16x2|s32", extreme_relu},
      {"max", "9.7.1.13", INTEGER_TYPES "|u16x2|s16x2", integer_binary, op(I::max)},
      {"max", "9.7.1.13", "relu type=s16x2|s32", extreme_relu},
      {"popc", "9.7.1.14", "type=b32|b64", count_bits, op(I::popc)},
      {"clz", "9.7.1.15", "type=b32|b64", count_bits, op(I::clz)},
      {"bfind", "9.7.1.16", "?shiftamt type=u32|s32|u64|s64", find_bit},
      {"fns", "9.7.1.17", "type=b32", find_nth_set},
      {"brev", "9.7.1.18", "type=b32|b64", integer_unary, op(I::brev)},
      {"bfe", "9.7.1.19", "type=u32|s32|u64|s64", bit_field_extract},
      {"bfi", "9.7.1.20", "type=b32|b64", bit_field_insert},
      {"szext", "9.7.1.21", "mode=clamp|wrap type=u32|s32", bit_mask, op(I::szext)},
      {"bmsk", "9.7.1.22", "mode=clamp|wrap type=b32", bit_mask, op(I::bmsk)},
      {"dp4a", "9.7.1.23", "atype=u32|s32 btype=u32|s32", dot_product, op(I::dp4a)},
      {"dp2a", "9.7.1.24", "half=lo|hi atype=u32|s32 btype=u32|s32", dot_product, op(I::dp2a)},
      // Extended-precision integer arithmetic
      {"add", "9.7.2.1", "cc type=u32|s32|u64|s64|b32|b64", carry, op(I::add_cc)},
      {"addc", "9.7.2.2", "?cc type=u32|s32|u64|s64|b32|b64", carry, op(I::addc)},
      {"sub", "9.7.2.3", "cc type=u32|s32|u64|s64|b32|b64", carry, op(I::sub_cc)},
      {"subc", "9.7.2.4", "?cc type=u32|s32|u64|s64|b32|b64", carry, op(I::subc)},
      {"mad", "9.7.2.5", "half=lo|hi cc type=u32|s32|u64|s64", carry, op(I::mad_lo_cc)},
      {"madc", "9.7.2.6", "half=lo|hi ?cc type=u32|s32|u64|s64", carry, op(I::madc_lo)},
      // Floating point
      {"testp", "9.7.3.1", "property=finite|infinite|number|notanumber|normal|subnormal type=f32|f64", float_test},
      {"copysign", "9.7.3.2", "type=f32|f64", float_binary, op(F::copysign)},
      {"add", "9.7.3.3", ROUNDING " ?ftz ?sat type=f32|f64", float_binary, op(F::add)},
      {"sub", "9.7.3.4", ROUNDING " ?ftz ?sat type=f32|f64", float_binary, op(F::sub)},
      {"mul", "9.7.3.5", ROUNDING " ?ftz ?sat type=f32|f64", float_binary, op(F::mul)},
      {"fma", "9.7.3.6", "round=rn|rz|rm|rp ?ftz ?sat type=f32|f64", float_fma},
      {"mad", "9.7.3.7", ROUNDING " ?ftz ?sat type=f32|f64", float_fma},
      {"div", "9.7.3.8", "round=rn|rz|rm|rp ?ftz type=f32|f64", float_binary, op(F::div)},
      {"div", "9.7.3.8", "round=approx|full ?ftz type=f32", float_approximate, op(F::div)},
      {"abs", "9.7.3.9", "?ftz type=f32|f64", float_unary, op(F::abs)},
      {"neg", "9.7.3.10", "?ftz type=f32|f64", float_unary, op(F::neg)},
      {"min", "9.7.3.11", "?ftz ?NaN ?xorsign ?abs type=f32|f64", float_min_max, op(F::min)},
      {"max", "9.7.3.12", "?ftz ?NaN ?xorsign ?abs type=f32|f64", float_min_max, op(F::max)},
      {"rcp", "9.7.3.13", "round=rn|rz|rm|rp ?ftz type=f32|f64", float_unary, op(F::rcp)},
      {"rcp", "9.7.3.13", "approx ?ftz type=f32", float_approximate, op(F::rcp)},
      {"rcp", "9.7.3.14", "approx ftz type=f64", float_approximate, op(F::rcp)},
      {"sqrt", "9.7.3.15", "round=rn|rz|rm|rp ?ftz type=f32|f64", float_unary, op(F::sqrt)},
      {"sqrt", "9.7.3.15", "approx ?ftz type=f32", float_approximate, op(F::sqrt)},
      {"rsqrt", "9.7.3.16", "approx ?ftz type=f32", float_approximate, op(F::rsqrt)},
      {"rsqrt", "9.7.3.16", "approx type=f64", float_approximate, op(F::rsqrt)},
      {"rsqrt", "9.7.3.17", "approx ftz type=f64", float_approximate, op(F::rsqrt)},
      {"sin", "9.7.3.18", "approx ?ftz type=f32", float_approximate, op(F::sin)},
      {"cos", "9.7.3.19", "approx ?ftz type=f32", float_approximate, op(F::cos)},
      {"lg2", "9.7.3.20", "approx ?ftz type=f32", float_approximate, op(F::lg2)},
      {"ex2", "9.7.3.21", "approx ?ftz type=f32", float_approximate, op(F::ex2)},
      {"tanh", "9.7.3.22", "approx type=f32", float_approximate, op(F::tanh)},
      // Half precision
      {"add", "9.7.4.1", "?rn ?ftz ?sat " HALVES, half_binary, op(F::add)},
      {"sub", "9.7.4.2", "?rn ?ftz ?sat " HALVES, half_binary, op(F::sub)},
      {"mul", "9.7.4.3", "?rn ?ftz ?sat " HALVES, half_binary, op(F::mul)},
      {"fma", "9.7.4.4", "rn ?ftz ?sat ?relu " HALVES, half_fma},
      {"neg", "9.7.4.5", "?ftz " HALVES, half_unary, op(F::neg)},
      {"abs", "9.7.4.6", "?ftz " HALVES, half_unary, op(F::abs)},
      {"min", "9.7.4.7", "?ftz ?NaN ?xorsign ?abs " HALVES, half_binary, op(F::min)},
      {"max", "9.7.4.8", "?ftz ?NaN ?xorsign ?abs " HALVES, half_binary, op(F::max)},
      {"tanh", "9.7.4.9", "approx " HALVES, half_unary, op(F::tanh)},
      {"ex2", "9.7.4.10", "approx ?ftz " HALVES, half_unary, op(F::ex2)},
      // Comparison and selection
      {"set", "9.7.6.1", COMPARISONS " ?combine=and|or|xor ?ftz dtype=u32|s32|f32 " COMPARE_TYPES, set},
      {"setp", "9.7.6.2", COMPARISONS " ?combine=and|or|xor ?ftz " COMPARE_TYPES, compare},
      {"selp", "9.7.6.3", "type=b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64", select},
      {"slct", "9.7.6.4", "?ftz type=b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64 ctype=s32|f32", select_sign},
      // Half precision comparison
      {"set", "9.7.7.1", COMPARISONS " ?combine=and|or|xor ?ftz dtype=f16|bf16 " COMPARE_TYPES, set},
      {"set", "9.7.7.1", COMPARISONS " ?combine=and|or|xor ?ftz dtype=f16|bf16|u16|s16|u32|s32 type=f16|bf16", set},
      {"set", "9.7.7.1", COMPARISONS " ?combine=and|or|xor ?ftz dtype=f16x2|u32|s32 type=f16x2", set},
      {"set", "9.7.7.1", COMPARISONS " ?combine=and|or|xor ?ftz dtype=bf16x2|u32|s32 type=bf16x2", set},
      {"setp", "9.7.7.2", COMPARISONS " ?combine=and|or|xor ?ftz " HALVES, compare},
      // Logic and shift
      {"and", "9.7.8.1", LOGIC_TYPES, integer_binary, op(I::bit_and)},
      {"and", "9.7.8.1", "type=pred", predicate_logic, op(I::bit_and)},
      {"or", "9.7.8.2", LOGIC_TYPES, integer_binary, op(I::bit_or)},
      {"or", "9.7.8.2", "type=pred", predicate_logic, op(I::bit_or)},
      {"xor", "9.7.8.3", LOGIC_TYPES, integer_binary, op(I::bit_xor)},
      {"xor", "9.7.8.3", "type=pred", predicate_logic, op(I::bit_xor)},
      {"not", "9.7.8.4", LOGIC_TYPES, integer_unary, op(I::bit_not)},
      {"not", "9.7.8.4", "type=pred", predicate_logic, op(I::bit_not)},
      {"cnot", "9.7.8.5", LOGIC_TYPES, integer_unary, op(I::cnot)},
      {"lop3", "9.7.8.6", "type=b32", lookup},
      {"lop3", "9.7.8.6", "combine=or|and b32", lookup_combined},
      {"shf", "9.7.8.7", "side=l|r mode=clamp|wrap type=b32", funnel_shift},
      {"shl", "9.7.8.8", LOGIC_TYPES, shift, op(I::shl)},
      {"shr", "9.7.8.9", LOGIC_TYPES "|u16|u32|u64|s16|s32|s64", shift, op(I::shr)},
      // Data movement
      {"mov", "9.7.9.3", "type=pred|b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64|f16|f16x2|bf16|bf16x2", move},
      {"shfl", "9.7.9.6", "sync mode=up|down|bfly|idx b32", shuffle},
      {"prmt", "9.7.9.7", "type=b32 ?mode=f4e|b4e|rc8|ecl|ecr|rc16", permute},
      {"ld", "9.7.9.8", ORDER " " SCOPE " " SPACES " " CACHE " " EVICTION " ?vec=v2|v4|v8 " MEMORY_TYPES, load},
      {"ld", "9.7.9.9", "space=global ?cache=ca|cg|cs nc " EVICTION " ?vec=v2|v4|v8 " MEMORY_TYPES, load},
      {"ldu", "9.7.9.10", SPACES " ?vec=v2|v4 " MEMORY_TYPES, load},
      {"st", "9.7.9.11", ORDER " " SCOPE " " SPACES " " CACHE " " EVICTION " ?vec=v2|v4|v8 " MEMORY_TYPES, store},
      {"prefetch", "9.7.9.15", "?space=global|local level=L1|L2|L2::evict_last|L2::evict_normal", prefetch},
      {"prefetch", "9.7.9.15", "?space=param|const tensormap", prefetch},
      {"prefetchu", "9.7.9.15", "level=L1", prefetch},
      {"applypriority", "9.7.9.16", "?space=global level=L2::evict_normal", prefetch},
      {"discard", "9.7.9.17", "?space=global level=L2", prefetch},
      {"createpolicy", "9.7.9.18",
       "kind=fractional primary=L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
       "?secondary=L2::evict_first|L2::evict_unchanged b64",
       cache_policy},
      {"createpolicy", "9.7.9.18",
       "range ?global primary=L2::evict_last|L2::evict_normal|L2::evict_first|L2::evict_unchanged "
       "?secondary=L2::evict_first|L2::evict_unchanged b64",
       cache_policy},
      {"createpolicy", "9.7.9.18", "cvt L2 b64", cache_policy},
      {"isspacep", "9.7.9.19", "space=global|shared|shared::cta|shared::cluster|local|const|param|param::entry",
       is_space},
      {"cvta", "9.7.9.20", "?to space=global|shared|shared::cta|local|const|param|param::entry type=u32|u64",
       convert_space},
      {"mapa", "9.7.9.23", "?space=shared::cluster type=u32|u64", cluster_map},
      {"getctarank", "9.7.9.24", "?space=shared::cluster type=u32|u64", cluster_rank},
      {"cvt", "9.7.9.21",
       "?round=rn|rz|rm|rp|rna|rni|rzi|rmi|rpi ?ftz ?sat to=u8|u16|u32|u64|s8|s16|s32|s64|f16|bf16|f32|f64 "
       "from=u8|u16|u32|u64|s8|s16|s32|s64|f16|bf16|f32|f64",
       convert},
      {"cvt", "9.7.9.21", "round=rn|rz ?satfinite ?relu ?satfinite to=f16|bf16 from=f32", convert},
      {"cvt", "9.7.9.21", "round=rn|rz|rna ?satfinite ?relu ?satfinite to=tf32 from=f32", convert},
      {"cvt", "9.7.9.21", "round=rn|rz ?satfinite ?relu ?satfinite to=f16x2|bf16x2 from=f32", convert_pair},
      {"cvt", "9.7.9.22", "pack sat to=u16|s16 s32", convert_pack},
      {"cvt", "9.7.9.22", "pack sat to=u8|s8|u4|s4|u2|s2 s32 b32", convert_pack},
      {"cvt", "9.7.9.21", "rn satfinite ?relu to=e4m3x2|e5m2x2 from=f32|f16x2", convert_eight},
      {"cvt", "9.7.9.21", "rn ?relu to=f16x2 from=e4m3x2|e5m2x2", convert_eight},
      {"cp", "9.7.9.25.3.1",
       "async cache=ca|cg shared=shared|shared::cta global ?hint=L2::cache_hint ?prefetch=L2::64B|L2::128B|L2::256B",
       copy_async},
      {"cp", "9.7.9.25.3.2", "async commit_group", copy_commit},
      {"cp", "9.7.9.25.3.3", "async wait_group", copy_wait, 0},
      {"cp", "9.7.9.25.3.3", "async wait_all", copy_wait, 1},
      {"cp", "9.7.9.25.4.1",
       "async bulk dst=shared::cluster|shared::cta src=global " TO_BARRIER "?multicast::cluster ?hint=L2::cache_hint",
       bulk_copy, static_cast<int>(BulkOp::load)},
      {"cp", "9.7.9.25.4.1", "async bulk dst=shared::cluster src=shared::cta " TO_BARRIER, bulk_copy,
       static_cast<int>(BulkOp::share)},
      {"cp", "9.7.9.25.4.1", "async bulk dst=global src=shared::cta bulk_group ?hint=L2::cache_hint", bulk_copy,
       static_cast<int>(BulkOp::store)},
      {"cp", "9.7.9.25.4.2",
       "reduce async bulk dst=shared::cluster src=shared::cta " TO_BARRIER
       "op=and|or|xor|add|inc|dec|min|max type=s32|u32|u64|b32",
       bulk_copy, static_cast<int>(BulkOp::share_reduce)},
      {"cp", "9.7.9.25.4.2",
       "reduce async bulk dst=global src=shared::cta bulk_group ?hint=L2::cache_hint "
       "op=and|or|xor|add|inc|dec|min|max ?noftz type=f16|bf16|b32|u32|s32|b64|u64|s64|f32|f64",
       bulk_copy, static_cast<int>(BulkOp::reduce)},
      {"cp", "9.7.9.25.4.3", "async bulk prefetch L2 global ?hint=L2::cache_hint", bulk_prefetch},
      {"cp", "9.7.9.25.5.2",
       TENSOR "dst=shared::cluster|shared::cta src=global " LOAD_MODE TO_BARRIER
              "?multicast::cluster ?hint=L2::cache_hint",
       bulk_tensor, static_cast<int>(BulkOp::load)},
      {"cp", "9.7.9.25.5.2",
       TENSOR "dst=global src=shared::cta ?mode=tile|tile::scatter4|im2col_no_offs bulk_group ?hint=L2::cache_hint",
       bulk_tensor, static_cast<int>(BulkOp::store)},
      {"cp", "9.7.9.25.5.3",
       "reduce " TENSOR
       "dst=global src=shared::cta op=add|min|max|inc|dec|and|or|xor ?mode=tile|im2col_no_offs bulk_group "
       "?hint=L2::cache_hint",
       bulk_tensor, static_cast<int>(BulkOp::reduce)},
      {"cp", "9.7.9.25.5.4",
       "async bulk prefetch tensor dim=1d|2d|3d|4d|5d L2 src=global " LOAD_MODE "?hint=L2::cache_hint", bulk_tensor,
       static_cast<int>(BulkOp::prefetch)},
      {"cp", "9.7.9.25.6.1", "async bulk commit_group", bulk_commit},
      {"cp", "9.7.9.25.6.2", "async bulk wait_group ?read", bulk_wait},
      // Control flow
      {"bra", "9.7.12.3", "?uni", branch},
      {"brx", "9.7.12.4", "idx ?uni", branch_indexed},
      {"call", "9.7.12.5", "?uni", call},
      {"ret", "9.7.12.6", "?uni", leave, 0},
      {"exit", "9.7.12.7", "", leave, 1},
      // Synchronisation
      {"bar", "9.7.13.2", "warp sync", warp_barrier},
      {"bar", "9.7.13.1", "?cta kind=sync|arrive", barrier, 1},
      {"barrier", "9.7.13.1", "?cta kind=sync|arrive ?aligned", barrier, 0},
      {"bar", "9.7.13.1", "?cta red kind=popc|and|or type=u32|pred", barrier_reduction, 1},
      {"barrier", "9.7.13.1", "?cta red kind=popc|and|or ?aligned type=u32|pred", barrier_reduction, 0},
      {"barrier", "9.7.13.3", "cluster arrive ?order=release|relaxed ?aligned", cluster_arrive},
      {"barrier", "9.7.13.3", "cluster wait ?order=acquire ?aligned", cluster_wait},
      {"membar", "9.7.13.4", "level=cta|gl|sys", build::fence},
      {"fence", "9.7.13.4", "?order=sc|acq_rel|acquire|release scope=cta|cluster|gpu|sys", build::fence},
      {"fence", "9.7.13.4", "proxy alias", nothing},
      {"fence", "9.7.13.4", "proxy tensormap::generic order=acquire|release scope=cta|cluster|gpu|sys", nothing},
      {"fence", "9.7.13.4", "proxy async ?space=global|shared::cta|shared::cluster", proxy_fence},
      {"atom", "9.7.13.5",
       "?order=relaxed|acquire|release|acq_rel " SCOPE
       " ?space=global|shared|shared::cta|shared::cluster ?legacy_scope=cta|gpu|sys "
       "op=and|or|xor|cas|exch|add|inc|dec|min|max ?order=relaxed|acquire|release|acq_rel " SCOPE
       " ?noftz ?hint=L2::cache_hint "
       "type=b16|b32|b64|u32|u64|s32|s64|f16|f16x2|bf16|bf16x2|f32|f64",
       atomic},
      {"red", "9.7.13.6",
       "?order=relaxed|release " SCOPE " ?space=global|shared|shared::cta|shared::cluster ?legacy_scope=cta|gpu|sys "
       "op=and|or|xor|add|inc|dec|min|max ?order=relaxed|release " SCOPE " ?noftz ?hint=L2::cache_hint "
       "type=b32|b64|u32|u64|s32|s64|f16|f16x2|bf16|bf16x2|f32|f64",
       reduction},
      {"atom", "9.7.13.5",
       "?order=relaxed|acquire|release|acq_rel " SCOPE " ?space=global ?op=add|min|max ?noftz ?hint=L2::cache_hint "
       "vec=v2|v4|v8 type=f32|f16|f16x2|bf16|bf16x2 ?op=add|min|max ?noftz",
       vector_atomic},
      {"red", "9.7.13.6",
       "?order=relaxed|release " SCOPE " ?space=global ?op=add|min|max ?noftz ?hint=L2::cache_hint vec=v2|v4|v8 "
       "type=f32|f16|f16x2|bf16|bf16x2 ?op=add|min|max ?noftz",
       vector_atomic},
      {"vote", "9.7.13.9", "sync mode=all|any|uni pred", build::vote, 0},
      {"vote", "9.7.13.9", "sync mode=ballot b32", build::vote, 1},
      {"match", "9.7.13.10", "mode=any|all sync type=b32|b64", build::match},
      {"activemask", "9.7.13.11", "b32", active_mask},
      {"redux", "9.7.13.12", "sync op=add|min|max type=u32|s32", reduce},
      {"redux", "9.7.13.12", "sync op=and|or|xor type=b32", reduce},
      {"griddepcontrol", "9.7.13.13", "kind=launch_dependents|wait", nothing},
      {"elect", "9.7.13.14", "sync", elect},
      // Barriers in shared memory
      {"mbarrier", "9.7.13.15.9", "init " SHARED "b64", mbarrier_init, 0},
      {"mbarrier", "9.7.13.15.10", "inval " SHARED "b64", mbarrier_init, 1},
      {"mbarrier", "9.7.13.15.11", "expect_tx " MBARRIER_ORDER SHARED "b64", mbarrier_transactions, 0},
      {"mbarrier", "9.7.13.15.12", "complete_tx " MBARRIER_ORDER SHARED "b64", mbarrier_transactions, 1},
      {"mbarrier", "9.7.13.15.13", "kind=arrive ?expect_tx ?noComplete " MBARRIER_ORDER SHARED "b64", mbarrier_arrive},
      {"mbarrier", "9.7.13.15.14", "kind=arrive_drop ?expect_tx ?noComplete " MBARRIER_ORDER SHARED "b64",
       mbarrier_arrive},
      {"cp", "9.7.13.15.15", "async mbarrier arrive ?noinc " SHARED "b64", mbarrier_copies},
      {"mbarrier", "9.7.13.15.16", "kind=test_wait|try_wait ?parity " MBARRIER_ORDER SHARED "b64", mbarrier_wait},
      {"mbarrier", "9.7.13.15.17", "pending_count b64", mbarrier_pending},
      {"fence", "9.7.13.4", "mbarrier_init release cluster", mbarrier_fence},
      // Matrices
      {"wmma", "9.7.14.4.3",
       "load matrix=a|b|c sync aligned layout=row|col " WMMA_SHAPES " ?space=global|shared|shared::cta "
       "type=f16|bf16|tf32|f32|s32|s8|u8|f64",
       wmma_load},
      {"wmma", "9.7.14.4.4",
       "store d sync aligned layout=row|col " WMMA_SHAPES " ?space=global|shared|shared::cta type=f16|f32|s32|f64",
       wmma_store},
      {"wmma", "9.7.14.4.5",
       "mma sync aligned a_layout=row|col b_layout=row|col " WMMA_SHAPES " d=f16|f32 c=f16|f32 ?satfinite",
       wmma_multiply},
      {"wmma", "9.7.14.4.5",
       "mma sync aligned a_layout=row|col b_layout=row|col " WMMA_SHAPES
       " d=f32|s32|f64 a=bf16|tf32|s8|u8|f64 b=bf16|tf32|s8|u8|f64 c=f32|s32|f64 ?rn ?satfinite",
       wmma_multiply},
      {"mma", "9.7.14.5.14",
       "sync aligned " MATRIX_SHAPES " row col d=f16|f32 a=f16|bf16|tf32 b=f16|bf16|tf32 c=f16|f32", matrix_multiply},
      {"mma", "9.7.14.5.14", "sync aligned " MATRIX_SHAPES " row col d=f64 a=f64 b=f64 c=f64", matrix_multiply},
      {"mma", "9.7.14.5.14", "sync aligned " MATRIX_SHAPES " row col ?satfinite d=s32 a=s8|u8 b=s8|u8 c=s32",
       matrix_multiply},
      {"ldmatrix", "9.7.14.5.15", "sync aligned " MATRICES "?space=shared|shared::cta b16", load_matrix},
      {"stmatrix", "9.7.14.5.16", "sync aligned " MATRICES "?space=shared|shared::cta b16", store_matrix},
      {"movmatrix", "9.7.14.5.17", "sync aligned m8n8 trans b16", move_matrix},
      // Matrices of a warpgroup
      {"wgmma", "9.7.15.7.1", "fence sync aligned", warpgroup_order, 0},
      {"wgmma", "9.7.15.7.2", "commit_group sync aligned", warpgroup_order, 1},
      {"wgmma", "9.7.15.7.3", "wait_group sync aligned", warpgroup_wait},
      {"wgmma", "9.7.15.5.2", "mma_async sync aligned shape=m64n*k16 d=f16|f32 a=f16 b=f16", warpgroup_multiply},
      {"wgmma", "9.7.15.5.2", "mma_async sync aligned shape=m64n*k16 d=f32 a=bf16 b=bf16", warpgroup_multiply},
      {"wgmma", "9.7.15.5.2", "mma_async sync aligned shape=m64n*k8 d=f32 a=tf32 b=tf32", warpgroup_multiply},
      // Video
      {"vadd", "9.7.18.1.1", VIDEO, video},
      {"vsub", "9.7.18.1.1", VIDEO, video},
      {"vabsdiff", "9.7.18.1.1", VIDEO, video},
      {"vmin", "9.7.18.1.1", VIDEO, video},
      {"vmax", "9.7.18.1.1", VIDEO, video},
      {"vadd2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vsub2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vavrg2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vabsdiff2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vmin2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vmax2", "9.7.18.2.1", VIDEO_PARTS, video_parts},
      {"vadd4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      {"vsub4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      {"vavrg4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      {"vabsdiff4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      {"vmin4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      {"vmax4", "9.7.18.2.3", VIDEO_PARTS, video_parts},
      // Miscellaneous
      {"brkpt", "9.7.19.1", "", trap, 1},
      {"nanosleep", "9.7.19.2", "u32", nothing},
      {"pmevent", "9.7.19.3", "?mask", nothing},
      {"trap", "9.7.19.4", "", trap, 0},
      {"setmaxnreg", "9.7.19.5", "kind=inc|dec sync aligned u32", set_registers},
  };
  return table;
}

struct Entry {
  const Row* row;
  Grammar grammar;
};

const std::unordered_map<std::string_view, std::vector<Entry>>& by_opcode() {
  static const auto index = [] {
    std::unordered_map<std::string_view, std::vector<Entry>> result;
    for (const Row& row : rows()) result[row.opcode].push_back({&row, Grammar(row.modifiers)});
    return result;
  }();
  return index;
}

std::string full_name(const Statement& statement) {
  std::string name(statement.opcode);
  for (const std::string_view modifier : statement.modifiers) name.append(".").append(modifier);
  return name;
}

}  // namespace

const std::vector<Row>& instruction_table() {
  return rows();
}

void build_instruction(FunctionDecoder& decoder, const Statement& statement) {
  decoder.draft().note.cost = cost_of(statement);
  const auto found = by_opcode().find(statement.opcode);
  if (found == by_opcode().end()) {
    fail_unsupported(statement.line, "the instruction " + full_name(statement) + " is not supported");
  }
  for (const Entry& entry : found->second) {
    Match match;
    if (!entry.grammar.matches(statement.modifiers, match)) continue;
    Build build(decoder, statement, match, entry.row->operation);
    build.family(std::string(statement.opcode));
    entry.row->build(build);
    return;
  }
  fail_unsupported(statement.line, "the instruction " + full_name(statement) + " is not supported");
}

}  // namespace emulator::ptx
