// The build functions that the instruction table names, by subject.
#pragma once

#include "ptx/decoder.hpp"

namespace emulator::ptx::build {

// build_arithmetic.cpp
void integer_unary(Build&);
void integer_binary(Build&);
void integer_ternary(Build&);
void integer_saturating(Build&);
void multiply(Build&);
void multiply_24(Build&);
void shift(Build&);
void count_bits(Build&);
void find_bit(Build&);
void bit_field_extract(Build&);
void bit_field_insert(Build&);
void bit_mask(Build&);
void funnel_shift(Build&);
void lookup(Build&);
void permute(Build&);
void find_nth_set(Build&);
void dot_product(Build&);
void carry(Build&);
void predicate_logic(Build&);
void float_unary(Build&);
void float_binary(Build&);
void float_approximate(Build&);
void float_fma(Build&);
void float_min_max(Build&);
void float_test(Build&);
void half_unary(Build&);
void half_binary(Build&);
void half_fma(Build&);

// build_data.cpp
void move(Build&);
void convert(Build&);
void convert_pair(Build&);
void convert_eight(Build&);
/// Whether a name like %tid, with its suffix, is a special register.
bool names_special(std::string_view name, std::string_view suffix);
void convert_space(Build&);
void is_space(Build&);

// build_compare.cpp
void compare(Build&);
void set(Build&);
void select(Build&);
void select_sign(Build&);

// build_memory.cpp
void load(Build&);
void store(Build&);
void atomic(Build&);
void reduction(Build&);
void prefetch(Build&);
void cache_policy(Build&);
void copy_async(Build&);
void copy_commit(Build&);
void copy_wait(Build&);

// build_control.cpp
void branch(Build&);
void branch_indexed(Build&);
void leave(Build&);
void trap(Build&);
void nothing(Build&);
void fence(Build&);
void proxy_fence(Build&);
void barrier(Build&);
void barrier_reduction(Build&);
void warp_barrier(Build&);

// build_call.cpp
void call(Build&);
/// Before a ret: what .reg results hold goes to where the caller looks for it.
void store_register_results(Build&);

// build_wmma.cpp
void wmma_load(Build&);
void wmma_store(Build&);
void wmma_multiply(Build&);

// build_expanded.cpp
void lookup_combined(Build&);
void convert_pack(Build&);
void extreme_relu(Build&);
void video(Build&);
void video_parts(Build&);
void vector_atomic(Build&);

// build_mbarrier.cpp
void mbarrier_init(Build&);
void mbarrier_transactions(Build&);
void mbarrier_arrive(Build&);
void mbarrier_wait(Build&);
void mbarrier_pending(Build&);
void mbarrier_copies(Build&);
void mbarrier_fence(Build&);

// build_warpgroup.cpp
void warpgroup_order(Build&);
void warpgroup_wait(Build&);
void warpgroup_multiply(Build&);
void set_registers(Build&);

// build_cluster.cpp
void cluster_arrive(Build&);
void cluster_wait(Build&);
void cluster_map(Build&);
void cluster_rank(Build&);

// build_bulk.cpp
void bulk_copy(Build&);
void bulk_tensor(Build&);
void bulk_prefetch(Build&);
void bulk_commit(Build&);
void bulk_wait(Build&);

// build_warp.cpp
void shuffle(Build&);
void vote(Build&);
void match(Build&);
void reduce(Build&);
void elect(Build&);
void active_mask(Build&);
void matrix_multiply(Build&);
void load_matrix(Build&);
void store_matrix(Build&);
void move_matrix(Build&);

}  // namespace emulator::ptx::build
