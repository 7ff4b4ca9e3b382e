import { writeFile } from "node:fs/promises";
import { type profile, ValueError } from "nagare";

/**
 * Runs `body` under `profile`, prints the table and writes the trace.
 * @param choice the value of --profile: nothing is done beside `body` when it is undefined.
 */
export async function profiled(
  choice: string | true | undefined,
  take: typeof profile,
  body: () => Promise<void>,
): Promise<void> {
  if (choice === undefined) return body();
  if (typeof choice === "string") await checkWritable(choice);
  const { profile: found } = await take(body);
  process.stderr.write(`\n${found}\n`);
  if (typeof choice === "string") {
    await found.writeTrace(choice);
    process.stderr.write(`The trace is in ${choice}; https://ui.perfetto.dev opens it.\n`);
  }
}

/** A file that cannot be written is an error now and not after hours of training. */
async function checkWritable(file: string): Promise<void> {
  try {
    await writeFile(file, "");
  } catch (error) {
    throw new ValueError(
      `--profile: expected a file that can be written; received ${(error as Error).message}.`,
    );
  }
}
