/* A list of things: searched, sorted, filtered, chosen from; only the rows that are seen are in the document. */
import "@patternfly/react-styles/css/components/Table/table.css";
import "@patternfly/react-styles/css/components/Table/table-grid.css";
import {
  Button, EmptyState, EmptyStateBody, MenuToggle, SearchInput, Select, SelectList, SelectOption, Spinner, Toolbar, ToolbarContent, ToolbarItem,
} from "@patternfly/react-core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { Problem } from "../lib/api";
import { byName } from "../lib/format";
import { t } from "../lib/i18n";
import type { Action } from "./act";
import { type Values, str } from "./fields";
import { ActionMenu } from "./menu";
import { ProblemShown } from "./problem";

export interface Column<Row> {
  key: string;
  label: string;
  cell: (row: Row) => ReactNode;
  /** what the column is sorted by and searched in; a column without is neither */
  value?: (row: Row) => string | number | undefined;
  /** beside the others' */
  width?: number;
}

export interface Filter<Row> {
  key: string;
  label: string;
  options: { value: string; label: string }[];
  matches: (row: Row, value: string) => boolean;
}

interface Props<Row> {
  name: string;
  rows: Row[] | undefined;
  problem?: Problem | undefined;
  columns: Column<Row>[];
  id: (row: Row) => string;
  rowActions?: (row: Row) => Action[];
  bulkActions?: (rows: Row[]) => Action[];
  filters?: Filter<Row>[];
  toolbar?: ReactNode;
  empty?: ReactNode;
  /** searches, filters and orders can be kept in this browser under names; this is where */
  views?: string;
  /** sorted by the first column downwards until somebody sorts otherwise */
  firstDown?: boolean;
}

const ROW_HEIGHT = 48;
/** The rest is for what is chosen and what can be done. */
const COLUMNS_PERCENT = 88;
const EVEN_WIDTH = 15;

interface View {
  search: string;
  sort: string;
  down: boolean;
  filters: Record<string, string[]>;
}

function useView(name: string, first: string, down: boolean): [View, (change: Partial<View>) => void] {
  const key = `lodge.view.${name}`;
  const [view, setView] = useState<View>(() => {
    const plain: View = { search: "", sort: first, down, filters: {} };
    try {
      return { ...plain, ...(JSON.parse(sessionStorage.getItem(key) ?? "{}") as Partial<View>) };
    } catch {
      return plain;
    }
  });
  useEffect(() => sessionStorage.setItem(key, JSON.stringify(view)), [key, view]);
  return [view, (change) => setView((before) => ({ ...before, ...change }))];
}

/** Views that were kept, by their names. */
function keptViews(key: string): Record<string, View> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "{}") as Record<string, View>;
  } catch {
    return {};
  }
}

function viewActions(where: string, view: View, change: (change: Partial<View>) => void): Action[] {
  const key = `lodge.views.${where}`;
  const kept = keptViews(key);
  const names = Object.keys(kept).sort(byName);
  const keep = (views: Record<string, View>) => localStorage.setItem(key, JSON.stringify(views));
  return [
    ...names.map((name): Action => ({ label: name, calls: () => [], now: () => change(kept[name]!) })),
    { label: t("Keep this view…"), fields: [{ name: "name", label: t("Name"), help: t("Search, filters and order, in this browser.") }], calls: () => [], perform: async (v) => keep({ ...kept, [str(v, "name")]: view }) },
    ...(names.length > 0
      ? [{ label: t("Forget a view…"), fields: [{ name: "name", label: t("Name"), kind: "select" as const, options: names.map((name) => ({ value: name, label: name })) }], calls: () => [], perform: async (v: Values) => keep(Object.fromEntries(Object.entries(kept).filter(([name]) => name !== v.name))) }]
      : []),
  ];
}

function compare(a: string | number | undefined, b: string | number | undefined): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  return typeof a === "number" && typeof b === "number" ? a - b : byName(String(a), String(b));
}

function arrange<Row>({ rows = [], columns, filters = [] }: Props<Row>, view: View): Row[] {
  const words = view.search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row: Row) => columns.map((c) => c.value?.(row) ?? "").join("\n").toLowerCase();
  const found = rows.filter(
    (row) =>
      filters.every((f) => !view.filters[f.key]?.length || view.filters[f.key]!.some((value) => f.matches(row, value))) &&
      (words.length === 0 || words.every((word) => text(row).includes(word))),
  );
  const value = columns.find((c) => c.key === view.sort)?.value;
  return value ? found.sort((a, b) => (view.down ? -1 : 1) * compare(value(a), value(b))) : found;
}

function FilterSelect<Row>({ filter, chosen, onChange }: { filter: Filter<Row>; chosen: string[]; onChange: (chosen: string[]) => void }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Select
      role="menu"
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={(_, value) => onChange(chosen.includes(value as string) ? chosen.filter((v) => v !== value) : [...chosen, value as string])}
      toggle={(ref) => (
        <MenuToggle ref={ref} onClick={() => setOpen(!isOpen)} isExpanded={isOpen}>
          {filter.label}
          {chosen.length > 0 && ` (${chosen.length})`}
        </MenuToggle>
      )}
    >
      <SelectList>
        {filter.options.map((o) => (
          <SelectOption key={o.value} value={o.value} hasCheckbox isSelected={chosen.includes(o.value)}>
            {o.label}
          </SelectOption>
        ))}
      </SelectList>
    </Select>
  );
}

