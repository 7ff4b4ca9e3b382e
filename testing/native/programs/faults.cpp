// Faults on purpose, each of which a sanitizer must see: otherwise its silence about the engine would mean nothing.
#include <node_api.h>

#include <cstdint>
#include <thread>

namespace {

// Reads the element after the last of a Float32Array.
napi_value read_past_end(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value array, result;
  void* data = nullptr;
  napi_get_cb_info(env, info, &count, &array, nullptr, nullptr);
  napi_get_typedarray_info(env, array, nullptr, &length, &data, nullptr, nullptr);
  napi_create_double(env, static_cast<const volatile float*>(data)[length], &result);
  return result;
}

// Overflows an int32.
napi_value overflow(napi_env env, napi_callback_info) {
  volatile int32_t most = INT32_MAX;
  most = most + 1;
  napi_value result;
  napi_create_int32(env, most, &result);
  return result;
}

// Counts on two threads without asking who else does.
napi_value race(napi_env env, napi_callback_info) {
  int64_t total = 0;
  auto add = [&] {
    for (int i = 0; i < 1000; i++) *const_cast<volatile int64_t*>(&total) = total + 1;
  };
  std::thread other(add);
  add();
  other.join();
  napi_value result;
  napi_create_int64(env, total, &result);
  return result;
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"readPastEnd", nullptr, read_past_end, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"overflow", nullptr, overflow, nullptr, nullptr, nullptr, napi_default, nullptr},
      {"race", nullptr, race, nullptr, nullptr, nullptr, napi_default, nullptr}};
  napi_define_properties(env, exports, 3, functions);
  return exports;
}
