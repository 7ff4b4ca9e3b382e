#include "addon_values.h"

namespace nagare {

bool ok(napi_env env, napi_status status) {
  if (status == napi_ok) return true;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) {
    const napi_extended_error_info* info = nullptr;
    napi_get_last_error_info(env, &info);
    napi_throw_error(env, nullptr, info && info->error_message ? info->error_message : "nagare: a call to Node-API failed");
  }
  return false;
}

napi_value type_error(napi_env env, const std::string& message) {
  napi_throw_type_error(env, nullptr, ("nagare engine: " + message).c_str());
  return nullptr;
}

bool read_view(napi_env env, napi_value value, View& view) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) return false;
  void* data = nullptr;
  // Of every view, not only of Buffers, and without asking for its type, of which there are a dozen to compare with.
  if (napi_get_buffer_info(env, value, &data, &view.bytes) != napi_ok) return false;
  // Memory of no bytes may have no address, which kernels could not even add to.
  alignas(64) static char nothing[64];
  view.data = data ? static_cast<char*>(data) : nothing;
  return true;
}

}  // namespace nagare
