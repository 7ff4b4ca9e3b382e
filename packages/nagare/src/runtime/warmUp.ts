/** The first runs of a process. */
import { currentDynamicTrace } from "../trace/index.ts";
import { currentRecording } from "./profile/index.ts";

/**
 * V8 looks up each property of a function anew until the function was called eight times, and compiles it after some more: an operation
 * of some microseconds takes 60 so long.
 */
const calls = 24;

/**
 * Goes the way of runs through the framework so often that V8 knows it, once, before the first one. For the next dozens, such as a
 * server's first requests, that halves what they take besides their kernels or better; it costs some milliseconds.
 */
class WarmUp {
  #makeWay: (() => () => void) | undefined;

  /** `makeWay` makes a function that does the least that can be done; its first call may compile it. */
  by(makeWay: () => () => void): void {
    this.#makeWay = makeWay;
  }

  /** To be called before what runs for the first time, when all else that it needs is done. */
  once(): void {
    const makeWay = this.#makeWay;
    // What is traced or recorded is the caller's alone.
    if (!makeWay || currentDynamicTrace() || currentRecording()) return;
    this.#makeWay = undefined;
    const way = makeWay();
    for (let i = 0; i < calls; i++) way();
  }
}

/** Of single operations, and of compiled programs. */
export const warmUps = { operations: new WarmUp(), programs: new WarmUp() };
