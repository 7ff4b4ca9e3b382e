/** Learning curves as an SVG picture. */
import type { Figures } from "./report.ts";

const width = 720;
const height = 320;
const margin = { left: 56, right: 16, top: 36, bottom: 40 };

interface Curve {
  readonly name: string;
  readonly color: string;
  readonly values: readonly number[];
}

function panel(title: string, curves: readonly Curve[], left: number, panelWidth: number): string {
  const values = curves.flatMap((curve) => curve.values).filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const span = high - low || 1;
  const count = Math.max(...curves.map((curve) => curve.values.length));
  const innerWidth = panelWidth - margin.left - margin.right;
  const innerHeight = height - margin.top - margin.bottom;
  const x = (i: number) => left + margin.left + (count > 1 ? (i * innerWidth) / (count - 1) : innerWidth / 2);
  const y = (value: number) => margin.top + innerHeight * (1 - (value - low) / span);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = low + share * span;
    return (
      `<line x1="${left + margin.left}" x2="${left + panelWidth - margin.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#ddd"/>` +
      `<text x="${left + margin.left - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toFixed(3)}</text>`
    );
  });
  const ticks = Array.from(
    { length: count },
    (_, i) => `<text x="${x(i).toFixed(1)}" y="${height - 20}" text-anchor="middle">${i + 1}</text>`,
  );
  const lines = curves.map(({ values: points, color }) => {
    const path = points.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const dots = points.map(
      (value, i) => `<circle cx="${x(i).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${color}"/>`,
    );
    return `<polyline fill="none" stroke="${color}" stroke-width="2" points="${path}"/>${dots.join("")}`;
  });
  const legend = curves.map(
    ({ name, color }, i) =>
      `<text x="${left + margin.left + 70 + i * 90}" y="20" fill="${color}">${name}</text>`,
  );
  return [
    `<text x="${left + margin.left}" y="20" font-weight="bold">${title}</text>`,
    ...legend,
    ...grid,
    ...ticks,
    ...lines,
  ].join("\n");
}

/** Loss and accuracy over the epochs, training beside validation. */
export function learningCurves(epochs: readonly Figures[]): string {
  const series = (name: string) => epochs.map((logs) => logs[name] ?? Number.NaN);
  const curves = (training: string, validation: string): Curve[] => [
    { name: "training", color: "#1f6fb4", values: series(training) },
    { name: "validation", color: "#d1620f", values: series(validation) },
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="${width}" height="${height}" fill="white"/>
${panel("Loss", curves("loss", "valLoss"), 0, width / 2)}
${panel("Accuracy", curves("accuracy", "valAccuracy"), width / 2, width / 2)}
<text x="${width / 2}" y="${height - 4}" text-anchor="middle">epoch</text>
</svg>
`;
}
