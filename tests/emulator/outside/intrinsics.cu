// Integer and bit intrinsics, the video instructions' functions, barriers that reduce, matches and votes.
typedef unsigned u32;
typedef unsigned long long u64;

extern "C" __global__ void integers(const u32* a, const u32* b, const u32* c, u64* out) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 x = a[at], y = b[at], z = c[at];
  u64 r[24];
  r[0] = __byte_perm(x, y, z);
  r[1] = __brev(x);
  r[2] = __clz(x) + 100 * __ffs(y) + 10000 * __popc(z);
  r[3] = __funnelshift_l(x, y, z);
  r[4] = __funnelshift_rc(x, y, z);
  r[5] = __umulhi(x, y);
  r[6] = (u32)__mulhi((int)x, (int)y);
  r[7] = __umul24(x, y);
  r[8] = (u32)__mul24((int)x, (int)y);
  r[9] = __usad(x, y, z);
  r[10] = (u32)__sad((int)x, (int)y, z);
  r[11] = (u32)__dp4a((int)x, (int)y, (int)z);
  r[12] = __dp4a(x, y, z);
  r[13] = (u32)__dp2a_lo((int)x, (int)y, (int)z);
  r[14] = __dp2a_hi(x, y, z);
  r[15] = (u32)__hadd((int)x, (int)y) + (u64)__urhadd(x, y);
  r[16] = __umul64hi((u64)x << 32 | y, (u64)y << 32 | z);
  r[17] = (u64)__mul64hi((long long)((u64)x << 32 | y), (long long)((u64)z << 32 | x));
  r[18] = ((u64)x << 32 | y) / (z | 1);
  r[19] = (u64)((long long)((u64)x << 32 | y) % (long long)(int)(z | 1));
  r[20] = __brevll((u64)x << 32 | y) + __clzll((long long)((u64)y << 8)) + __popcll((u64)x << 32 | z);
  r[21] = x / (y % 1000 + 1) + x % (z % 77 + 1);
  r[22] = (x & y) ^ (~z | x) ^ (y & ~x & z);
  r[23] = (u64)(long long)(short)(x >> 3) ^ (u64)(unsigned char)(y >> 11);
  for (int i = 0; i < 24; ++i) out[at * 24 + i] = r[i];
}

extern "C" __global__ void bytes(const u32* a, const u32* b, u32* out) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 x = a[at], y = b[at];
  u32 r[16];
  r[0] = __vadd4(x, y);
  r[1] = __vsub4(x, y);
  r[2] = __vaddus4(x, y);
  r[3] = __vaddss4(x, y);
  r[4] = __vsubus4(x, y);
  r[5] = __vabsdiffu4(x, y);
  r[6] = __vavgu4(x, y);
  r[7] = __vmaxs4(x, y);
  r[8] = __vminu4(x, y);
  r[9] = __vcmpgtu4(x, y);
  r[10] = __vseteq4(x, y & 0x00FF00FF);
  r[11] = __vadd2(x, y);
  r[12] = __vsubss2(x, y);
  r[13] = __vmaxu2(x, y);
  r[14] = __vsads4(x, y);
  r[15] = __vabs2(x) ^ __vneg4(y);
  for (int i = 0; i < 16; ++i) out[at * 16 + i] = r[i];
}

extern "C" __global__ void carries(const u64* a, const u64* b, u64* out) {
  const int at = threadIdx.x;
  u64 low, high, p0, p1, p2, p3;
  asm("add.cc.u64 %0, %2, %4;\n\taddc.u64 %1, %3, %5;" : "=l"(low), "=l"(high)
      : "l"(a[2 * at]), "l"(a[2 * at + 1]), "l"(b[2 * at]), "l"(b[2 * at + 1]));
  out[6 * at] = low;
  out[6 * at + 1] = high;
  asm("{\n\tmul.lo.u64 %0, %4, %6;\n\tmul.hi.u64 %1, %4, %6;\n\t"
      "mad.lo.cc.u64 %1, %5, %6, %1;\n\tmadc.hi.u64 %2, %5, %6, 0;\n\t"
      "mad.lo.cc.u64 %1, %4, %7, %1;\n\tmadc.hi.cc.u64 %2, %4, %7, %2;\n\taddc.u64 %3, 0, 0;\n\t"
      "mad.lo.cc.u64 %2, %5, %7, %2;\n\tmadc.hi.u64 %3, %5, %7, %3;\n\t}"
      : "=&l"(p0), "=&l"(p1), "=&l"(p2), "=&l"(p3)
      : "l"(a[2 * at]), "l"(a[2 * at + 1]), "l"(b[2 * at]), "l"(b[2 * at + 1]));
  out[6 * at + 2] = p0;
  out[6 * at + 3] = p1;
  out[6 * at + 4] = p2;
  out[6 * at + 5] = p3;
}

