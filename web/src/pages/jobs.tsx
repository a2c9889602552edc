/* Long operations: how far they are, and how to end them. */
import { Progress } from "@patternfly/react-core";
import { useEffect } from "react";
import { path } from "../lib/api";
import { when } from "../lib/format";
import { t } from "../lib/i18n";
import type { List } from "../lib/model";
import { invalidateBelow, useResource } from "../lib/store";
import { StateLabel } from "../machine/state";
import { Page } from "../ui/page";
import { DataTable } from "../ui/table";

interface Row {
  id: string | number;
  kind?: string;
  object?: string;
  state?: string;
  percent?: number;
  started?: string;
  detail?: string;
}

const REFRESH_MS = 2000;

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
        id={(j) => String(j.id)}
        columns={[
          { key: "started", label: t("Begun"), value: (j) => j.started, cell: (j) => when(j.started) },
          { key: "kind", label: t("What"), value: (j) => j.kind, cell: (j) => j.kind ?? "–" },
          { key: "object", label: t("Object"), value: (j) => j.object, cell: (j) => j.object ?? "–" },
          { key: "state", label: t("State"), value: (j) => j.state, cell: (j) => <StateLabel state={j.state} /> },
          { key: "percent", label: t("Done"), value: (j) => j.percent, cell: (j) => (j.percent === undefined ? "–" : <Progress size="sm" value={j.percent} aria-label={t("Done")} />) },
          { key: "detail", label: t("Detail"), value: (j) => j.detail, cell: (j) => <span className="lodge-note">{j.detail}</span> },
        ]}
        rowActions={(j) => [
          {
            label: t("Cancel"),
            question: t("What it has made is taken back."),
            danger: true,
            disabled: j.state === "running" ? undefined : t("It has ended."),
            calls: () => [{ method: "DELETE", path: path`/jobs/${j.id}`, command: `lodge domjobabort ${j.object ?? ""}` }],
          },
        ]}
        firstDown
      />
    </Page>
  );
}
