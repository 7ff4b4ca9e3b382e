function explode(): never {
  throw new RangeError("the data ran out");
}

export const main = (): never => explode();
