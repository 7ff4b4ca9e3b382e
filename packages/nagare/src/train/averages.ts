/** Running means over the examples of an epoch. */

/** Figures by name, such as `{ loss: 0.31, accuracy: 0.9 }`. */
export type Logs = Readonly<Record<string, number>>;

/** What running means are made of. */
export interface AverageState {
  readonly examples: number;
  readonly sums: Logs;
}

/** Sums weighted by the number of examples, so that a smaller last batch counts for less. */
export class Averages {
  #examples = 0;
  readonly #sums = new Map<string, number>();

  add(logs: Logs, examples: number): void {
    this.#examples += examples;
    for (const [name, value] of Object.entries(logs)) {
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + value * examples);
    }
  }

  get examples(): number {
    return this.#examples;
  }

  /** The means so far. */
  means(): Record<string, number> {
    return Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / this.#examples]));
  }

  /** What `restore` needs to go on. */
  state(): AverageState {
    return { examples: this.#examples, sums: Object.fromEntries(this.#sums) };
  }

  restore({ examples, sums }: AverageState): void {
    this.#examples = examples;
    this.#sums.clear();
    for (const [name, sum] of Object.entries(sums)) this.#sums.set(name, sum);
  }

  clear(): void {
    this.restore({ examples: 0, sums: {} });
  }
}
