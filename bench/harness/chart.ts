/** A chart of ratios as SVG: one bar for each workload, from the line of equal speed, on a logarithmic axis. */
import type { Measurement } from "./measure.ts";
import { ratioOf } from "./report.ts";

const layout = { names: 180, plot: 420, row: 22, top: 34, bottom: 24 };
/** The axis: ratios from a quarter to four. */
const axis = { low: 0.25, high: 4, marks: [0.25, 0.5, 1, 2, 4] };

function place(ratio: number): number {
  const within = Math.min(axis.high, Math.max(axis.low, ratio));
  return layout.names + (layout.plot * Math.log(within / axis.low)) / Math.log(axis.high / axis.low);
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** The chart; workloads without a ratio are left out. */
export function chart(measurements: readonly Measurement[], title: string): string {
  const bars = measurements.flatMap((measurement) => {
    const ratio = ratioOf(measurement);
    return ratio ? [{ name: measurement.task.name, ...ratio }] : [];
  });
  const height = layout.top + bars.length * layout.row + layout.bottom;
  const width = layout.names + layout.plot + 150;
  const bottom = height - layout.bottom;
  const lines = axis.marks.map((mark) => {
    const x = place(mark).toFixed(1);
    return (
      `<line x1="${x}" x2="${x}" y1="${layout.top - 4}" y2="${bottom}" stroke="${mark === 1 ? "#555" : "#ddd"}"/>` +
      `<text x="${x}" y="${bottom + 16}" text-anchor="middle">${mark}</text>`
    );
  });
  const one = place(1);
  const drawn = bars.map(({ name, ratio, fastest }, i) => {
    const [end, y] = [place(ratio), layout.top + i * layout.row];
    const [x, length] = [Math.min(one, end).toFixed(1), Math.max(1, Math.abs(end - one)).toFixed(1)];
    return (
      `<text x="${layout.names - 8}" y="${y + 14}" text-anchor="end">${escaped(name)}</text>` +
      `<rect x="${x}" y="${y + 3}" width="${length}" height="${layout.row - 7}" fill="${ratio <= 1 ? "#2a9d8f" : "#e76f51"}"/>` +
      `<text x="${layout.names + layout.plot + 8}" y="${y + 14}">${ratio.toFixed(2)} (${escaped(fastest)})</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="8" y="18" font-size="14">${escaped(title)}</text>`,
    ...lines,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}
