/** A party as the harness sees it: a process that is started when first asked and computes only while it is asked. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Answer, Ready, Request } from "./exchange.ts";

/** Who takes part. */
export interface Party {
  readonly name: string;
  /** Version and threads, once it has answered. */
  readonly about: string;
  /** One turn. Never rejects: what goes wrong is in the answer. */
  ask(request: Request): Promise<Answer>;
  /** Ends it. */
  close(): Promise<void>;
}

/** How to start a party. */
export interface WorkerCommand {
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Longest time for one answer; default ten minutes, because compilers are slow the first time. */
  readonly patienceMs?: number;
}

const keptErrorText = 2000;

/** The last line that says something: there Python's and Node's traces name the error. */
function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => /\w/.test(line) && !/^Node\.js v/.test(line));
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? "").trim();
}

/** One process of a party: its lines, in order, and its end. */
class Worker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<string>;
  #errors = "";

  constructor({ command, arguments: arguments_, environment }: WorkerCommand) {
    this.#child = spawn(command, arguments_, { env: environment, stdio: "pipe" });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptErrorText);
    });
    // A write to a process that has just ended: its end is reported by the answer that does not come.
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(`could not be started: ${error.message}`));
      this.#child.once("close", (code, signal) => {
        const why = lastLine(this.#errors);
        resolve(`ended with ${signal ?? `exit code ${code}`}${why ? `: ${why}` : ""}`);
      });
    });
  }

  send(request: Request): void {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** The next line, parsed. Rejects when the process ends, answers in another way, or takes longer than `patienceMs`. */
  async receive<T>(patienceMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`gave no answer in ${patienceMs / 1000} s`)), patienceMs);
    });
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late]);
      if (done) throw new Error(await this.#ended);
      return JSON.parse(value) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets it end by itself, which it does when its input ends, but not for longer than `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#child.stdin.end();
    const insist = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.#ended;
    clearTimeout(insist);
  }
}

/** A party that is a process of its own. One that failed to answer is started anew by the next request. */
export class WorkerParty implements Party {
  readonly name: string;
  about = "";
  readonly #command: WorkerCommand;
  readonly #patienceMs: number;
  #worker: Worker | undefined;

  constructor(command: WorkerCommand) {
    this.name = command.name;
    this.#command = command;
    this.#patienceMs = command.patienceMs ?? 600_000;
  }

  async ask(request: Request): Promise<Answer> {
    try {
      const worker = this.#worker ?? (await this.#start());
      worker.send(request);
      return await worker.receive<Answer>(this.#patienceMs);
    } catch (error) {
      await this.#end(0);
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  close(): Promise<void> {
    return this.#end(5000);
  }

  async #start(): Promise<Worker> {
    const worker = new Worker(this.#command);
    this.#worker = worker;
    const { version, threads } = await worker.receive<Ready>(this.#patienceMs);
    this.about = `${version}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
    return worker;
  }

  async #end(graceMs: number): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.close(graceMs);
  }
}
