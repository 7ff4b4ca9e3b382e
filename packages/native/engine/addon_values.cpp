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
  static constexpr size_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
  // Types newer than this list (Float16Array) are of two bytes.
  const size_t bytes = static_cast<size_t>(type) < sizeof sizes / sizeof *sizes ? sizes[type] : 2;
  // Memory of no bytes may have no address, which kernels could not even add to.
  alignas(64) static char nothing[64];
  view = {data ? static_cast<char*>(data) : nothing, length * bytes};
  return true;
}

}  // namespace nagare