extern "C" __global__ void wide_integers(const u64* a, const u64* b, u64* out) {
  const int at = threadIdx.x;
  const unsigned __int128 x = (unsigned __int128)a[2 * at + 1] << 64 | a[2 * at];
  const unsigned __int128 y = (unsigned __int128)(b[2 * at + 1] >> 40) << 64 | b[2 * at] | 1;
  const unsigned __int128 product = x * y, quotient = x / y, rest = x % y, shifted = x >> (a[2 * at] & 127);
  const unsigned __int128 r[4] = {product, quotient, rest, shifted};
  for (int i = 0; i < 4; ++i) {
    out[8 * at + 2 * i] = (u64)r[i];
    out[8 * at + 2 * i + 1] = (u64)(r[i] >> 64);
  }
}

extern "C" __global__ void warp_wide(const int* in, u32* out) {
  const int v = in[threadIdx.x];
  const u32 all = 0xFFFFFFFFu;
  int same = 0;
  u32 r[14];
  r[0] = __ballot_sync(all, v > 0);
  r[1] = __any_sync(all, v == 3) + 2 * __all_sync(all, v < 1000) + 4 * __uni_sync(all, v > 0);
  r[2] = __match_any_sync(all, v);
  r[3] = __match_all_sync(all, v >> 10, &same);
  r[4] = same;
  r[5] = __reduce_add_sync(all, (u32)v);
  r[6] = (u32)__reduce_min_sync(all, v);
  r[7] = __reduce_max_sync(all, (u32)v);
  r[8] = __reduce_xor_sync(all, (u32)v);
  r[9] = (u32)__shfl_sync(all, v, v & 31);
  r[10] = (u32)__shfl_up_sync(all, v, 3, 16);
  r[11] = (u32)__shfl_xor_sync(all, v, 5);
  r[12] = __fns(r[0], 0, 2);
  u32 in_branch = 0;
  if (threadIdx.x % 3 == 0) in_branch = __popc(__activemask()) + __match_any_sync(0x49249249u, (u64)v << 33);
  r[13] = in_branch;
  for (int i = 0; i < 14; ++i) out[threadIdx.x * 14 + i] = r[i];
}

extern "C" __global__ void block_votes(const int* in, int* out) {
  const int v = in[blockIdx.x * blockDim.x + threadIdx.x];
  const int count = __syncthreads_count(v & 1), all = __syncthreads_and(v < 90), any = __syncthreads_or(v == 5);
  out[blockIdx.x * blockDim.x + threadIdx.x] = count * 4 + (all != 0) * 2 + (any != 0);
}

/// Every atomic of the old names.
extern "C" __global__ void atomics(int* i, u32* u, u64* l, float* f, double* d) {
  __shared__ u32 s[4];
  if (threadIdx.x < 4) s[threadIdx.x] = 0;
  __syncthreads();
  const int t = threadIdx.x + blockIdx.x * blockDim.x;
  atomicAdd(&i[0], t);
  atomicSub(&i[1], t);
  atomicMin(&i[2], -t);
  atomicMax(&i[3], t);
  atomicAnd(&u[0], ~(1u << (t & 31)));
  atomicOr(&u[1], 1u << (t & 31));
  atomicXor(&u[2], (u32)t);
  atomicInc(&u[3], 9);
  atomicDec(&u[4], 9);
  atomicAdd(&l[0], (u64)t << 33);
  atomicMax(&l[1], (u64)t << 33);
  atomicAdd(f, 0.5f);
  atomicAdd(d, 0.25);
  atomicAdd_block(&s[0], 1u);
  atomicMax(&s[1], (u32)t);
  atomicExch(&s[2], 7u);
  atomicCAS(&s[3], 0u, 100u + t);
  __syncthreads();
  if (threadIdx.x == 0) {
    atomicAdd_system(&u[5], s[0]);
    atomicMax(&u[6], s[1]);
    atomicAdd(&u[7], s[2] + (s[3] >= 100u));
  }
}

extern "C" __global__ void clocks(long long* out) {
  const long long a = clock64();
  __nanosleep(20);
  const long long b = clock64();
  unsigned long long timer;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(timer));
  __threadfence();
  __threadfence_block();
  __threadfence_system();
  out[threadIdx.x] = b >= a && timer != 0;
}

/// Loads of every kind.
extern "C" __global__ void memory_kinds(const uint4* __restrict__ in, uint4* out, const u32* scalars, unsigned short* halves) {
  const int at = threadIdx.x;
  uint4 v = __ldg(&in[at]);
  v.x += __ldcg(&scalars[at]) + __ldcs(&scalars[at]) + __ldlu(&scalars[at]) + __ldcv(&scalars[at]);
  __stcs(&out[at], v);
  __stwt(&halves[at], (unsigned short)v.y);
  asm volatile("prefetch.global.L2 [%0];" ::"l"(in + at));
  const u64 address = __cvta_generic_to_global(out);
  if (!__isGlobal(out) || address == 0) out[at].x = 0;
}
