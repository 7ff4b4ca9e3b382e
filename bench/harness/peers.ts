/** Which peers this machine has, and how to start them. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { PeerFamily } from "./arguments.ts";
import type { WorkerCommand } from "./party.ts";

/** What a search for peers gives. */
export interface FoundPeers {
  readonly commands: readonly WorkerCommand[];
  /** One line for each peer that is not there, with the remedy. */
  readonly missing: readonly string[];
}

/** The parties of a framework in Python: the modules they need, their script and its arguments. */
const pythonPeers = {
  torch: {
    title: "PyTorch",
    modules: ["torch", "numpy"],
    script: "torch_peer.py",
    parties: { "torch-eager": ["eager"], "torch-compile": ["compile"] },
  },
  jax: { title: "JAX", modules: ["jax", "numpy"], script: "jax_peer.py", parties: { "jax-jit": [] } },
  tf: {
    title: "TensorFlow",
    modules: ["tensorflow", "keras", "numpy"],
    script: "tensorflow_peer.py",
    parties: { "tf-function": [] },
  },
} as const satisfies Partial<Record<PeerFamily, unknown>>;

const peerFolder = resolve(import.meta.dirname, "../peers");
const tfjsPackages = ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"];

/** Says which of these modules an interpreter has; rejects when it cannot be run. */
export type Probe = (interpreter: string, modules: readonly string[]) => Promise<readonly string[]>;

const run = promisify(execFile);

async function probeInterpreter(interpreter: string, modules: readonly string[]): Promise<readonly string[]> {
  // Finding a module takes milliseconds, importing it seconds.
  const script =
    "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m)])";
  const { stdout } = await run(interpreter, ["-c", script, ...modules]);
  return stdout.trim().split(" ");
}

/** The environment of peers: OPENBLAS_CORETYPE would hold NumPy's BLAS to the kernels of another processor. */
function peerEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { OPENBLAS_CORETYPE: _, ...rest } = environment;
  return rest;
}

interface Interpreter {
  readonly path: string;
  readonly modules: readonly string[];
  readonly problem?: string;
}

async function findInterpreters(list: string, probe: Probe): Promise<Interpreter[]> {
  const modules = [...new Set(Object.values(pythonPeers).flatMap((peer) => peer.modules))];
  const paths = list.split(/[,:]/).filter((path) => path !== "");
  return Promise.all(
    paths.map(async (path) => {
      try {
        return { path, modules: await probe(path, modules) };
      } catch (error) {
        const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        return { path, modules: [], problem: `${path} cannot be used: ${reason}` };
      }
    }),
  );
}

/** Where the folder's TensorFlow.js lacks something, in words. */
function tfjsProblem(folder: string | undefined): string | undefined {
  if (!folder) return "name a folder in NAGARE_PEER_TFJS";
  const lacking = tfjsPackages.filter((name) => !existsSync(join(folder, "node_modules", name)));
  return lacking.length > 0 ? `NAGARE_PEER_TFJS=${folder} has no ${lacking.join(" and no ")}` : undefined;
}

/**
 * Looks for peers as the environment says.
 * @param probe asks an interpreter for modules; replaced in tests.
 */
export async function findPeers(
  families: readonly PeerFamily[],
  environment: NodeJS.ProcessEnv,
  probe: Probe = probeInterpreter,
): Promise<FoundPeers> {
  const commands: WorkerCommand[] = [];
  const missing: string[] = [];
  const list = environment.NAGARE_PEER_PYTHON || "python3";
  const ownEnvironment = peerEnvironment(environment);
  const pythonFamilies = families.filter((family) => family !== "tfjs");
  const interpreters = pythonFamilies.length > 0 ? await findInterpreters(list, probe) : [];
  for (const { problem } of interpreters) if (problem) missing.push(problem);
  for (const family of pythonFamilies) {
    const { title, modules, script, parties } = pythonPeers[family];
    const found = interpreters.find((one) => modules.every((module) => one.modules.includes(module)));
    if (!found) {
      missing.push(
        `${title} is not installed: ${list} has no ${modules.join(" + ")}; name an interpreter in NAGARE_PEER_PYTHON`,
      );
      continue;
    }
    for (const [name, own] of Object.entries(parties)) {
      const arguments_ = [join(peerFolder, script), ...own];
      commands.push({ name, command: found.path, arguments: arguments_, environment: ownEnvironment });
    }
  }
  if (families.includes("tfjs")) {
    const folder = environment.NAGARE_PEER_TFJS;
    const problem = tfjsProblem(folder);
    if (problem) missing.push(`TensorFlow.js is not installed: ${problem}`);
    else {
      const arguments_ = [join(peerFolder, "tfjs_peer.cjs"), resolve(folder ?? "")];
      commands.push({
        name: "tfjs-wasm",
        command: process.execPath,
        arguments: arguments_,
        environment: ownEnvironment,
      });
    }
  }
  return { commands, missing };
}
