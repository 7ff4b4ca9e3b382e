/** Turns of the event loop: what long loops owe to timers, servers and terminals. */

/** How long a loop may run before timers get their turn. */
const longestMs = 20;

type Schedule = (callback: () => void) => unknown;
const { setImmediate, setTimeout } = globalThis as unknown as {
  setImmediate?: Schedule;
  setTimeout: Schedule;
};

/**
 * A function to await between pieces of work. It gives the event loop a turn when the last one is some time ago:
 * awaiting computations that ended at once lets no timer run.
 */
export function turns(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < longestMs) return;
    await new Promise<void>((resolve) => (setImmediate ?? setTimeout)(resolve));
    last = performance.now();
  };
}
