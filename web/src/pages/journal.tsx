/* What happened, who did it, and how it went. */
import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { when } from "../lib/format";
import { t } from "../lib/i18n";
import type { JournalEntry, List, Machine } from "../lib/model";
import { href } from "../lib/route";
import { useResource } from "../lib/store";
import { path } from "../lib/api";
import { Page } from "../ui/page";
import { type Column, DataTable } from "../ui/table";

function columns(withName: boolean): Column<JournalEntry>[] {
  return [
    { key: "time", label: t("Time"), value: (e) => e.time, cell: (e) => when(e.time), width: 18 },
    ...(withName
      ? [{ key: "name", label: t("Object"), value: (e: JournalEntry) => `${e.kind} ${e.name}`, cell: (e: JournalEntry) => (e.kind === "machine" && e.name ? <a href={href("machines", e.name)}>{e.name}</a> : `${e.kind ?? ""} ${e.name ?? ""}`), width: 16 }]
      : []),
    { key: "what", label: t("What"), value: (e) => e.what, cell: (e) => e.what, width: 18 },
    { key: "who", label: t("Who"), value: (e) => `${e.who ?? ""} ${e.from ?? ""}`, cell: (e) => [e.who, e.from].filter(Boolean).join(" · ") || "–", width: 16 },
    { key: "result", label: t("Result"), value: (e) => e.result, cell: (e) => e.result ?? "–", width: 10 },
    { key: "detail", label: t("Detail"), value: (e) => e.detail, cell: (e) => <span className="lodge-note">{e.detail}</span>, width: 22 },
  ];
}

const PAGE = 200;

export function JournalTable({ machine }: { machine?: Machine }) {
  const [limit, setLimit] = useState(PAGE);
  const { data, problem } = useResource<List<JournalEntry>>(machine ? `${path`/machines/${machine.name}/journal`}?limit=${limit}` : `/journal?limit=${limit}`);
  const rows = data && [...data.items].sort((a, b) => String(b.time).localeCompare(String(a.time)));
  return (
    <>
      <DataTable name={machine ? t("Events") : t("Journal")} rows={rows} problem={problem} columns={columns(!machine)} id={(e) => `${e.cursor ?? ""} ${e.time} ${e.what}`} firstDown />
      {(data?.items.length ?? 0) >= limit && <Button variant="link" onClick={() => setLimit(limit * 5)}>{t("Show older ones")}</Button>}
    </>
  );
}

export function JournalPage() {
  return (
    <Page title={t("Journal")} fills>
      <JournalTable />
    </Page>
  );
}
