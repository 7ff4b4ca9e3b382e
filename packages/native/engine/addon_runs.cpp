#include "addon_runs.h"

#include <cmath>
#include <map>

#include "addon_values.h"
#include "engine.h"

namespace nagare {
namespace {

// What an environment (the main thread or a worker_threads worker) keeps.
struct Environment {
  napi_env env;
  napi_threadsafe_function settle = nullptr;
  std::mutex mutex;
  std::condition_variable idle;
  int running = 0;                        // runs on the engine's thread
  int unsettled = 0;                      // promises not yet settled; the JavaScript thread's own
  std::map<uint64_t, std::string> failed;  // errors of runs whose promises are not settled yet
};

// One asynchronous run.
struct AsyncRun {
  Environment* environment;
  napi_deferred deferred;
  napi_ref memories;  // keeps the arrays alive
  uint64_t number = 0;
  std::string error;
};

constexpr int kMaxExternals = 1 << 14;
constexpr int kFewExternals = 32;
constexpr size_t kMaxThreads = 1024;

using ProgramHandle = std::shared_ptr<const Program>;
constexpr napi_type_tag kProgramTag = {0x6e61676172650001, 0x70726f6772616d01};

// Programs of this thread whose tags were checked lately: reading a tag takes as long as a small kernel. Their memory is theirs for as long
// as they live, so that nothing else can have such an address.
constexpr size_t kCheckedPrograms = 256;
thread_local const void* checkedPrograms[kCheckedPrograms];

const void*& checked_program(const void* program) {
  return checkedPrograms[(reinterpret_cast<uintptr_t>(program) >> 4) % kCheckedPrograms];
}

const ProgramHandle* read_program(napi_env env, napi_value value) {
  bool tagged = false;
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) == napi_ok && data && checked_program(data) == data) {
    return static_cast<const ProgramHandle*>(data);
  }
  if (napi_check_object_type_tag(env, value, &kProgramTag, &tagged) != napi_ok || !tagged ||
      napi_get_value_external(env, value, &data) != napi_ok) {
    // Of what is no object at all, Node-API has thrown already.
    napi_value pending;
    napi_get_and_clear_last_exception(env, &pending);
    type_error(env, "expected a program made by createProgram");
    return nullptr;
  }
  checked_program(data) = data;
  return static_cast<const ProgramHandle*>(data);
}

// Reads one memory and checks it against what the program does with it.
bool read_memory(napi_env env, const Program& program, int index, napi_value value, char*& data) {
  View view;
  if (!read_view(env, value, view)) {
    type_error(env, "memory " + std::to_string(index) + " is not a typed array");
    return false;
  }
  const BaseNeeds& needs = program.external_needs(index);
  if (static_cast<int64_t>(view.bytes) < needs.bytes) {
    type_error(env, "memory " + std::to_string(index) + " has " + std::to_string(view.bytes) + " bytes; the program uses " +
                        std::to_string(needs.bytes));
    return false;
  }
  if (reinterpret_cast<uintptr_t>(view.data) % static_cast<uintptr_t>(needs.alignment) != 0) {
    type_error(env, "memory " + std::to_string(index) + " is not aligned to its elements");
    return false;
  }
  data = view.data;
  return true;
}

