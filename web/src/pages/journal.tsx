/* What happened, who did it, and how it went. */
import { Button, Modal, ModalBody, ModalHeader } from "@patternfly/react-core";
import { useState } from "react";
import { when } from "../lib/format";
import { t } from "../lib/i18n";
import type { JournalEntry, List, Machine } from "../lib/model";
import { href } from "../lib/route";
import { useResource } from "../lib/store";
import { path } from "../lib/api";
import { Page } from "../ui/page";
import { type Column, DataTable } from "../ui/table";

function columns(withName: boolean, show: (entry: JournalEntry) => void): Column<JournalEntry>[] {
  return [
    { key: "time", label: t("Time"), value: (e) => e.time, cell: (e) => when(e.time), width: 18 },
    ...(withName
      ? [{ key: "name", label: t("Object"), value: (e: JournalEntry) => `${e.kind} ${e.name}`, cell: (e: JournalEntry) => (e.kind === "machine" && e.name ? <a href={href("machines", e.name)}>{e.name}</a> : `${e.kind ?? ""} ${e.name ?? ""}`), width: 16 }]
      : []),
    { key: "what", label: t("What"), value: (e) => e.what, cell: (e) => e.what, width: 18 },
    { key: "who", label: t("Who"), value: (e) => `${e.who ?? ""} ${e.from ?? ""}`, cell: (e) => [e.who, e.from].filter(Boolean).join(" · ") || "–", width: 16 },
    { key: "result", label: t("Result"), value: (e) => e.result, cell: (e) => e.result ?? "–", width: 10 },
    { key: "detail", label: t("Detail"), value: (e) => e.detail, cell: (e) => <><span className="lodge-note">{e.detail}</span>{e.difference && <Button variant="link" isInline onClick={() => show(e)}>{t("Difference")}</Button>}</>, width: 22 },
  ];
}

const PAGE = 200;

const looks: Record<string, string> = { "+": "lodge-added", "-": "lodge-removed", "@": "lodge-note" };

function DifferenceShown({ entry, close }: { entry: JournalEntry; close: () => void }) {
  return (
    <Modal isOpen variant="large" onClose={close} aria-label={t("Difference")}>
      <ModalHeader title={`${entry.name ?? ""} · ${entry.what ?? ""}`} description={[when(entry.time), entry.who].filter(Boolean).join(" · ")} />
      <ModalBody>
        <pre className="lodge-difference" tabIndex={0} aria-label={t("Difference")}>
          {entry.difference!.split("\n").map((line, i) => <span key={i} className={looks[line[0] ?? ""]}>{`${line}\n`}</span>)}
        </pre>
      </ModalBody>
    </Modal>
  );
}

export function JournalTable({ machine }: { machine?: Machine }) {
  const [limit, setLimit] = useState(PAGE);
  const { data, problem } = useResource<List<JournalEntry>>(machine ? `${path`/machines/${machine.name}/journal`}?limit=${limit}` : `/journal?limit=${limit}`);
  const rows = data && [...data.items].sort((a, b) => String(b.time).localeCompare(String(a.time)));
  const [shown, setShown] = useState<JournalEntry>();
  return (
    <>
      {shown && <DifferenceShown entry={shown} close={() => setShown(undefined)} />}
      <DataTable name={machine ? t("Events") : t("Journal")} rows={rows} problem={problem} columns={columns(!machine, setShown)} id={(e) => `${e.cursor ?? ""} ${e.time} ${e.what}`} firstDown />
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
