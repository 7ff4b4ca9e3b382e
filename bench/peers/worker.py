"""The loop of a peer written in Python: reads requests from stdin, times, answers on stdout (harness/exchange.ts)."""

import json
import os
import sys
import time

import numpy as np

# Untimed runs before the timed ones: the first turn compiles and fills pools, later ones warm the caches again.
FIRST_WARM_UP, LATER_WARM_UP = 5, 2


def read_array(entry):
    return np.fromfile(entry["file"], dtype=entry["dtype"]).reshape(entry["shape"])


def take_turn(run, to_numpy, request):
    losses = []

    def finish(result):
        if request.get("losses"):
            losses.append(float(to_numpy(result)))

    for _ in range(FIRST_WARM_UP if "inputs" in request else LATER_WARM_UP):
        finish(run())
    times = []
    for _ in range(request["samples"]):
        start = time.perf_counter()
        result = run()
        times.append((time.perf_counter() - start) * 1e3)
        finish(result)
        # The next run finds the memory free, as it would in a loop that drops its results.
        del result
    if "output" in request:
        np.asarray(to_numpy(run()), dtype=np.float32).tofile(request["output"])
    return {"times": times, "losses": losses} if request.get("losses") else {"times": times}


def serve(version, threads, workloads, to_numpy):
    """Answers requests until stdin ends.

    workloads: name -> function from the input arrays (NumPy, by name) to a function that does what one timing covers.
    """
    # Libraries print to stdout; the answers keep it for themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def send(message):
        print(json.dumps(message), file=answers, flush=True)

    send({"ready": True, "version": version, "threads": threads})
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "inputs" in request:
                run = None
                prepare = workloads.get(request["workload"])
                if prepare:
                    arrays = {name: read_array(entry) for name, entry in request["inputs"].items()}
                    run = prepare(**arrays, **request.get("parameters", {}))
            if run:
                send(take_turn(run, to_numpy, request))
            else:
                send({"unsupported": f"has no {request['workload']}"})
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            send({"error": f"{type(error).__name__}: {reason}"})
