// The door to JavaScript: what the engine is and how it is set, and the list of all its functions.
#include "addon_reachability.h"
#include "addon_runs.h"
#include "addon_values.h"
#include "engine.h"
#include "steps.h"
#include "tile_plan.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace nagare {
namespace {

bool set_code(napi_env env, napi_value object, const char* name, int code) {
  napi_value value;
  return ok(env, napi_create_int32(env, code, &value)) && ok(env, napi_set_named_property(env, object, name, value));
}

// ops(): the codes of instructions, scalar operations and reductions by name, and which scalar operations give bool
napi_value ops(napi_env env, napi_callback_info) {
  napi_value result, instructions, scalars, reductions, givesBool, truth;
  if (!ok(env, napi_create_object(env, &result)) || !ok(env, napi_create_object(env, &instructions)) ||
      !ok(env, napi_create_object(env, &scalars)) || !ok(env, napi_create_object(env, &reductions)) ||
      !ok(env, napi_create_object(env, &givesBool))) {
    return nullptr;
  }
  int code = 0;
  for (const InstructionKind& kind : instruction_kinds()) {
    if (!set_code(env, instructions, kind.name, code++)) return nullptr;
  }
  for (int i = 0; i < static_cast<int>(ScalarOp::count); i++) {
    const ScalarOp op = static_cast<ScalarOp>(i);
    if (!set_code(env, scalars, scalar_op_name(op), i)) return nullptr;
    napi_get_boolean(env, gives_bool(op), &truth);
    if (!ok(env, napi_set_named_property(env, givesBool, scalar_op_name(op), truth))) return nullptr;
  }
  static constexpr const char* names[] = {"reduceSum", "reduceProd", "reduceMax", "reduceMin", "argMax", "argMin"};
  code = 0;
  for (const char* name : names) {
    if (!set_code(env, reductions, name, code++)) return nullptr;
  }
  napi_set_named_property(env, result, "instructions", instructions);
  napi_set_named_property(env, result, "scalars", scalars);
  napi_set_named_property(env, result, "reductions", reductions);
  napi_set_named_property(env, result, "givesBool", givesBool);
  return result;
}

// isa(): the instruction set in use
napi_value isa(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  ok(env, napi_create_string_utf8(env, Engine::instance().kernels().name, NAPI_AUTO_LENGTH, &result));
  return result;
}

// threads(): how many threads compute
napi_value threads(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  ok(env, napi_create_int32(env, Engine::instance().threads(), &result));
  return result;
}

// How many threads a call asks for; 0, with an exception, where that makes no sense.
int32_t read_threads(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  int32_t threads = 0;
  if (!ok(env, napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr))) return 0;
  if (count >= 1 && napi_get_value_int32(env, argument, &threads) == napi_ok && threads >= 1 && threads <= 1024) return threads;
  type_error(env, "a number of threads is a whole number from 1 to 1024");
  return 0;
}

// setThreads(count)
napi_value set_threads(napi_env env, napi_callback_info info) {
  const int32_t count = read_threads(env, info);
  if (count) Engine::instance().set_threads(count, true);
  return nullptr;
}

// setDefaultThreads(count): the same, unless the process has set it before
napi_value set_default_threads(napi_env env, napi_callback_info info) {
  const int32_t count = read_threads(env, info);
  if (count) Engine::instance().set_threads(count, false);
  return nullptr;
}

// now(): milliseconds of the clock in which the times of runs are
napi_value now(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  ok(env, napi_create_double(env, milliseconds(), &result));
  return result;
}

// filterLayout(convolution: Int32Array): the layout of its filters, as a convolution's instruction has it
napi_value filter_layout(napi_env env, napi_callback_info info) {
  napi_value argument, result = nullptr;
  size_t count = 1;
  View numbers;
  napi_typedarray_type type = napi_int8_array;
  if (!ok(env, napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr))) return nullptr;
  if (count < 1 || !read_view(env, argument, numbers) ||
      napi_get_typedarray_info(env, argument, &type, nullptr, nullptr, nullptr, nullptr) != napi_ok || type != napi_int32_array) {
    return type_error(env, "filterLayout expects an Int32Array");
  }
  const int32_t* const begin = reinterpret_cast<const int32_t*>(numbers.data);
  try {
    const FilterLayout layout = filter_layout(Engine::instance().kernels(), begin, begin + numbers.bytes / sizeof(int32_t));
    ok(env, napi_create_int32(env, static_cast<int32_t>(layout), &result));
  } catch (const InvalidProgram& error) {
    return type_error(env, std::string("invalid convolution: ") + error.what());
  }
  return result;
}

// roofline(): the measured peaks
napi_value roofline(napi_env env, napi_callback_info) {
  Roofline peaks;
  try {
    peaks = Engine::instance().roofline();
  } catch (const std::bad_alloc&) {
    napi_throw_range_error(env, nullptr, "nagare engine: out of memory while the machine's peaks were measured");
    return nullptr;
  }
  const struct {
    const char* name;
    double value;
  } figures[] = {{"flopsOneThread", peaks.flopsOneThread},
                 {"flops", peaks.flops},
                 {"bytesOneThread", peaks.bytesOneThread},
                 {"bytes", peaks.bytes}};
  napi_value result, number;
  if (!ok(env, napi_create_object(env, &result))) return nullptr;
  for (const auto& figure : figures) {
    if (!ok(env, napi_create_double(env, figure.value, &number)) || !ok(env, napi_set_named_property(env, result, figure.name, number)))
      return nullptr;
  }
  return result;
}

// workingBytes(): memory of the shared arena and of the kernels' scratch
napi_value working_bytes(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  ok(env, napi_create_double(env, static_cast<double>(Engine::instance().working_bytes()), &result));
  return result;
}

napi_value start(napi_env env, napi_value exports) {
#if defined(__GLIBC__)
  // Large results are allocated and freed all the time: returned to the system each time, every page would fault in again, which
  // costs as much as the work done on it. Mapped blocks always are returned.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
#endif
  Engine& engine = Engine::instance();
  if (!engine.unavailable().empty()) {
    napi_throw_error(env, nullptr, engine.unavailable().c_str());
    return nullptr;
  }
  if (!start_environment(env) || !start_reachability(env, exports)) return nullptr;
  const bool exported = export_functions(env, exports,
                                       {{"createProgram", create_program},
                                        {"memoryBytes", memory_bytes},
                                        {"run", run},
                                        {"runTimed", run_timed},
                                        {"runAsync", run_async},
                                        {"wait", wait},
                                        {"now", now},
                                        {"ops", ops},
                                        {"filterLayout", filter_layout},
                                        {"isa", isa},
                                        {"threads", threads},
                                        {"setThreads", set_threads},
                                        {"setDefaultThreads", set_default_threads},
                                        {"workingBytes", working_bytes},
                                        {"roofline", roofline}});
  return exported ? exports : nullptr;
}

}  // namespace
}  // namespace nagare

NAPI_MODULE_INIT() { return nagare::start(env, exports); }
