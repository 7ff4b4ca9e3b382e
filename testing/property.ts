/** Random cases by fast-check, the same on every machine; NAGARE_TEST_SEED draws others. */
import fc from "fast-check";

const seed = Number(process.env.NAGARE_TEST_SEED ?? 20);

/** Asserts a property for many random cases (100 unless told otherwise); a failure prints the smallest one found. */
export function assertProperty<T>(property: fc.IProperty<T>, numRuns = 100): void {
  fc.assert(property, { seed, numRuns });
}

/** The same for a property whose check is asynchronous. */
export async function assertAsyncProperty<T>(property: fc.IAsyncProperty<T>, numRuns = 100): Promise<void> {
  await fc.assert(property, { seed, numRuns });
}
