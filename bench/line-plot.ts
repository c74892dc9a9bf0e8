export interface PlotPoint {
  readonly x: number;
  readonly y: number;
}

export interface PlotSeries {
  readonly name: string;
  readonly points: readonly PlotPoint[];
  /** Drawn strongly: what the plot is about. */
  readonly isMain: boolean;
}

export interface LinePlot {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly series: readonly PlotSeries[];
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
  /** Logarithmic where values span magnitudes. */
  readonly yScale: 'linear' | 'logarithmic';
}

const WIDTH = 760;
const HEIGHT = 420;
const PLOT = { left: 64, right: 560, top: 78, bottom: 362 };
const LABEL_HEIGHT = 18;
// Okabe and Ito's colours: told apart by people who do not see all of them.
const COLOURS = ['#0072b2', '#009e73', '#d55e00', '#e69f00', '#cc79a7', '#56b4e9', '#7f7f7f'];

const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #444; }
  .title { font-size: 17px; font-weight: 600; fill: #111; }
  .page { fill: #fff; }
  .grid { stroke: #e4e4e7; }
  .name { font-size: 12.5px; }
  .main { font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #b6b6bd; }
    .title { fill: #f2f2f4; }
    .page { fill: #18181b; }
    .grid { stroke: #34343a; }
  }`;

/** A line plot as a standalone SVG: x is logarithmic, names stand at the ends of their lines, dark pages are respected. */
export function renderLinePlot(plot: LinePlot): string {
  const x = scale(plot.xTicks, PLOT.left, PLOT.right, Math.log);
  const y = scale(plot.yTicks, PLOT.bottom, PLOT.top, plot.yScale === 'linear' ? (value) => value : Math.log);
  const drawn = plot.series.filter((series) => series.points.length > 0);
  const labels = spread(drawn.map((series) => y(series.points.at(-1)!.y)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeXml(plot.title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
    `<text class="title" x="24" y="34">${escapeXml(plot.title)}</text>`,
    `<text x="24" y="55">${escapeXml(plot.subtitle)}</text>`,
    ...plot.yTicks.map((tick) => {
      const at = y(tick).toFixed(1);
      return `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${at}" y2="${at}"/><text x="${PLOT.left - 8}" y="${at}" dy="4" text-anchor="end">${escapeXml(plot.formatY(tick))}</text>`;
    }),
    ...plot.xTicks.map((tick) => {
      const at = x(tick).toFixed(1);
      return `<line class="grid" x1="${at}" x2="${at}" y1="${PLOT.bottom}" y2="${PLOT.bottom + 5}"/><text x="${at}" y="${PLOT.bottom + 21}" text-anchor="middle">${escapeXml(plot.formatX(tick))}</text>`;
    }),
    `<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">${escapeXml(plot.xLabel)}</text>`,
    ...drawn.map((series, index) => renderSeries(series, COLOURS[index % COLOURS.length]!, x, y, labels[index]!)),
    '</svg>\n',
  ].join('\n');
}

type Scale = (value: number) => number;

function renderSeries(series: PlotSeries, colour: string, x: Scale, y: Scale, labelY: number): string {
  const points = series.points.map((point) => [x(point.x).toFixed(1), y(point.y).toFixed(1)] as const);
  const path = points.map((point) => point.join(',')).join(' ');
  const [lastX, lastY] = points.at(-1)!;
  const stroke = series.isMain ? 'stroke-width="2.6"' : 'stroke-width="1.7" stroke-dasharray="5 3"';
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-linejoin="round" ${stroke}/>`,
    ...points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="${series.isMain ? 3.6 : 2.8}" fill="${colour}"/>`),
    `<path d="M${lastX},${lastY} L${PLOT.right + 14},${labelY.toFixed(1)}" stroke="${colour}" stroke-width="0.8" fill="none" opacity="0.5"/>`,
    `<text class="name${series.isMain ? ' main' : ''}" x="${PLOT.right + 18}" y="${labelY.toFixed(1)}" dy="4" style="fill:${colour}">${escapeXml(series.name)}</text>`,
  ].join('');
}

function scale(ticks: readonly number[], from: number, to: number, transform: (value: number) => number): Scale {
  const low = transform(Math.min(...ticks));
  const span = Math.max(transform(Math.max(...ticks)) - low, 1e-9);
  return (value) => from + ((transform(value) - low) / span) * (to - from);
}

/** Moves labels apart so that none covers another, as little as possible, keeping their order. */
function spread(wanted: readonly number[]): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = new Array<number>(wanted.length).fill(0);
  let lowest = PLOT.top - LABEL_HEIGHT;
  for (const index of order) {
    placed[index] = Math.max(wanted[index]!, lowest + LABEL_HEIGHT);
    lowest = placed[index];
  }
  let highest = PLOT.bottom + LABEL_HEIGHT;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index]!, highest - LABEL_HEIGHT);
    highest = placed[index];
  }
  return placed;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
