#include "addon_reachability.h"

#include <cstdint>
#include <vector>

#include "addon_values.h"
#include "large_pages.h"

namespace nagare {
namespace {

struct Watched {
  napi_ref reference;  // weak: empty once the array is collected
  int32_t number;
  int32_t outlived;  // collections
};

// What has outlived so many collections is where only full ones free anything.
constexpr int32_t kCollectionsWhileYoung = 3;

// The watched arrays of an environment.
struct Reachability {
  std::vector<Watched> young, old;
};

Reachability* reachability_of(napi_env env, napi_callback_info info, size_t& count, napi_value* arguments) {
  void* data = nullptr;
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, &data))) return nullptr;
  return static_cast<Reachability*>(data);
}

// watch(array, number)
napi_value watch(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  Reachability* reachability = reachability_of(env, info, count, arguments);
  if (!reachability) return nullptr;
  View view;
  Watched watched{nullptr, 0, 0};
  if (count < 2 || !read_view(env, arguments[0], view) || napi_get_value_int32(env, arguments[1], &watched.number) != napi_ok) {
    return type_error(env, "watch expects a typed array and a number");
  }
  if (!ok(env, napi_create_reference(env, arguments[0], 0, &watched.reference))) return nullptr;
  reachability->young.push_back(watched);
  return nullptr;
}

// Keeps those of `from` that are alive, in `from` or in `old`, and writes the numbers of the others.
bool sort_out(napi_env env, std::vector<Watched>& from, std::vector<Watched>* old, napi_value numbers, uint32_t& found) {
  size_t kept = 0;
  for (size_t i = 0; i < from.size(); i++) {
    Watched watched = from[i];
    napi_handle_scope scope;
    if (!ok(env, napi_open_handle_scope(env, &scope))) return false;
    napi_value array = nullptr, number;
    bool fine = ok(env, napi_get_reference_value(env, watched.reference, &array));
    const bool alive = array != nullptr;
    if (fine && !alive) {
      fine = ok(env, napi_create_int32(env, watched.number, &number)) && ok(env, napi_set_element(env, numbers, found++, number)) &&
             ok(env, napi_delete_reference(env, watched.reference));
    }
    napi_close_handle_scope(env, scope);
    if (!fine) return false;
    if (!alive) continue;
    if (old && ++watched.outlived >= kCollectionsWhileYoung) {
      old->push_back(watched);
    } else {
      from[kept++] = watched;
    }
  }
  from.resize(kept);
  return true;
}

// collected(all): the numbers of the arrays that were collected
napi_value collected(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value all_value, numbers;
  Reachability* reachability = reachability_of(env, info, count, &all_value);
  if (!reachability) return nullptr;
  bool all = false;
  if (count < 1 || napi_get_value_bool(env, all_value, &all) != napi_ok) return type_error(env, "collected expects a boolean");
  if (!ok(env, napi_create_array(env, &numbers))) return nullptr;
  uint32_t found = 0;
  // A look at all tells nothing of how many collections there were since the last one.
  if (all && !sort_out(env, reachability->old, nullptr, numbers, found)) return nullptr;
  if (!sort_out(env, reachability->young, all ? nullptr : &reachability->old, numbers, found)) return nullptr;
  return numbers;
}

// place(bytes, alignment): how far past a multiple of the alignment they begin
napi_value place(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result;
  View view;
  uint32_t alignment = 0;
  if (!ok(env, napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr))) return nullptr;
  if (count < 2 || !read_view(env, arguments[0], view) || napi_get_value_uint32(env, arguments[1], &alignment) != napi_ok ||
      alignment == 0) {
    return type_error(env, "place expects a typed array and an alignment");
  }
  prefer_large_pages(view.data, view.bytes);
  ok(env, napi_create_uint32(env, static_cast<uint32_t>(reinterpret_cast<uintptr_t>(view.data) % alignment), &result));
  return result;
}

}  // namespace

bool start_reachability(napi_env env, napi_value exports) {
  Reachability* reachability = new Reachability{};
  // Node frees references that are left itself.
  if (!ok(env, napi_add_env_cleanup_hook(env, [](void* data) { delete static_cast<Reachability*>(data); }, reachability))) {
    delete reachability;
    return false;
  }
  return export_functions(env, exports, {{"watch", watch}, {"collected", collected}, {"place", place}}, reachability);
}

}  // namespace nagare
