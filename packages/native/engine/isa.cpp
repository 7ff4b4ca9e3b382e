#include "isa.h"

#include <cstdlib>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace nagare {

// The build lists the instruction sets it compiled the kernels for, the best first: NAGARE_INSTRUCTION_SETS(X) is X(avx2) X(sse4).
#define NAGARE_DECLARE(isa) \
  namespace isa {           \
  extern const Kernels kernels; \
  }
NAGARE_INSTRUCTION_SETS(NAGARE_DECLARE)
#undef NAGARE_DECLARE

// And those with products of narrow elements only, each with the set that has all else: NAGARE_NARROW_SETS(X) is X(avx512bf16,avx512).
using NarrowProduct = std::remove_pointer_t<decltype(NarrowKernels::gemm)>;
using NarrowScratch = std::remove_pointer_t<decltype(NarrowKernels::gemmScratchBytes)>;
#define NAGARE_DECLARE(isa, base)          \
  namespace isa {                          \
  NarrowProduct gemm_narrow;               \
  NarrowScratch gemm_narrow_scratch_bytes; \
  }
NAGARE_NARROW_SETS(NAGARE_DECLARE)
#undef NAGARE_DECLARE

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

// Whether this processor has what the build compiled an instruction set's kernels with.
#if defined(__x86_64__)
[[maybe_unused]] bool sse4_runs() { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }
[[maybe_unused]] bool avx2_runs() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
[[maybe_unused]] bool avx512_runs() {
  return avx2_runs() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
[[maybe_unused]] bool avx512bf16_runs() {
  return avx512_runs() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}
// Tiles, and their products of bfloat16 and of int8. Their contents are part of a thread's state that the system must save, and that Linux
// gives to processes that ask for it (Documentation/arch/x86/xstate.rst): 8 KiB more for each thread that uses them.
[[maybe_unused]] bool amx_runs() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned tiles = 1u << 24 | 1u << 22 | 1u << 25;
  if (!avx512bf16_runs() || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & tiles) != tiles) return false;
  unsigned enabled, high;
  asm volatile("xgetbv" : "=a"(enabled), "=d"(high) : "c"(0));
  constexpr unsigned states = 1u << 17 | 1u << 18;
  if ((enabled & states) != states) return false;
#if defined(__linux__)
  constexpr long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return true;
#endif
}
[[maybe_unused]] bool amx_stand_in_runs() { return avx512bf16_runs(); }
#elif defined(__aarch64__)
[[maybe_unused]] bool neon_runs() { return true; }
#endif

#define NAGARE_COMPOSE(isa, base)                                                 \
  const Kernels* isa##_kernels() {                                                \
    static const Kernels kernels = [] {                                           \
      Kernels composed = base::kernels;                                           \
      composed.name = #isa;                                                       \
      composed.matrixNarrow = {isa::gemm_narrow, isa::gemm_narrow_scratch_bytes}; \
      return composed;                                                            \
    }();                                                                          \
    return &kernels;                                                              \
  }
NAGARE_NARROW_SETS(NAGARE_COMPOSE)
#undef NAGARE_COMPOSE

}  // namespace

const Kernels* choose_kernels(std::string& error) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
#define NAGARE_NARROW(isa, base) {isa##_kernels(), isa##_runs()},
#define NAGARE_CANDIDATE(isa) {&isa::kernels, isa##_runs()},
  const Candidate candidates[] = {NAGARE_NARROW_SETS(NAGARE_NARROW) NAGARE_INSTRUCTION_SETS(NAGARE_CANDIDATE)};
#undef NAGARE_CANDIDATE
#undef NAGARE_NARROW
  const char* wanted = std::getenv("NAGARE_ISA");
  std::string names;
  for (const Candidate& candidate : candidates) {
    if (wanted && *wanted) {
      if (std::strcmp(wanted, candidate.kernels->name) == 0 && candidate.runs) return candidate.kernels;
      if (candidate.runs) names += std::string(names.empty() ? "" : ", ") + candidate.kernels->name;
    } else if (candidate.runs) {
      return candidate.kernels;
    }
  }
  error = wanted && *wanted ? "NAGARE_ISA: expected one of " + names + " on this processor; received \"" + wanted + "\"."
                            : "This processor has none of the instruction sets the engine is built for.";
  return nullptr;
}

}  // namespace nagare
