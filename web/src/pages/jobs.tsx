/* Long operations: how far they are, and how to end them. */
import { Progress } from "@patternfly/react-core";
import { useEffect } from "react";
import { path, sh } from "../lib/api";
import { when } from "../lib/format";
import { t } from "../lib/i18n";
import type { List } from "../lib/model";
import { href } from "../lib/route";
import { invalidateBelow, useResource } from "../lib/store";
import { StateLabel } from "../machine/state";
import { Page } from "../ui/page";
import { DataTable } from "../ui/table";

interface Row {
  id: string;
  what?: string;
  who?: string;
  state?: string;
  began?: string;
  ended?: string;
  machine?: string;
  phase?: string;
  percent?: number;
  error?: { detail?: string } | null;
}

const REFRESH_MS = 2000;

function Detail({ job }: { job: Row }) {
  if (job.percent !== undefined && job.state === "running") return <Progress size="sm" value={job.percent} aria-label={t("Done")} />;
  return <span className="lodge-note">{job.error?.detail ?? job.phase}</span>;
}

export function Jobs() {
  const { data, problem } = useResource<List<Row>>("/jobs");
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && invalidateBelow("/jobs"), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <Page title={t("Jobs")} fills>
      <DataTable<Row>
        name={t("Jobs")}
        rows={data?.items}
        problem={problem}
        id={(j) => j.id}
        columns={[
          { key: "began", label: t("Begun"), value: (j) => j.began, cell: (j) => when(j.began), width: 18 },
          { key: "what", label: t("What"), value: (j) => j.what, cell: (j) => j.what ?? "–", width: 24 },
          { key: "machine", label: t("Machine"), value: (j) => j.machine, cell: (j) => (j.machine ? <a href={href("machines", j.machine)}>{j.machine}</a> : "–"), width: 14 },
          { key: "who", label: t("Who"), value: (j) => j.who, cell: (j) => j.who || "–", width: 14 },
          { key: "state", label: t("State"), value: (j) => j.state, cell: (j) => <StateLabel state={j.state} />, width: 10 },
          { key: "phase", label: t("Detail"), value: (j) => j.error?.detail ?? j.phase, cell: (j) => <Detail job={j} />, width: 20 },
        ]}
        rowActions={(j) => [
          {
            label: t("Cancel"),
            question: t("What it has made is taken back."),
            danger: true,
            disabled: j.state === "running" ? undefined : t("It has ended."),
            calls: () => [{ method: "DELETE", path: path`/jobs/${j.id}`, command: sh`lodge domjobabort ${j.machine ?? ""}` }],
          },
        ]}
        firstDown
      />
    </Page>
  );
}
