// Programs and their runs, as JavaScript makes them.
#pragma once

#include <node_api.h>

namespace nagare {

// Prepares the calling environment (the main thread, or a worker_threads worker) for runs; false with an exception.
bool start_environment(napi_env env);

// createProgram(code: Int32Array, constants: TypedArray[], externals: number, arenaBytes: number): program
napi_value create_program(napi_env env, napi_callback_info info);

// memoryBytes(program, index): the bytes that the program uses of the memory of that number
napi_value memory_bytes(napi_env env, napi_callback_info info);

// run(program, ...memories): void
napi_value run(napi_env env, napi_callback_info info);

// runTimed(times: Float64Array, program, ...memories): void
napi_value run_timed(napi_env env, napi_callback_info info);

// runAsync(program, memories: TypedArray[], times?: Float64Array): [number of the run, promise]
napi_value run_async(napi_env env, napi_callback_info info);

// wait(number): blocks until that run is over; throws its error.
napi_value wait(napi_env env, napi_callback_info info);

}  // namespace nagare