// Where a run shall say when its instructions ran.
bool read_times(napi_env env, const Program& program, napi_value value, RunTimes& times) {
  View view;
  napi_typedarray_type type = napi_int8_array;
  if (!read_view(env, value, view) || napi_get_typedarray_info(env, value, &type, nullptr, nullptr, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array || view.bytes < program.instructions() * sizeof(Span)) {
    type_error(env, "the times of a run go into a Float64Array of " + std::to_string(2 * program.instructions()) + " elements or more");
    return false;
  }
  // Further spans are for the threads.
  const size_t instructions = program.instructions();
  const size_t given = instructions == 0 ? 0 : view.bytes / sizeof(Span) / instructions - 1;
  times.instructions = reinterpret_cast<Span*>(view.data);
  times.threads = times.instructions + instructions;
  times.threadCount = static_cast<int>(given < kMaxThreads ? given : kMaxThreads);
  return true;
}

// The program and its memories follow the times, if there are any.
napi_value run_at_once(napi_env env, napi_callback_info info, bool timed) {
  napi_value arguments[2 + kFewExternals];
  size_t count = sizeof arguments / sizeof *arguments;
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr))) return nullptr;
  const size_t first = timed ? 2 : 1;
  if (count < first) return type_error(env, timed ? "runTimed expects times, a program and its memories" : "run expects a program and its memories");
  const ProgramHandle* handle = read_program(env, arguments[first - 1]);
  if (!handle) return nullptr;
  const Program& program = **handle;
  const int externals = program.externals();
  if (count != static_cast<size_t>(externals) + first) {
    return type_error(env, "run expects " + std::to_string(externals) + " memories; received " + std::to_string(count - first));
  }
  RunTimes times;
  if (timed && !read_times(env, program, arguments[0], times)) return nullptr;
  char* few[kFewExternals];
  std::vector<napi_value> all;
  std::vector<char*> many;
  char** memories = few;
  napi_value* values = arguments;
  if (externals > kFewExternals) {
    all.resize(count);
    many.resize(count);
    if (!ok(env, napi_get_cb_info(env, info, &count, all.data(), nullptr, nullptr))) return nullptr;
    memories = many.data();
    values = all.data();
  }
  for (int i = 0; i < externals; i++) {
    if (!read_memory(env, program, i, values[static_cast<size_t>(i) + first], memories[i])) return nullptr;
  }
  const std::string error = Engine::instance().run(program, memories, times);
  if (!error.empty()) napi_throw_range_error(env, nullptr, error.c_str());
  return nullptr;
}

// Settles a promise on the JavaScript thread.
void settle(napi_env env, napi_value, void* context, void* data) {
  AsyncRun* finished = static_cast<AsyncRun*>(data);
  Environment* environment = static_cast<Environment*>(context);
  if (env) {
    napi_delete_reference(env, finished->memories);
    if (finished->error.empty()) {
      napi_value nothing;
      napi_get_undefined(env, &nothing);
      napi_resolve_deferred(env, finished->deferred, nothing);
    } else {
      napi_value message, error;
      napi_create_string_utf8(env, finished->error.c_str(), finished->error.size(), &message);
      napi_create_range_error(env, nullptr, message, &error);
      napi_reject_deferred(env, finished->deferred, error);
    }
    std::lock_guard<std::mutex> lock(environment->mutex);
    environment->failed.erase(finished->number);
    // The process may end when nothing is under way.
    if (--environment->unsettled == 0) napi_unref_threadsafe_function(env, environment->settle);
  }
  delete finished;
}

// Runs that are still under way when a thread ends write into its memory: they must be over first.
void end_environment(void* data) {
  Environment* environment = static_cast<Environment*>(data);
  std::unique_lock<std::mutex> lock(environment->mutex);
  environment->idle.wait(lock, [&] { return environment->running == 0; });
}

Environment* environment_of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<Environment*>(data);
}

}  // namespace

bool start_environment(napi_env env) {
  Environment* environment = new Environment{};
  environment->env = env;
  napi_value name;
  if (!ok(env, napi_create_string_utf8(env, "nagare", NAPI_AUTO_LENGTH, &name)) ||
      !ok(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, environment, settle, &environment->settle)) ||
      !ok(env, napi_unref_threadsafe_function(env, environment->settle)) ||
      !ok(env, napi_set_instance_data(
                   env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr)) ||
      !ok(env, napi_add_env_cleanup_hook(env, end_environment, environment))) {
    return false;
  }
  return true;
}

