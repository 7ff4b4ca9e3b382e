import type { Command } from "commander";
import { namedSize } from "./arguments.ts";
import type { InspectOptions } from "./inspect.ts";

const examples = `
Examples:
  nagare inspect digits
  nagare inspect digits/1 --no-graph
  nagare inspect digits --size batch=32
  nagare inspect digits --json | jq .totals`;

/** `nagare inspect MODEL` */
export function addInspect(program: Command): void {
  program
    .command("inspect")
    .summary("show a saved model's signatures, graph, memory, parameters and sizes")
    .description(
      "Shows what is in a saved model: signatures, graph, the memory a call takes, parameters, file sizes, metadata.",
    )
    .argument("<model>", "folder of a saved model, or of its numbered versions (the newest is taken)")
    .option("--no-graph", "leave out the operations")
    .option("--size <name=n>", "a size the memory is told for, such as batch=32 (default: 1)", namedSize)
    .option("--json", "print one JSON object")
    .addHelpText("after", examples)
    .action(async (model: string, options: InspectOptions) =>
      (await import("./inspect.ts")).inspect(model, options),
    );
}
