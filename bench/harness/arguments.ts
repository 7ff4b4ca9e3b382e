/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import type { Task } from "./workload.ts";

/** The peers one can name, each a framework. */
export const peerFamilies = ["torch", "jax", "tf", "tfjs"] as const;
/** A framework to compare with. */
export type PeerFamily = (typeof peerFamilies)[number];

/** Replace the baseline by this run, or say how far this run is from it. */
export type BaselineUse = "write" | "compare";

/** What a run shall do. */
export interface BenchOptions {
  /** The sweep to run instead of workloads. */
  readonly sweep?: string;
  /** The names of the workloads, or of the sweep's tasks, in the catalogue's order. */
  readonly workloads: readonly string[];
  readonly peers: readonly PeerFamily[];
  /** Turns of each party with each workload. */
  readonly rounds: number;
  readonly json: boolean;
  /** A file for the lines of `json`. */
  readonly out?: string;
  /** A file for a chart of the ratios. */
  readonly chart?: string;
  /** What to do with this machine's earlier times. */
  readonly baseline?: BaselineUse;
  /** Instead of comparing, say where our own time goes. */
  readonly profile: boolean;
  readonly help: boolean;
}

/** A command line that cannot be followed. */
export class UsageError extends Error {}

const defaultRounds = 5;

/** The known ones that are named, or begin with a name and "_", as all shapes of one operation of a sweep do. */
function chosenFrom<T extends string>(what: string, known: readonly T[], names: readonly string[]): T[] {
  const isMeant = (one: T, name: string): boolean => one === name || one.startsWith(`${name}_`);
  for (const name of names) {
    if (!known.some((one) => isMeant(one, name))) {
      throw new UsageError(`bench: expected ${what} from ${known.join(", ")}; received "${name}".`);
    }
  }
  return known.filter((one) => names.some((name) => isMeant(one, name)));
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (/^\d+$/.test(text) && rounds >= 1 && rounds <= 1000) return rounds;
  throw new UsageError(`bench: expected a whole number from 1 to 1000 after --rounds; received "${text}".`);
}

function readPeers(text: string): PeerFamily[] {
  if (text === "none") return [];
  return chosenFrom(
    "peers (or none)",
    peerFamilies,
    text.split(",").map((name) => name.trim()),
  );
}

/** The names of tasks by the name of their sweep. */
export type SweepNames = Readonly<Record<string, readonly string[]>>;

/**
 * Reads the command line.
 * @param workloads the names of all workloads.
 * Throws UsageError for unknown options, workloads, sweeps and peers.
 */
export function parseBenchArguments(
  argv: readonly string[],
  workloads: readonly string[],
  sweeps: SweepNames = {},
): BenchOptions {
  const { values, positionals } = parse(argv);
  const { sweep, out, chart, baseline } = values;
  if (baseline !== undefined && baseline !== "write" && baseline !== "compare") {
    throw new UsageError(`bench: expected write or compare after --baseline; received "${baseline}".`);
  }
  const known = sweep === undefined ? workloads : sweeps[sweep];
  if (!known) {
    throw new UsageError(
      `bench: expected a sweep from ${Object.keys(sweeps).join(", ")} after --sweep; received "${sweep}".`,
    );
  }
  const { peers, rounds, json = false, profile = false, help = false } = values;
  return {
    ...(sweep === undefined ? {} : { sweep }),
    ...(out === undefined ? {} : { out }),
    ...(chart === undefined ? {} : { chart }),
    ...(baseline === undefined ? {} : { baseline }),
    workloads: positionals.length > 0 ? chosenFrom("workloads", known, positionals) : known,
    peers: peers === undefined ? peerFamilies : readPeers(peers),
    rounds: rounds === undefined ? defaultRounds : readRounds(rounds),
    json,
    profile,
    help,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: { type: "boolean" },
        profile: { type: "boolean" },
        help: { type: "boolean", short: "h" },
        peers: { type: "string" },
        out: { type: "string" },
        chart: { type: "string" },
        baseline: { type: "string" },
        sweep: { type: "string" },
        rounds: { type: "string" },
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split(". ")[0] ?? "") : String(error);
    throw new UsageError(`bench: ${reason}. See npm run bench -- --help.`);
  }
}

/** The text of --help. */
export function usage(tasks: readonly Task[]): string {
  const width = Math.max(...tasks.map(({ name }) => name.length));
  return [
    "npm run bench [-- WORKLOAD … | OPTION …]",
    "",
    "Times workloads in Nagare and in the peers that are installed, in turns, and prints medians and the ratio to the",
    "fastest peer. The machine should have nothing else to do.",
    "",
    "  --peers LIST   some of torch,jax,tf,tfjs, or none; default: all that are installed",
    `  --rounds N     turns of each party with each workload; default ${defaultRounds}`,
    "  --sweep NAME   gemm, conv or memory: one operation over many shapes, with GFLOP/s or GB/s and the share of the measured",
    "                 peak; ops: many operations over a few; sizes: the workloads at other sizes; nets: other networks",
    "  --json         one JSON line for each workload and party, and one for each ratio",
    "  --out FILE     the same lines into a file",
    "  --chart FILE   the ratios as an SVG chart",
    "  --baseline write|compare  keep our times as those of this machine's model, or print the drift from them",
    "  --profile      no peers: a table of where Nagare's time goes, kernel by kernel",
    "",
    "NAGARE_PEER_PYTHON   Python interpreters that have PyTorch, JAX or TensorFlow, with commas or colons between; default python3",
    "NAGARE_PEER_TFJS     a folder with @tensorflow/tfjs and @tensorflow/tfjs-backend-wasm in its node_modules",
    "",
    "Workloads:",
    ...tasks.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`),
  ].join("\n");
}
