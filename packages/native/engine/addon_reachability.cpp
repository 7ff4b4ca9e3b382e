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
  bool typed = false;
  Watched watched{nullptr, 0, 0};
  if (count < 2 || napi_is_typedarray(env, arguments[0], &typed) != napi_ok || !typed ||
      napi_get_value_int32(env, arguments[1], &watched.number) != napi_ok) {
    return type_error(env, "watch expects a typed array and a number");
  }
  if (!ok(env, napi_create_reference(env, arguments[0], 0, &watched.reference))) return nullptr;
  reachability->young.push_back(watched);
  return nullptr;
}

// Numbers that JavaScript reads.
struct Found {
  int32_t* numbers;
  size_t room, count;
};

// So many references are looked at before the handles that they give are let go.
constexpr size_t kHandles = 1024;

// Keeps those of `from` that are alive, in `from` or in `old`, and finds the others, as far as there is room for them.
bool sort_out(napi_env env, std::vector<Watched>& from, std::vector<Watched>* old, Found& found) {
  size_t kept = 0;
  bool fine = true;
  for (size_t begin = 0; begin < from.size(); begin += kHandles) {
    const size_t end = begin + kHandles < from.size() ? begin + kHandles : from.size();
    napi_handle_scope scope = nullptr;
    fine = fine && ok(env, napi_open_handle_scope(env, &scope));
    for (size_t i = begin; i < end; i++) {
      Watched watched = from[i];
      napi_value array = nullptr;
      // What could not be looked at is looked at next time.
      fine = fine && ok(env, napi_get_reference_value(env, watched.reference, &array));
      if (fine && !array && found.count < found.room) {
        found.numbers[found.count++] = watched.number;
        fine = ok(env, napi_delete_reference(env, watched.reference));
      } else if (fine && array && old && ++watched.outlived >= kCollectionsWhileYoung) {
        old->push_back(watched);
      } else {
        from[kept++] = watched;
      }
    }
    if (scope) napi_close_handle_scope(env, scope);
  }
  from.resize(kept);
  return fine;
}

// collected(all, numbers): writes the numbers of arrays that were collected; how many it wrote
napi_value collected(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2], result;
  Reachability* reachability = reachability_of(env, info, count, arguments);
  if (!reachability) return nullptr;
  bool all = false;
  View numbers;
  if (count < 2 || napi_get_value_bool(env, arguments[0], &all) != napi_ok || !read_view(env, arguments[1], numbers) ||
      reinterpret_cast<uintptr_t>(numbers.data) % alignof(int32_t) != 0) {
    return type_error(env, "collected expects a boolean and an Int32Array");
  }
  Found found{reinterpret_cast<int32_t*>(numbers.data), numbers.bytes / sizeof(int32_t), 0};
  // A look at all tells nothing of how many collections there were since the last one.
  if (all && !sort_out(env, reachability->old, nullptr, found)) return nullptr;
  if (!sort_out(env, reachability->young, all ? nullptr : &reachability->old, found)) return nullptr;
  ok(env, napi_create_uint32(env, static_cast<uint32_t>(found.count), &result));
  return result;
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
