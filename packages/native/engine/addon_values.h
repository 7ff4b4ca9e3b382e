// Values of JavaScript, checked: a mistake over there is an exception and not a crash.
#pragma once

#include <node_api.h>

#include <cstddef>
#include <string>

namespace nagare {

// Whether a call to Node-API went well; otherwise there is an exception.
bool ok(napi_env env, napi_status status);

// Throws a TypeError; null, which is what the function that was called wrongly returns.
napi_value type_error(napi_env env, const std::string& message);

// The bytes of a typed array.
struct View {
  char* data;
  size_t bytes;
};

// False for what is no typed array.
bool read_view(napi_env env, napi_value value, View& view);

// A function that JavaScript calls.
struct AddonFunction {
  const char* name;
  napi_callback callback;
};

// Makes functions, which are given `data`, properties of `exports`. False, with an exception, where Node-API refuses.
template <size_t N>
bool export_functions(napi_env env, napi_value exports, const AddonFunction (&functions)[N], void* data = nullptr) {
  for (const AddonFunction& function : functions) {
    napi_value value;
    if (!ok(env, napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, data, &value)) ||
        !ok(env, napi_set_named_property(env, exports, function.name, value))) {
      return false;
    }
  }
  return true;
}

}  // namespace nagare
