/* QEMU's command line, argument by argument, and what of the definition each is for. */
import { Spinner } from "@patternfly/react-core";
import { path, quote, sh } from "../lib/api";
import { t } from "../lib/i18n";
import type { List, Machine } from "../lib/model";
import { useResource } from "../lib/store";
import { CallsShown, Copyable } from "../ui/calls";
import { ProblemShown } from "../ui/problem";
import { DataTable } from "../ui/table";

interface Argument {
  argument: string;
  value?: string | null;
  source?: string | null;
  note?: string | null;
}

export default function CommandLine({ machine: m }: { machine: Machine }) {
  const below = path`/machines/${m.name}/command-line`;
  const { data, problem } = useResource<List<Argument>>(below);
  if (problem) return <ProblemShown problem={problem} />;
  if (!data) return <Spinner aria-label={t("Loading")} />;
  const rows = data.items.map((a, i) => ({ ...a, at: i }));
  const whole = data.items.map((a) => [a.argument, a.value && quote(a.value)].filter(Boolean).join(" ")).join(" \\\n  ");
  return (
    <>
      <p className="lodge-note">{t("What QEMU is started with, and the part of the definition that asks for it.")}</p>
      <DataTable
        name={t("QEMU command line")}
        rows={rows}
        id={(a) => String(a.at)}
        columns={[
          { key: "at", label: t("No."), value: (a) => a.at, cell: (a) => a.at + 1, width: 5 },
          { key: "argument", label: t("Argument"), value: (a) => a.argument, cell: (a) => <code>{a.argument}</code>, width: 12 },
          { key: "value", label: t("Value"), value: (a) => a.value ?? "", cell: (a) => <code>{a.value}</code>, width: 40 },
          { key: "source", label: t("Because of"), value: (a) => a.source ?? "", cell: (a) => <code className="lodge-note">{a.source}</code>, width: 24 },
          { key: "note", label: t("Note"), value: (a) => a.note ?? "", cell: (a) => a.note, width: 20 },
        ]}
      />
      <CallsShown calls={[{ method: "GET", path: below, command: sh`lodge explain ${m.name}` }]} />
      <Copyable label={t("QEMU command line")} text={whole} />
    </>
  );
}
