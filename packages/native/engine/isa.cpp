#include "isa.h"

#include <cstdlib>
#include <cstring>

namespace nagare {

#define NAGARE_DECLARE(isa) \
  namespace isa {           \
  extern const Kernels kernels; \
  }
#if defined(__x86_64__)
NAGARE_DECLARE(sse4)
NAGARE_DECLARE(avx2)
NAGARE_DECLARE(avx512)
#elif defined(__aarch64__)
NAGARE_DECLARE(neon)
#endif
#undef NAGARE_DECLARE

namespace {

struct Candidate {
  const Kernels* kernels;
  bool runs;
};

}  // namespace

const Kernels* choose_kernels(std::string& error) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool baseline = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  const Candidate candidates[] = {{&avx512::kernels, avx512}, {&avx2::kernels, avx2}, {&sse4::kernels, baseline}};
#elif defined(__aarch64__)
  const Candidate candidates[] = {{&neon::kernels, true}};
#endif
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
                            : "This processor has none of the instruction sets the engine is built for (at least SSE4.2).";
  return nullptr;
}

}  // namespace nagare
