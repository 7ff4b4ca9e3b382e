import { arch, availableParallelism, cpus, freemem, platform, totalmem } from "node:os";
import { backend, backendNames } from "nagare";
import { formatBytes, formatTable, indent, loadBackend } from "nagare/backend";
import { explainError } from "./explainError.ts";

/** One backend: what it found on this machine, or why it does not work here. */
interface BackendReport {
  readonly name: string;
  readonly inUse: boolean;
  readonly available: boolean;
  readonly description: string;
  readonly threads: number | null;
}

/** Prints the backends and the machine. */
export function devices(options: { json?: true }): void {
  const used = backend();
  const backends = backendNames().map((name) => reportBackend(name, name === used));
  const machine = {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    platform: `${platform()}-${arch()}`,
    node: process.versions.node,
  };
  process.stdout.write(
    `${options.json ? JSON.stringify({ backends, machine }) : formatDevices(backends, machine)}\n`,
  );
}

function reportBackend(name: string, inUse: boolean): BackendReport {
  try {
    const { description, threads } = loadBackend(name);
    return { name, inUse, available: true, description, threads: threads?.get() ?? 1 };
  } catch (error) {
    return { name, inUse, available: false, description: explainError(error), threads: null };
  }
}

function formatDevices(
  backends: readonly BackendReport[],
  machine: {
    cpu: string;
    cores: number;
    memoryBytes: number;
    freeMemoryBytes: number;
    platform: string;
    node: string;
  },
): string {
  const rows = backends.map(({ name, inUse, available, description, threads }) => [
    `${inUse ? "*" : " "} ${name}`,
    available ? `${threads} thread${threads === 1 ? "" : "s"}` : "not available",
    description,
  ]);
  const facts = [
    ["cpu", `${machine.cpu}, ${machine.cores} core${machine.cores === 1 ? "" : "s"}`],
    ["memory", `${formatBytes(machine.memoryBytes)}, ${formatBytes(machine.freeMemoryBytes)} free`],
    ["system", `${machine.platform}, Node ${machine.node}`],
  ];
  return `Backends (* in use)\n${indent(formatTable(rows))}\n\nMachine\n${indent(formatTable(facts))}`;
}
