/** What a person wants to see of a training run, as text. */

/** Figures of one epoch. */
export type Figures = Readonly<Record<string, number>>;

/** Training and validation side by side, a line an epoch. */
export function epochTable(epochs: readonly Figures[]): string {
  const cell = (value: number | undefined, digits: number) =>
    (value ?? Number.NaN).toFixed(digits).padStart(10);
  const lines = epochs.map(
    (logs, i) =>
      `${String(i + 1).padStart(5)} ${cell(logs.loss, 4)}${cell(logs.valLoss, 4)}  ${cell(logs.accuracy, 4)}${cell(logs.valAccuracy, 4)}`,
  );
  return [
    "            loss                  accuracy",
    "epoch   training validation    training validation",
    ...lines,
  ].join("\n");
}

/**
 * One line on the fit. While training, dropout handicaps the training figures, so that only a clearly worse validation
 * loss, or one that rises again, speaks for overfitting.
 */
export function verdict(epochs: readonly Figures[]): string {
  const last = epochs.at(-1);
  if (!last) return "No epoch was trained.";
  const { loss = Number.NaN, accuracy = Number.NaN, valLoss = Number.NaN, valAccuracy = Number.NaN } = last;
  const best = Math.min(...epochs.map((logs) => logs.valLoss ?? Number.POSITIVE_INFINITY));
  if (valLoss > best * 1.1)
    return `Overfitting: the validation loss has risen from ${best.toFixed(4)} to ${valLoss.toFixed(4)}; stop earlier.`;
  if (valLoss > loss * 1.3 && accuracy - valAccuracy > 0.01) {
    return `Overfitting: validation accuracy ${valAccuracy.toFixed(4)} lags behind training ${accuracy.toFixed(4)}; regularize more.`;
  }
  if (valAccuracy < 0.95)
    return `Underfitting: validation accuracy is only ${valAccuracy.toFixed(4)}; train longer or use a larger model.`;
  const still = epochs.length > 1 && valLoss === best && valLoss < (epochs.at(-2)?.valLoss ?? 0) * 0.9;
  return `A good fit: validation loss ${valLoss.toFixed(4)} beside training ${loss.toFixed(4)}${still ? ", and still falling" : ""}.`;
}

/** Rows are the true digits, columns the predicted ones. */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes = 10,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) {
    const row = counts[labels[i] ?? 0];
    const column = predicted[i] ?? 0;
    if (row) row[column] = (row[column] ?? 0) + 1;
  }
  return counts;
}

/** The confusion matrix as text; zeros are dots, so that the mistakes stand out. */
export function confusionTable(counts: readonly (readonly number[])[]): string {
  const cell = (text: string) => text.padStart(6);
  const head = `true \\ predicted ${counts.map((_, digit) => cell(String(digit))).join("")}`;
  const rows = counts.map(
    (row, digit) =>
      `${String(digit).padStart(16)} ${row.map((count) => cell(count === 0 ? "·" : String(count))).join("")}`,
  );
  return [head, ...rows].join("\n");
}

const shades = " ░▒▓█";

/** An image of 28 × 28 in 0…1 as 14 lines of text: two rows of pixels a line. */
function imageLines(pixels: ArrayLike<number>, size = 28): string[] {
  const lines: string[] = [];
  for (let row = 0; row < size; row += 2) {
    let line = "";
    for (let column = 0; column < size; column++) {
      const value = ((pixels[row * size + column] ?? 0) + (pixels[(row + 1) * size + column] ?? 0)) / 2;
      line += shades[Math.min(shades.length - 1, Math.floor(value * shades.length))] ?? " ";
    }
    lines.push(line);
  }
  return lines;
}

/** A few digits beside each other, each with what it is and what the model says. */
export function digitsInARow(
  images: readonly ArrayLike<number>[],
  labels: readonly number[],
  predicted: readonly number[],
): string {
  const pictures = images.map((pixels) => imageLines(pixels));
  const lines = (pictures[0] ?? []).map((_, row) => pictures.map((picture) => picture[row]).join("  "));
  const captions = labels.map((label, i) => {
    const said = predicted[i];
    return `  is ${label}, predicted ${said}${said === label ? "" : "  ✗"}`.padEnd(28);
  });
  return [...lines, captions.join("  ")].join("\n");
}
