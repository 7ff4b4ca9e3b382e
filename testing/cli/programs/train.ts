import * as ng from "nagare";

interface Arguments {
  readonly epochs?: number;
  readonly backend?: string;
  readonly args: readonly string[];
}

/** Fits w in y = w · x to y = 3 x and prints what it was given and what it found. */
export default async function train({ epochs = 2, backend, args }: Arguments): Promise<void> {
  const x = ng.tensor([1, 2, 3]);
  let w = ng.tensor(0);
  const gradient = ng.grad((v: ng.Tensor) => x.mul(v).sub(x.mul(3)).square().sum());
  for (let epoch = 0; epoch < epochs; epoch++) w = w.sub(gradient(w).mul(1 / 28));
  console.log(
    JSON.stringify({ epochs, backend, used: ng.backend(), args, argv: process.argv.slice(2), w: w.item() }),
  );
}
