/** The products of the GEMM sweep. */

/** C[m, n] = op(A)·op(B) with sums of k products, `batch` times; a flag says that the factor is stored transposed. */
export interface GemmShape {
  readonly batch?: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const square = (size: number): GemmShape => ({ m: size, n: size, k: size });

/** 40 shapes: squares, the layers of the workloads and their gradients, thin ones, transposed and batched ones. */
export const gemmShapes: readonly GemmShape[] = [
  ...[64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048].map(square),

  // mlp_train_b128: forward, then gradients in the weights and in the inputs.
  { m: 128, n: 512, k: 784 },
  { m: 128, n: 10, k: 256 },
  { m: 784, n: 512, k: 128, transposeA: true },
  { m: 128, n: 512, k: 256, transposeB: true },
  // chargpt_train_b12
  { m: 768, n: 384, k: 128 },
  { m: 768, n: 128, k: 512 },
  { m: 768, n: 65, k: 128 },
  { m: 128, n: 512, k: 768, transposeA: true },
  { batch: 48, m: 64, n: 64, k: 32, transposeB: true },
  { batch: 48, m: 64, n: 32, k: 64 },
  // lstm512_train_b20t20
  { m: 20, n: 2048, k: 512 },
  { m: 400, n: 10000, k: 512 },
  { m: 512, n: 10000, k: 400, transposeA: true },
  { m: 400, n: 512, k: 10000, transposeB: true },
  // minilm_infer_b8t128
  { m: 1024, n: 1152, k: 384 },
  { m: 1024, n: 384, k: 1536 },
  { batch: 96, m: 128, n: 128, k: 32, transposeB: true },

  // Thin: a vector, a few rows, a few columns, short and long sums.
  { m: 1, n: 1024, k: 1024 },
  { m: 1, n: 4096, k: 4096 },
  { m: 4096, n: 1, k: 4096 },
  { m: 8, n: 4096, k: 1024 },
  { m: 4096, n: 8, k: 1024 },
  { m: 4096, n: 4096, k: 16 },
  { m: 16, n: 16, k: 65536 },

  { m: 1024, n: 1024, k: 1024, transposeA: true },
  { m: 1024, n: 1024, k: 1024, transposeB: true },
  { m: 1024, n: 1024, k: 1024, transposeA: true, transposeB: true },
  { batch: 64, m: 64, n: 64, k: 64 },
  { batch: 16, m: 256, n: 256, k: 256 },
];
