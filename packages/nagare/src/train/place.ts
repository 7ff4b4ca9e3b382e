/** Errors that say which batch they come from. */
import { NagareError } from "../core/index.ts";

type ErrorClass = new (message: string, options: ErrorOptions) => NagareError;

/** Runs `body`; what Nagare throws in it comes out as the same kind of error with the place in front of its message. */
export async function atPlace<R>(place: string, body: () => R | Promise<R>): Promise<R> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof NagareError)) throw error;
    throw new (error.constructor as ErrorClass)(`${place}: ${error.message}`, { cause: error });
  }
}
