/** Random matrices with orthonormal rows or columns. */
import { astype, matmul, reshape, tensor, transpose } from "../array/index.ts";
import { type DType, ShapeError, type Tensor } from "../core/index.ts";
import { nextKey, normal } from "../random/index.ts";

/**
 * R⁻¹ of the Cholesky factor AᵀA = RᵀR, an upper triangle, row-major. For the Gaussian matrices of this file AᵀA is
 * positive definite; the second pass repairs what the first lost to a bad condition.
 */
function inverseFactor(gram: Float64Array, n: number): Float64Array {
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    // Row i of R from row i of AᵀA, less what the rows above it explain.
    const row = gram.slice(i * n, (i + 1) * n);
    for (let k = 0; k < i; k++) {
      const weight = factor[k * n + i] ?? 0;
      for (let j = i; j < n; j++) row[j] = (row[j] ?? 0) - weight * (factor[k * n + j] ?? 0);
    }
    const pivot = Math.sqrt(row[i] ?? 0);
    for (let j = i; j < n; j++) factor[i * n + j] = (row[j] ?? 0) / pivot;
  }
  const inverse = new Float64Array(n * n);
  for (let i = n - 1; i >= 0; i--) {
    const pivot = factor[i * n + i] ?? 1;
    inverse[i * n + i] = 1 / pivot;
    for (let k = i + 1; k < n; k++) {
      const weight = (factor[i * n + k] ?? 0) / pivot;
      for (let j = k; j < n; j++)
        inverse[i * n + j] = (inverse[i * n + j] ?? 0) - weight * (inverse[k * n + j] ?? 0);
    }
  }
  return inverse;
}

/** A with orthonormal columns: A·R⁻¹, the Q of its decomposition A = QR with a positive diagonal. */
function orthonormalColumns(a: Tensor): Tensor {
  const n = Number(a.shape[1]);
  const gram = matmul(transpose(a), a).dataSync();
  return matmul(a, reshape(tensor(inverseFactor(gram as Float64Array, n), { dtype: "float64" }), [n, n]));
}

/**
 * A random matrix, uniform over those with orthonormal rows or, where it is taller than wide, columns (Saxe et al. 2013):
 * the Q of a Gaussian matrix. Axes before the last count as one. Products with it keep lengths, so that gradients neither
 * vanish nor explode over many steps.
 */
export function orthogonal(shape: readonly number[], dtype: DType): Tensor {
  const columns = shape.at(-1);
  if (columns === undefined || shape.length < 2) {
    throw new ShapeError(
      `orthogonal: expected a shape of at least two axes; received [${shape.join(", ")}].`,
    );
  }
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const tall = [Math.max(rows, columns), Math.min(rows, columns)];
  // Cholesky's way to Q squares the condition of A; done twice it is exact to rounding (Yamamoto et al. 2015).
  const q = orthonormalColumns(orthonormalColumns(normal(nextKey(), tall, { dtype: "float64" })));
  return reshape(astype(rows < columns ? transpose(q) : q, dtype), shape);
}