napi_value create_program(napi_env env, napi_callback_info info) {
  size_t count = 4;
  napi_value arguments[4];
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr))) return nullptr;
  View code;
  napi_typedarray_type type = napi_int8_array;
  if (count < 4 || !read_view(env, arguments[0], code) ||
      napi_get_typedarray_info(env, arguments[0], &type, nullptr, nullptr, nullptr, nullptr) != napi_ok || type != napi_int32_array) {
    return type_error(env, "createProgram expects an Int32Array of instructions, constants, a number of memories and arena bytes");
  }
  uint32_t constantCount = 0;
  if (napi_get_array_length(env, arguments[1], &constantCount) != napi_ok) return type_error(env, "constants must be an array");
  std::vector<Constant> constants(constantCount);
  for (uint32_t i = 0; i < constantCount; i++) {
    napi_value element;
    View view;
    if (!ok(env, napi_get_element(env, arguments[1], i, &element))) return nullptr;
    if (!read_view(env, element, view)) return type_error(env, "constant " + std::to_string(i) + " is not a typed array");
    constants[i] = {view.data, view.bytes};
  }
  double externals = 0, arenaBytes = 0;
  if (napi_get_value_double(env, arguments[2], &externals) != napi_ok || napi_get_value_double(env, arguments[3], &arenaBytes) != napi_ok ||
      !(externals >= 0 && externals <= kMaxExternals) || externals != std::floor(externals) || !(arenaBytes >= 0 && arenaBytes <= 0x1p53)) {
    return type_error(env, "the number of memories or the arena's bytes are not plausible");
  }
  ProgramHandle* handle = nullptr;
  try {
    handle = new ProgramHandle(std::make_shared<Program>(Engine::instance().kernels(), reinterpret_cast<const int32_t*>(code.data),
                                                         code.bytes / 4, constants, static_cast<int>(externals),
                                                         static_cast<size_t>(arenaBytes)));
  } catch (const InvalidProgram& error) {
    return type_error(env, std::string("invalid program: ") + error.what());
  } catch (const std::bad_alloc&) {
    napi_throw_range_error(env, nullptr, "nagare engine: out of memory while a program was created");
    return nullptr;
  }
  const int64_t bytes = static_cast<int64_t>((*handle)->constant_bytes() + code.bytes);
  int64_t adjusted;
  napi_adjust_external_memory(env, bytes, &adjusted);
  napi_value result;
  const napi_status status = napi_create_external(
      env, handle,
      [](napi_env owner, void* data, void* hint) {
        const void*& checked = checked_program(data);
        if (checked == data) checked = nullptr;
        delete static_cast<ProgramHandle*>(data);
        int64_t left;
        napi_adjust_external_memory(owner, -static_cast<int64_t>(reinterpret_cast<intptr_t>(hint)), &left);
      },
      reinterpret_cast<void*>(static_cast<intptr_t>(bytes)), &result);
  if (status != napi_ok) delete handle;
  if (!ok(env, status) || !ok(env, napi_type_tag_object(env, result, &kProgramTag))) return nullptr;
  return result;
}

napi_value memory_bytes(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result = nullptr;
  size_t count = 2;
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr))) return nullptr;
  const ProgramHandle* const program = count < 1 ? nullptr : read_program(env, arguments[0]);
  if (!program) return nullptr;
  int32_t index = 0;
  if (count < 2 || napi_get_value_int32(env, arguments[1], &index) != napi_ok || index < 0 || index >= (*program)->externals()) {
    return type_error(env, "memoryBytes expects a program and the number of one of its memories");
  }
  ok(env, napi_create_double(env, static_cast<double>((*program)->external_needs(index).bytes), &result));
  return result;
}

napi_value run(napi_env env, napi_callback_info info) { return run_at_once(env, info, false); }

napi_value run_timed(napi_env env, napi_callback_info info) { return run_at_once(env, info, true); }

