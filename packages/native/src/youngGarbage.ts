/** V8's collector of short-lived objects, called when results have piled up that nobody holds any more. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor" }) => void;

function findCollector(): Collect {
  const exposed = (globalThis as { readonly gc?: Collect }).gc;
  if (exposed) return exposed;
  // Node offers it behind a flag only, which contexts look at when they are made.
  setFlagsFromString("--expose-gc");
  try {
    return runInNewContext("gc") as Collect;
  } finally {
    setFlagsFromString("--no-expose-gc");
  }
}

let collector: Collect | undefined;

/** Frees what was made lately and cannot be reached any more. Takes some tenths of a millisecond. */
export function collectYoungGarbage(): void {
  collector ??= findCollector();
  collector({ type: "minor" });
}
