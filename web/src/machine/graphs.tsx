/* Processor, memory, disks and network of a machine or the host, over time. */
import { ExpandableSection, Title, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { path, sh } from "../lib/api";
import { bytes, percent, rate, when } from "../lib/format";
import { has } from "../lib/has";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { invalidate, useResource } from "../lib/store";
import { CallsShown } from "../ui/calls";
import { ProblemShown } from "../ui/problem";

const Chart = lazy(() => import("../ui/chart"));

type Point = { time: string | number } & Partial<Record<"cpu_percent" | "memory_used_bytes" | "disk_read_bps" | "disk_write_bps" | "net_rx_bps" | "net_tx_bps", number | null>>;

type Key = Exclude<keyof Point, "time">;

const REFRESH_MS = 10_000;
/** A graph moves on by this part of its span. */
const STEPS = 30;
const spans = { "1h": 3600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "30d": 2_592_000, "1y": 31_536_000 };
type Span = keyof typeof spans;

interface Range {
  from: number;
  to: number;
}

const seconds = (time: string | number) => (typeof time === "number" ? time : Date.parse(time) / 1000);
const time = (s: number) => encodeURIComponent(new Date(s * 1000).toISOString().replace(/\.\d+/, ""));

function spanNames(): Record<Span, string> {
  return { "1h": t("Hour"), "6h": t("6 hours"), "1d": t("Day"), "1w": t("Week"), "30d": t("Month"), "1y": t("Year") };
}

function rangeOf(span: Span): Range {
  const step = spans[span] / STEPS;
  const to = Math.ceil(Date.now() / 1000 / step) * step;
  return { from: to - spans[span] - step, to };
}

const whereOf = (below: string, range: Range) => `${below}?since=${time(range.from)}&until=${time(range.to)}`;

/** What was measured at @below; while more is asked for, what was known. */
function useHistory(below: string, range: Range, isNow: boolean) {
  const where = whereOf(below, range);
  useEffect(() => {
    const timer = isNow ? setInterval(() => !document.hidden && invalidate((p) => p === where), REFRESH_MS) : undefined;
    return () => clearInterval(timer);
  }, [where, isNow]);
  const { data, problem } = useResource<List<Point>>(where);
  const [last, setLast] = useState(data);
  if (data && data !== last) setLast(data);
  return { points: (data ?? last)?.items, problem };
}

interface Props {
  below: string;
  /** bytes */
  memory: number | undefined;
  /** of `lodge`, that tells the same */
  command: string;
}

/** Graphs of a machine or of the host, over a span up to now or a range that was drawn. */
export function Graphs({ below, memory, command }: Props) {
  const [span, setSpan] = useState<Span>("1h");
  const [drawn, setDrawn] = useState<Range>();
  const [current, setCurrent] = useState(() => rangeOf(span));
  useEffect(() => {
    const timer = setInterval(() => setCurrent(rangeOf(span)), REFRESH_MS);
    return () => clearInterval(timer);
  }, [span]);
  const range = drawn ?? current;
  const { points, problem } = useHistory(below, range, !drawn);
  const charts = useMemo(() => {
    const values = (key: Key) => (points ?? []).map((p) => p[key] ?? null);
    return {
      times: (points ?? []).map((p) => seconds(p.time)),
      cpu: [{ label: t("CPU"), colour: "#0066cc", values: values("cpu_percent") }],
      memory: [{ label: t("Memory"), colour: "#5e40be", values: values("memory_used_bytes") }],
      disk: [
        { label: t("read"), colour: "#37a3a3", values: values("disk_read_bps") },
        { label: t("written"), colour: "#ca6c0f", values: values("disk_write_bps") },
      ],
      network: [
        { label: t("received"), colour: "#63993d", values: values("net_rx_bps") },
        { label: t("sent"), colour: "#b1380b", values: values("net_tx_bps") },
      ],
    };
  }, [points]);
  const common = { times: charts.times, ...range, onRange: (from: number, to: number) => setDrawn({ from, to }) };
  const choose = (next: Span) => {
    setSpan(next);
    setDrawn(undefined);
    setCurrent(rangeOf(next));
  };
  return (
    <>
      <div className="lodge-actions">
        <ToggleGroup aria-label={t("Span")}>
          {Object.entries(spanNames()).map(([key, name]) => (
            <ToggleGroupItem key={key} text={name} buttonId={`span-${key}`} isSelected={!drawn && span === key} onChange={() => choose(key as Span)} />
          ))}
        </ToggleGroup>
        <span className="lodge-note">{drawn ? `${when(range.from)} – ${when(range.to)}` : t("Draw over a graph to look closer.")}</span>
      </div>
      {problem && <ProblemShown problem={problem} />}
      {points && points.length === 0 && <p className="lodge-note">{t("Nothing was measured yet.")}</p>}
      <Suspense>
        <div className="lodge-charts">
          <Chart title={t("CPU")} lines={charts.cpu} show={percent} {...common} />
          <Chart title={t("Memory")} lines={charts.memory} show={bytes} isBytes max={memory} {...common} />
          <Chart title={t("Disks")} lines={charts.disk} show={rate} isBytes {...common} />
          <Chart title={t("Network")} lines={charts.network} show={rate} isBytes {...common} />
        </div>
      </Suspense>
      <ExpandableSection toggleText={t("Command and request")}>
        <CallsShown calls={[{ method: "GET", path: whereOf(below, range), command }]} />
      </ExpandableSection>
    </>
  );
}

interface Counter {
  what: string;
  count: number;
  last_time?: string | null;
  last_reason?: string | null;
}

/** How often something went wrong with a machine, and why last. */
function Counters({ machine: m }: { machine: Machine }) {
  const { data, problem } = useResource<List<Counter>>(path`/machines/${m.name}/counters`);
  const words: Record<string, string> = { panic: t("The guest panicked"), io_error: t("A disk reported an error"), no_space: t("No space was left"), oom_kill: t("The host ran out of memory"), unexpected_exit: t("QEMU ended unexpectedly") };
  const found = (data?.items ?? []).filter((c) => c.count > 0);
  return (
    <section>
      <Title headingLevel="h2" size="md">{t("What went wrong")}</Title>
      {problem && <ProblemShown problem={problem} />}
      {data && found.length === 0 && <p className="lodge-note">{t("Nothing.")}</p>}
      <ul className="lodge-plain">
        {found.map((c) => (
          <li key={c.what}>
            {words[c.what] ?? c.what}: {c.count} <span className="lodge-note">{[c.last_time && when(c.last_time), c.last_reason].filter(Boolean).join(" · ")}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function MachineGraphs({ machine: m }: { machine: Machine }) {
  return (
    <>
      <Graphs below={path`/machines/${m.name}/history`} memory={m.memory_bytes} command={sh`lodge usage ${m.name}`} />
      {has("GET /machines/{machine}/counters") && <Counters machine={m} />}
    </>
  );
}
