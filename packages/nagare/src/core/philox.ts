/** The counter-based random generator: every word follows from a key and a position alone, in any order. */

/** The upper and lower 32 bits of a product of two 32-bit numbers. */
function wideProduct(a: number, b: number): [high: number, low: number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carried = aLow * bHigh + (middle % 0x10000);
  return [
    aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000),
    Math.imul(a, b) >>> 0,
  ];
}

/**
 * Philox 4×32 with 10 rounds: four words from a counter of four words and a key of two.
 * Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): readonly number[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = wideProduct(0xd2511f53, c0);
    const [high1, low1] = wideProduct(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}
