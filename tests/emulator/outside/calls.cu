// Calls: through pointers and tables, virtual ones, recursion; output, assertions, the stack.
#ifndef __CUDACC_RTC__
#include <cassert>
#include <cstdio>
#else
#include <cuda/std/cassert>
#endif

typedef double (*Function)(double, int);
__device__ __noinline__ double plus(double a, int b) { return a + b; }
__device__ __noinline__ double times(double a, int b) { return a * b; }
__device__ __noinline__ double minus(double a, int b) { return b - a; }
__device__ Function table[3] = {plus, times, minus};

/// Each lane calls its own function.
extern "C" __global__ void by_pointer(const double* in, const int* which, double* out) {
  const int at = threadIdx.x;
  out[at] = table[which[at] % 3](in[at], which[at]);
}

struct Shape {
  __device__ virtual float area() const = 0;
  __device__ virtual float scaled(float by) const { return area() * by * by; }
  __device__ virtual ~Shape() {}
};
struct Square : Shape {
  float side;
  __device__ explicit Square(float s) : side(s) {}
  __device__ float area() const override { return side * side; }
};
struct Rectangle : Shape {
  float a, b;
  __device__ Rectangle(float x, float y) : a(x), b(y) {}
  __device__ float area() const override { return a * b; }
  __device__ float scaled(float by) const override { return a * b * by * by + 1.0f; }
};
__device__ __noinline__ float measure(const Shape* shape, float by) { return shape->area() + shape->scaled(by); }

extern "C" __global__ void by_table(const float* in, float* out) {
  const int at = threadIdx.x;
  Square square(in[at]);
  Rectangle rectangle(in[at], 2.0f);
  const Shape* shape = at % 2 == 0 ? static_cast<const Shape*>(&square) : &rectangle;
  out[at] = measure(shape, 3.0f);
}

/// Ackermann's function is deep and tangled; Fibonacci is wide.
__device__ __noinline__ int ackermann(int m, int n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}
__device__ __noinline__ unsigned fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
extern "C" __global__ void recursion(int* deep, unsigned* wide) {
  deep[threadIdx.x] = ackermann(threadIdx.x % 3, threadIdx.x / 3 % 4);
  wide[threadIdx.x] = fibonacci(threadIdx.x % 12);
}

/// A structure as an argument and as a result.
struct Big {
  double d[3];
  char c[5];
  int i;
};
__device__ __noinline__ Big turn(Big big, char add) {
  Big result = big;
  result.d[0] = big.d[2];
  result.d[2] = big.d[0];
  for (char& c : result.c) c = static_cast<char>(c + add);
  result.i = -big.i;
  return result;
}
extern "C" __global__ void structures(const Big* in, Big* out) {
  out[threadIdx.x] = turn(in[threadIdx.x], static_cast<char>(threadIdx.x));
}

/// Local arrays with indices that only run time knows, and an insertion sort in them.
extern "C" __global__ void local_arrays(const int* in, int* out) {
  int sorted[12];
  for (int i = 0; i < 12; ++i) {
    int v = in[threadIdx.x * 12 + i], j = i;
    for (; j > 0 && sorted[j - 1] > v; --j) sorted[j] = sorted[j - 1];
    sorted[j] = v;
  }
  for (int i = 0; i < 12; ++i) out[threadIdx.x * 12 + i] = sorted[i];
}

__device__ int states[16];
/// A machine of states: a dense switch in a loop.
extern "C" __global__ void switches(const unsigned char* program, int* out, int length) {
  int a = threadIdx.x, b = 1;
  for (int i = 0; i < length; ++i) {
    switch (program[i]) {
      case 0: a += b; break;
      case 1: a -= b * 3; break;
      case 2: b ^= a; break;
      case 3: a = a * 7 + 1; break;
      case 4: b = a >> 3; break;
      case 5: if (a & 1) b = 0; break;
      case 6: a = b - a; break;
      case 7: b += i; break;
      case 8: a |= 0x100; break;
      case 9: a ^= 0x55; break;
      default: b = -b;
    }
  }
  out[threadIdx.x] = a * 31 + b;
}

extern "C" __global__ void says(int n, const char* text) {
  if (threadIdx.x == 0) {
    const int written = printf("%d%% of %s: %5.2f %e %c 0x%08x %lld %-6s|%u %p\n", n, "text", 2.5 * n, 1e-10, 'q', 0xABCDu,
                               -12345678901234ll, "ab", 4000000000u, (void*)0);
    printf("%d arguments, %hd %hhd %lu %+d % d %.3s %5d%*d\n", written, (short)-3, (char)7, 99ul, 5, 6, "abcdef", -4, 6, 42);
  }
  if (threadIdx.x == 3) printf("thread %u says %s without an argument more\n", threadIdx.x, text);
}

extern "C" __global__ void asserts(const int* in) { assert(in[threadIdx.x] < 10 && "too large"); }

extern "C" __global__ void stops(int which) {
  if (which == 0) __trap();
  if (which == 1) __brkpt();
}

/// Each thread has a heap array of its own length.
extern "C" __global__ void allocates(int* out) {
  const int length = static_cast<int>(threadIdx.x) + 3;
  int* values = new int[length];
  for (int i = 0; i < length; ++i) values[i] = i;
  int sum = 0;
  for (int i = 0; i < length; ++i) sum += values[i];
  delete[] values;
  out[threadIdx.x] = sum;
}
