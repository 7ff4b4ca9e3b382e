/** Where the steps of a loop run. */
import type { Jitted } from "../transforms/index.ts";

/**
 * A step that takes less runs at once: to hand it to the engine's thread and to be told of its end take 0.1 ms, and no timer is kept
 * waiting for longer than by a collection of garbage. Loops give timers their turn (see `turns`).
 */
const shortMs = 0.5;

/** A compiled step that runs off the event loop, unless the last one was so short that this would cost more than it is worth. */
export class PacedStep<A extends readonly unknown[], R> {
  readonly #step: Jitted<A, R>;
  #lastMs = Number.POSITIVE_INFINITY;

  constructor(step: Jitted<A, R>) {
    this.#step = step;
  }

  async run(...args: A): Promise<R> {
    const start = performance.now();
    const result = this.#lastMs < shortMs ? this.#step(...args) : await this.#step.runAsync(...args);
    this.#lastMs = performance.now() - start;
    return result;
  }
}
