import { arch, availableParallelism, cpus, freemem, platform, totalmem } from "node:os";
import { backend, backendNames } from "nagare";
import { formatBytes, formatTable, indent, loadBackend, type Roofline } from "nagare/backend";
import { explainError } from "./explainError.ts";

/** One backend: what it found on this machine, or why it does not work here. */
interface BackendReport {
  readonly name: string;
  readonly inUse: boolean;
  readonly available: boolean;
  readonly description: string;
  readonly threads: number | null;
  /** Its measured peaks, where it can measure them. */
  readonly roofline: Roofline | null;
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
    const found = loadBackend(name);
    const { description } = found;
    const [threads, roofline] = [found.threads?.get() ?? 1, found.roofline?.() ?? null];
    return { name, inUse, available: true, description, threads, roofline };
  } catch (error) {
    return { name, inUse, available: false, description: explainError(error), threads: null, roofline: null };
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
  const measured = backends.flatMap(({ name, threads, roofline }) => {
    if (!roofline) return [];
    const { flopsOneThread, flops, bytesOneThread, bytes } = roofline;
    const all = threads === 1 ? "" : ` on ${threads} threads`;
    const rate = (value: number, unit: string): string => `${(value / 1e9).toFixed(1)} ${unit}`;
    return [
      [
        name,
        "float32 arithmetic",
        rate(flopsOneThread, "GFLOP/s on one thread"),
        all && rate(flops, `GFLOP/s${all}`),
      ],
      [name, "copying memory", rate(bytesOneThread, "GB/s on one thread"), all && rate(bytes, `GB/s${all}`)],
    ];
  });
  const peaks = measured.length > 0 ? `\n\nMeasured peaks\n${indent(formatTable(measured))}` : "";
  const facts = [
    ["cpu", `${machine.cpu}, ${machine.cores} core${machine.cores === 1 ? "" : "s"}`],
    ["memory", `${formatBytes(machine.memoryBytes)}, ${formatBytes(machine.freeMemoryBytes)} free`],
    ["system", `${machine.platform}, Node ${machine.node}`],
  ];
  return `Backends (* in use)\n${indent(formatTable(rows))}${peaks}\n\nMachine\n${indent(formatTable(facts))}`;
}