function HeaderCell<Row>({ column, all, view, change }: { column: Column<Row>; all: Column<Row>[]; view: View; change: (c: Partial<View>) => void }) {
  const isSorted = view.sort === column.key;
  const total = all.reduce((sum, other) => sum + (other.width ?? EVEN_WIDTH), 0);
  const width = { width: `${((column.width ?? EVEN_WIDTH) / total) * COLUMNS_PERCENT}%` };
  if (!column.value)
    return (
      <th className="pf-v6-c-table__th" scope="col" style={width}>
        {column.label || <span className="pf-v6-screen-reader">{t("Actions")}</span>}
      </th>
    );
  return (
    <th
      className="pf-v6-c-table__th"
      scope="col"
      style={width}
      aria-sort={isSorted ? (view.down ? "descending" : "ascending") : "none"}
    >
      <button type="button" className="lodge-sort" onClick={() => change({ sort: column.key, down: isSorted && !view.down })}>
        {column.label}
        {isSorted && <span aria-hidden> {view.down ? "▾" : "▴"}</span>}
      </button>
    </th>
  );
}

function Chooser({ label, checked, onChange }: { label: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return <input type="checkbox" className="lodge-chooser" aria-label={label} checked={checked} onChange={(e) => onChange(e.target.checked)} />;
}

export function DataTable<Row>(props: Props<Row>) {
  const { name, rows, problem, columns, id, rowActions, bulkActions, filters = [] } = props;
  const [view, change] = useView(name, columns[0]!.key, props.firstDown ?? false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const shown = useMemo(() => arrange(props, view), [rows, view, filters.length, columns.length]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_HEIGHT, overscan: 12 });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = items.length > 0 ? virtual.getTotalSize() - items[items.length - 1]!.end : 0;
  const chosenRows = shown.filter((row) => chosen.has(id(row)));
  const choose = (keys: string[], on: boolean) => {
    const next = new Set(chosen);
    keys.forEach((key) => (on ? next.add(key) : next.delete(key)));
    setChosen(next);
  };
  const width = columns.length + (bulkActions ? 1 : 0) + (rowActions ? 1 : 0);

  return (
    <>
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem>
            <SearchInput
              className="lodge-search"
              aria-label={t("Search")}
              placeholder={t("Search")}
              value={view.search}
              onChange={(_, search) => change({ search })}
              onClear={() => change({ search: "" })}
            />
          </ToolbarItem>
          {filters.map((filter) => (
            <ToolbarItem key={filter.key}>
              <FilterSelect
                filter={filter}
                chosen={view.filters[filter.key] ?? []}
                onChange={(values) => change({ filters: { ...view.filters, [filter.key]: values } })}
              />
            </ToolbarItem>
          ))}
          {props.views && (
            <ToolbarItem>
              <ActionMenu label={t("Views")} actions={() => viewActions(props.views!, view, change)} />
            </ToolbarItem>
          )}
          {bulkActions && chosenRows.length > 0 && (
            <ToolbarItem>
              <ActionMenu label={t("{n} chosen", { n: chosenRows.length })} actions={bulkActions(chosenRows)} />
            </ToolbarItem>
          )}
          {props.toolbar}
          <ToolbarItem align={{ default: "alignEnd" }} className="lodge-count">
            {rows && t("{shown} of {all}", { shown: shown.length, all: rows.length })}
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {problem && <ProblemShown problem={problem} />}
      {!rows && !problem && <Spinner aria-label={t("Loading")} />}
      {rows && shown.length === 0 && (
        <EmptyState titleText={rows.length === 0 ? t("Nothing here yet") : t("Nothing matches")} headingLevel="h2">
          <EmptyStateBody>
            {rows.length === 0 ? props.empty : <Button variant="link" onClick={() => change({ search: "", filters: {} })}>{t("Clear search and filters")}</Button>}
          </EmptyStateBody>
        </EmptyState>
      )}
      {shown.length > 0 && (
        <div className="lodge-scroller" ref={scroller} tabIndex={0} role="region" aria-label={name}>
          <table className="pf-v6-c-table pf-m-compact pf-m-grid-md lodge-table" aria-rowcount={shown.length}>
            <thead className="pf-v6-c-table__thead">
              <tr className="pf-v6-c-table__tr">
                {bulkActions && (
                  <th className="pf-v6-c-table__th lodge-narrow">
                    <Chooser
                      label={t("Choose all")}
                      checked={chosenRows.length === shown.length}
                      onChange={(on) => choose(shown.map(id), on)}
                    />
                  </th>
                )}
                {columns.map((column) => (
                  <HeaderCell key={column.key} column={column} all={columns} view={view} change={change} />
                ))}
                {rowActions && (
                  <th className="pf-v6-c-table__th lodge-narrow">
                    <span className="pf-v6-screen-reader">{t("Actions")}</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody className="pf-v6-c-table__tbody">
              {before > 0 && <tr aria-hidden><td colSpan={width} style={{ height: before }} /></tr>}
              {items.map((item) => {
                const row = shown[item.index]!;
                const key = id(row);
                return (
                  <tr key={key} ref={virtual.measureElement} data-index={item.index} className="pf-v6-c-table__tr" aria-rowindex={item.index + 1}>
                    {bulkActions && (
                      <td className="pf-v6-c-table__td lodge-narrow">
                        <Chooser label={t("Choose {name}", { name: key })} checked={chosen.has(key)} onChange={(on) => choose([key], on)} />
                      </td>
                    )}
                    {columns.map((column) => (
                      <td key={column.key} className="pf-v6-c-table__td" data-label={column.label}>
                        {column.cell(row)}
                      </td>
                    ))}
                    {rowActions && (
                      <td className="pf-v6-c-table__td pf-v6-c-table__action lodge-narrow">
                        <ActionMenu label={t("Actions of {name}", { name: key })} actions={() => rowActions(row)} kebab />
                      </td>
                    )}
                  </tr>
                );
              })}
              {after > 0 && <tr aria-hidden><td colSpan={width} style={{ height: after }} /></tr>}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