napi_value run_async(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr))) return nullptr;
  uint32_t given = 0;
  if (count < 2 || napi_get_array_length(env, arguments[1], &given) != napi_ok) {
    return type_error(env, "runAsync expects a program and an array of memories");
  }
  const ProgramHandle* handle = read_program(env, arguments[0]);
  if (!handle) return nullptr;
  const Program& program = **handle;
  if (given != static_cast<uint32_t>(program.externals())) {
    return type_error(env, "runAsync expects " + std::to_string(program.externals()) + " memories; received " + std::to_string(given));
  }
  napi_valuetype timesType = napi_undefined;
  RunTimes times;
  if (count >= 3 && (!ok(env, napi_typeof(env, arguments[2], &timesType)))) return nullptr;
  if (timesType != napi_undefined && !read_times(env, program, arguments[2], times)) return nullptr;
  // An array of its own, so that what the caller does to his does not matter.
  napi_value kept;
  if (!ok(env, napi_create_array_with_length(env, given, &kept))) return nullptr;
  std::vector<char*> memories(given);
  for (uint32_t i = 0; i < given; i++) {
    napi_value element;
    if (!ok(env, napi_get_element(env, arguments[1], i, &element))) return nullptr;
    if (!read_memory(env, program, static_cast<int>(i), element, memories[i])) return nullptr;
    if (!ok(env, napi_set_element(env, kept, i, element))) return nullptr;
  }
  if (times.instructions && !ok(env, napi_set_element(env, kept, given, arguments[2]))) return nullptr;
  Environment* environment = environment_of(env);
  auto started = std::make_unique<AsyncRun>();
  started->environment = environment;
  napi_value promise, pair, number;
  if (!ok(env, napi_create_reference(env, kept, 1, &started->memories)) ||
      !ok(env, napi_create_promise(env, &started->deferred, &promise)) || !ok(env, napi_create_array_with_length(env, 2, &pair))) {
    return nullptr;
  }
  {
    std::lock_guard<std::mutex> lock(environment->mutex);
    environment->running++;
    if (environment->unsettled++ == 0) napi_ref_threadsafe_function(env, environment->settle);
  }
  AsyncRun* run = started.release();
  // The run's number is known only after it is submitted, when it may be over already: its error waits under the lock.
  std::unique_lock<std::mutex> numbering(environment->mutex);
  run->number = Engine::instance().submit(*handle, std::move(memories), times, [run](std::string error) {
    Environment* owner = run->environment;
    std::lock_guard<std::mutex> lock(owner->mutex);
    run->error = std::move(error);
    if (!run->error.empty()) owner->failed[run->number] = run->error;
    napi_call_threadsafe_function(owner->settle, run, napi_tsfn_nonblocking);
    if (--owner->running == 0) owner->idle.notify_all();
  });
  const double turn = static_cast<double>(run->number);
  numbering.unlock();
  if (!ok(env, napi_create_double(env, turn, &number)) || !ok(env, napi_set_element(env, pair, 0, number)) ||
      !ok(env, napi_set_element(env, pair, 1, promise))) {
    return nullptr;
  }
  return pair;
}

napi_value wait(napi_env env, napi_callback_info info) {
  napi_value argument;
  size_t count = 1;
  double number = -1;
  if (!ok(env, napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr))) return nullptr;
  if (count < 1 || napi_get_value_double(env, argument, &number) != napi_ok || !(number >= 0 && number < 0x1p53)) {
    return type_error(env, "wait expects the number of a run");
  }
  Environment* environment = environment_of(env);
  {
    // A number nobody was given would be waited for without end.
    std::lock_guard<std::mutex> lock(environment->mutex);
    if (environment->unsettled == 0) return nullptr;
  }
  Engine::instance().wait(static_cast<uint64_t>(number));
  std::lock_guard<std::mutex> lock(environment->mutex);
  const auto failure = environment->failed.find(static_cast<uint64_t>(number));
  if (failure != environment->failed.end()) napi_throw_range_error(env, nullptr, failure->second.c_str());
  return nullptr;
}

}  // namespace nagare
