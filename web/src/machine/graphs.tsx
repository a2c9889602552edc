/* Processor, memory, disks and network of a machine, over time. */
import { ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { path } from "../lib/api";
import { bytes, percent, rate } from "../lib/format";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { invalidate, useResource } from "../lib/store";
import { ProblemShown } from "../ui/problem";

const Chart = lazy(() => import("../ui/chart"));

type Point = { time: string | number } & Partial<Record<"cpu_percent" | "memory_used_bytes" | "disk_read_bps" | "disk_write_bps" | "net_rx_bps" | "net_tx_bps", number>>;

const REFRESH_MS = 10_000;
const spans = { "1h": { seconds: 3600, step: 10 }, "1d": { seconds: 86_400, step: 60 }, "1w": { seconds: 604_800, step: 600 }, "1y": { seconds: 31_536_000, step: 43_200 } };
type Span = keyof typeof spans;

const seconds = (time: string | number) => (typeof time === "number" ? time : Date.parse(time) / 1000);

function useHistory(below: string, span: Span) {
  const since = useMemo(() => new Date(Date.now() - spans[span].seconds * 1000).toISOString(), [span]);
  const where = `${below}?since=${encodeURIComponent(since)}&step=${spans[span].step}`;
  useEffect(() => {
    const timer = setInterval(() => invalidate((p) => p === where), REFRESH_MS);
    return () => clearInterval(timer);
  }, [where]);
  return useResource<List<Point>>(where);
}

export function Graphs({ machine: m }: { machine: Machine }) {
  const [span, setSpan] = useState<Span>("1h");
  const { data, problem } = useHistory(path`/machines/${m.name}/history`, span);
  const charts = useMemo(() => {
    const points = data?.items ?? [];
    const values = (key: Exclude<keyof Point, "time">) => points.map((p) => p[key] ?? null);
    return {
      times: points.map((p) => seconds(p.time)),
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
  }, [data]);
  const names: Record<Span, string> = { "1h": t("Hour"), "1d": t("Day"), "1w": t("Week"), "1y": t("Year") };
  return (
    <>
      <ToggleGroup aria-label={t("Span")}>
        {(Object.keys(spans) as Span[]).map((s) => (
          <ToggleGroupItem key={s} text={names[s]} buttonId={`span-${s}`} isSelected={span === s} onChange={() => setSpan(s)} />
        ))}
      </ToggleGroup>
      {problem && <ProblemShown problem={problem} />}
      {data && data.items.length === 0 && <p className="lodge-note">{t("Nothing was measured yet.")}</p>}
      <Suspense>
        <div className="lodge-charts">
          <Chart title={t("CPU")} times={charts.times} lines={charts.cpu} show={percent} />
          <Chart title={t("Memory")} times={charts.times} lines={charts.memory} show={bytes} isBytes max={m.memory_bytes} />
          <Chart title={t("Disks")} times={charts.times} lines={charts.disk} show={rate} isBytes />
          <Chart title={t("Network")} times={charts.times} lines={charts.network} show={rate} isBytes />
        </div>
      </Suspense>
    </>
  );
}
