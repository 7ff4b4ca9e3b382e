#include "isa.h"

#include <cstdlib>
#include <cstring>

namespace nagare {

// The build lists the instruction sets it compiled the kernels for, the best first: NAGARE_INSTRUCTION_SETS(X) is X(avx2) X(sse4).
#define NAGARE_DECLARE(isa) \
  namespace isa {           \
  extern const Kernels kernels; \
  }
NAGARE_INSTRUCTION_SETS(NAGARE_DECLARE)
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
#elif defined(__aarch64__)
[[maybe_unused]] bool neon_runs() { return true; }
#endif

}  // namespace

const Kernels* choose_kernels(std::string& error) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
#define NAGARE_CANDIDATE(isa) {&isa::kernels, isa##_runs()},
  const Candidate candidates[] = {NAGARE_INSTRUCTION_SETS(NAGARE_CANDIDATE)};
#undef NAGARE_CANDIDATE
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
