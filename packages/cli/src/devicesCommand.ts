import type { Command } from "commander";

const examples = `
The backend in use is the first that works, or NAGARE_BACKEND's.

Examples:
  nagare devices
  NAGARE_BACKEND=reference nagare devices
  nagare devices --json`;

/** `nagare devices` */
export function addDevices(program: Command): void {
  program
    .command("devices")
    .summary("show the backends and the machine")
    .description(
      "Shows the backends with what they found here (instruction set, threads, measured peaks), and the machine.",
    )
    .option("--json", "print one JSON object")
    .addHelpText("after", examples)
    .action(async (options) => (await import("./devices.ts")).devices(options));
}
