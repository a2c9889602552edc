/* Lines over time. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import { when } from "../lib/format";
import { language, t } from "../lib/i18n";

export interface Line {
  label: string;
  colour: string;
  values: (number | null)[];
}

interface Props {
  title: string;
  /** seconds since 1970 */
  times: number[];
  lines: Line[];
  show: (value: number) => string;
  max?: number | undefined;
  /** seconds since 1970; what is shown even where nothing was measured */
  from: number;
  to: number;
  /** somebody has drawn a range */
  onRange: (from: number, to: number) => void;
  /** ticks at powers of two */
  isBytes?: boolean;
}

const HEIGHT = 180;
const MIN_DRAG = 8;
const DAY_S = 86_400;
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);

/** Hours for a short span, days for a long one. */
function timeWords(plot: uPlot, ticks: number[]): string[] {
  const { min = 0, max = 0 } = plot.scales.x!;
  const date = new Intl.DateTimeFormat(language(), max - min > 2 * DAY_S ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hour12: false });
  return ticks.map((tick) => date.format(tick * 1000));
}

export default function Chart({ title, times, lines, show, max, from, to, onRange, isBytes }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const shown = useRef({ from, to, onRange });
  shown.current = { from, to, onRange };
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--pf-t--global--text--color--subtle").trim() || "#888";
  useEffect(() => {
    const place = holder.current!;
    const axis = { stroke: ink, grid: { stroke: "#8883", width: 1 }, ticks: { stroke: "#8883" } };
    const made = new uPlot(
      {
        width: place.clientWidth || 400,
        height: HEIGHT,
        cursor: { y: false, drag: { x: true, setScale: false } },
        hooks: {
          setSelect: [
            (u) => {
              if (u.select.width > MIN_DRAG) shown.current.onRange(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
        scales: { x: { range: () => [shown.current.from, shown.current.to] }, y: { range: (_, low, high) => [Math.min(0, low), max ?? Math.max(high * 1.1, 1)] } },
        axes: [{ ...axis, values: timeWords }, { ...axis, size: 80, ...(isBytes && { incrs: BINARY }), values: (_, ticks) => ticks.map(show) }],
        series: [{ label: t("Time"), value: (_, v) => (v === null ? "–" : when(v)) }, ...lines.map((line) => ({ label: line.label, stroke: line.colour, width: 1.5, fill: `${line.colour}22`, value: (_: uPlot, v: number | null) => (v === null ? "–" : show(v)) }))],
      },
      [times, ...lines.map((line) => line.values)],
      place,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT }));
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      made.destroy();
    };
    // data goes in below; only what the plot looks like makes it anew
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [title, ink, max, lines.length]);
  useEffect(() => plot.current?.setData([times, ...lines.map((line) => line.values)]), [times, lines, from, to]);
  return (
    <figure className="lodge-chart">
      <figcaption>{title}</figcaption>
      <div ref={holder} />
    </figure>
  );
}
