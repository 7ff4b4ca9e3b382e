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

}  // namespace nagare
