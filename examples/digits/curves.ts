/** Learning curves as an SVG picture. */
import type { Figures } from "./report.ts";

const width = 720;
const height = 340;
const margin = { left: 56, right: 20, top: 36, bottom: 52 };

interface Curve {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
}

/** Where an axis has its lines: multiples of 1, 2 or 5 times a power of ten, some five of them. */
interface Scale {
  readonly low: number;
  readonly high: number;
  readonly marks: readonly number[];
  readonly digits: number;
}

function scaleOf(values: readonly number[]): Scale {
  const finite = values.filter(Number.isFinite);
  const [least, most] = finite.length > 0 ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  const rough = (most - least || Math.abs(most) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const [first, last] = [Math.floor(least / step), Math.ceil(most / step)];
  const marks = Array.from({ length: Math.max(2, last - first + 1) }, (_, i) => (first + i) * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return { low: marks[0] ?? 0, high: marks.at(-1) ?? 1, marks, digits };
}

function panel(title: string, curves: readonly Curve[], left: number, panelWidth: number): string {
  const { low, high, marks, digits } = scaleOf(curves.flatMap((curve) => curve.values));
  const epochs = Math.max(0, ...curves.map((curve) => curve.values.length));
  const [start, end] = [left + margin.left, left + panelWidth - margin.right];
  const bottom = height - margin.bottom;
  const x = (i: number) => (start + (end - start) * (epochs > 1 ? i / (epochs - 1) : 0.5)).toFixed(1);
  const y = (value: number) => (bottom - ((bottom - margin.top) * (value - low)) / (high - low)).toFixed(1);
  const grid = marks.map(
    (mark) =>
      `<line x1="${start}" x2="${end}" y1="${y(mark)}" y2="${y(mark)}" stroke="#ddd"/>` +
      `<text x="${start - 6}" y="${y(mark)}" dy="4" text-anchor="end">${mark.toFixed(digits)}</text>`,
  );
  const every = Math.ceil(epochs / 10);
  const ticks = Array.from({ length: epochs }, (_, i) =>
    i % every === 0 ? `<text x="${x(i)}" y="${bottom + 18}" text-anchor="middle">${i + 1}</text>` : "",
  );
  const lines = curves.map(({ values, color }) => {
    // A figure that is no number is left out: the line goes on at the next.
    const points = values.flatMap((value, i) => (Number.isFinite(value) ? [[x(i), y(value)]] : []));
    const dots = points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`);
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.join(" ")}"/>${dots.join("")}`;
  });
  const legend = curves.map(
    ({ name, color }, i) => `<text x="${start + 80 + i * 90}" y="20" fill="${color}">${name}</text>`,
  );
  return [
    `<text x="${start}" y="20" font-weight="bold">${title}</text>`,
    ...legend,
    ...grid,
    ...ticks,
    `<text x="${(start + end) / 2}" y="${height - 12}" text-anchor="middle">epoch</text>`,
    ...lines,
  ].join("\n");
}

/** Loss and accuracy over the epochs, training beside validation, as the text of an SVG file. */
export function learningCurves(epochs: readonly Figures[]): string {
  const series = (name: string) => epochs.map((logs) => logs[name] ?? Number.NaN);
  const curves = (training: string, validation: string): Curve[] => [
    { name: "training", color: "#1f6fb4", values: series(training) },
    { name: "validation", color: "#d1620f", values: series(validation) },
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Learning curves: loss and accuracy over ${epochs.length} epoch(s)</title>
<rect width="${width}" height="${height}" fill="white"/>
${panel("Loss", curves("loss", "valLoss"), 0, width / 2)}
${panel("Accuracy", curves("accuracy", "valAccuracy"), width / 2, width / 2)}
</svg>
`;
}
