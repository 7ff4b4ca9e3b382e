/** Programs that write without end, and are killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/**
 * Starts a program of this folder, lets it report `count` numbers from `first` on, kills it `delay` milliseconds later,
 * and returns the last number it reported.
 */
export async function writeUntilKilled(
  program: string,
  args: readonly [folder: string, first: number, elements: number],
  count: number,
  delay: number,
): Promise<number> {
  const [folder, first, elements] = args;
  const conditions = process.execArgv.filter((argument) => argument.startsWith("--conditions"));
  const child = spawn(
    process.execPath,
    [...conditions, join(import.meta.dirname, program), folder, String(first), String(elements)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let reported = first - 1;
  const enough = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      reported = Math.max(reported, Number(text.trim().split("\n").at(-1)));
      if (reported >= first + count) resolve();
    });
  });
  const closed = once(child, "close");
  await Promise.race([enough, closed]);
  await new Promise((resolve) => setTimeout(resolve, delay));
  child.kill("SIGKILL");
  await closed;
  return reported;
}
