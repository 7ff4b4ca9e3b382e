#include "roofline.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "aligned.h"
#include "clock.h"

namespace nagare {
namespace {

struct Free {
  void operator()(char* p) const { std::free(p); }
};
using Memory = std::unique_ptr<char, Free>;

// Some milliseconds of arithmetic for each thread, and more memory than caches hold.
constexpr int64_t kRounds = 1 << 20;
constexpr int64_t kCopiedBytes = 128 << 20;
constexpr int kTrials = 9;

// The median of several trials, as what is compared with it is one: the clock rate of a busy processor and what its neighbours take of it
// change within milliseconds, and the most of many trials would be a rate that nothing keeps up.
template <typename Trial>
double median_rate(const Trial& trial) {
  double rates[kTrials];
  for (double& rate : rates) {
    const double start = milliseconds();
    const double amount = trial();
    rate = amount / (milliseconds() - start) * 1e3;
  }
  std::nth_element(rates, rates + kTrials / 2, rates + kTrials);
  return rates[kTrials / 2];
}

struct ArithmeticTask {
  const Kernels& kernels;
  // A cache line for each thread's result.
  std::vector<float> sinks;
  std::vector<int64_t> operations;
};

double arithmetic_rate(const Kernels& kernels, const Parallel& parallel) {
  const size_t threads = static_cast<size_t>(parallel.threads);
  ArithmeticTask task{kernels, std::vector<float>(threads * 16), std::vector<int64_t>(threads)};
  const auto one = [](void* context, int64_t index, int) {
    ArithmeticTask& all = *static_cast<ArithmeticTask*>(context);
    const size_t place = static_cast<size_t>(index);
    all.operations[place] = all.kernels.arithmeticProbe(kRounds, &all.sinks[place * 16]);
  };
  return median_rate([&] {
    if (parallel.threads > 1) parallel.run(parallel.pool, parallel.threads, one, &task);
    else one(&task, 0, 0);
    double sum = 0;
    for (const int64_t operations : task.operations) sum += static_cast<double>(operations);
    return sum;
  });
}

double copy_rate(const Kernels& kernels, const Parallel& parallel, const char* x, char* y) {
  double best = 0;
  for (const bool bypass : {false, true}) {
    best = std::max(best, median_rate([&] {
                      kernels.copyProbe(x, y, kCopiedBytes, bypass, parallel);
                      return 2.0 * static_cast<double>(kCopiedBytes);
                    }));
  }
  return best;
}

}  // namespace

Roofline measure_roofline(const Kernels& kernels, const Parallel& parallel) {
  const Memory x(static_cast<char*>(allocate_aligned(static_cast<size_t>(kCopiedBytes))));
  const Memory y(static_cast<char*>(allocate_aligned(static_cast<size_t>(kCopiedBytes))));
  // Pages that nothing was written to are all the same one.
  std::fill_n(x.get(), kCopiedBytes, char{1});
  const Parallel alone{parallel.run, parallel.pool, 1};
  Roofline roofline{};
  roofline.flopsOneThread = arithmetic_rate(kernels, alone);
  roofline.flops = arithmetic_rate(kernels, parallel);
  roofline.bytesOneThread = copy_rate(kernels, alone, x.get(), y.get());
  roofline.bytes = copy_rate(kernels, parallel, x.get(), y.get());
  return roofline;
}

}  // namespace nagare
