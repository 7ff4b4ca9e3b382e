// Which typed arrays JavaScript cannot reach any more.
#pragma once

#include <node_api.h>

namespace nagare {

// Prepares what the functions below keep for an environment. False, with an exception, where Node-API refuses.
bool start_reachability(napi_env env, napi_value exports);

}  // namespace nagare
