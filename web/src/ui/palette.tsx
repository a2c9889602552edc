/* The command palette: goes anywhere and does anything by its name. */
import { Modal, ModalBody, TextInput } from "@patternfly/react-core";
import { useMemo, useState } from "react";
import { parts } from "../app";
import { t } from "../lib/i18n";
import type { List, Machine, Network, Pool } from "../lib/model";
import { go } from "../lib/route";
import { useResource } from "../lib/store";
import { machineActions } from "../machine/power";
import { useAct } from "./act";

interface Entry {
  label: string;
  note: string;
  run: () => void;
}

const SHOWN = 12;

function useEntries(text: string): Entry[] {
  const act = useAct();
  const machines = useResource<List<Machine>>("/machines").data?.items;
  const pools = useResource<List<Pool>>("/pools").data?.items;
  const networks = useResource<List<Network>>("/networks").data?.items;
  return useMemo(() => {
    const all: Entry[] = [
      ...parts().map(([key, label]) => ({ label, note: t("Page"), run: () => go(key) })),
      { label: t("Create machine"), note: t("Page"), run: () => go("create") },
      ...(machines ?? []).map((m) => ({ label: m.name, note: t("Machine"), run: () => go("machines", m.name) })),
      ...(machines ?? []).map((m) => ({ label: `${m.name}: ${t("Screen")}`, note: t("Machine"), run: () => go("machines", m.name, "console") })),
      ...(pools ?? []).map((p) => ({ label: p.name, note: t("Pool"), run: () => go("pools", p.name) })),
      ...(networks ?? []).map((n) => ({ label: n.name, note: t("Network"), run: () => go("networks", n.name) })),
    ];
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = (label: string) => words.every((word) => label.toLowerCase().includes(word));
    const named = (machines ?? []).filter((m) => words.some((word) => m.name.toLowerCase().includes(word))).slice(0, 5);
    const doing = named.flatMap((m) => machineActions(m).map((a) => ({ label: `${m.name}: ${a.label}`, note: t("Action"), run: () => act(a) })));
    const found = [...all, ...doing].filter((entry) => matches(entry.label));
    const far = (entry: Entry) => (words.length > 0 ? entry.label.toLowerCase().indexOf(words[0]!) : 0);
    return found.sort((a, b) => far(a) - far(b)).slice(0, SHOWN);
  }, [text, machines, pools, networks, act]);
}

export function Palette({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const entries = useEntries(text);
  const current = Math.min(at, Math.max(entries.length - 1, 0));
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    close();
    entry.run();
  };
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setAt((current + step + entries.length) % Math.max(entries.length, 1));
    }
    if (event.key === "Enter") run(entries[current]);
  };
  return (
    <Modal isOpen variant="small" position="top" onClose={close} aria-label={t("Find or do")}>
      <ModalBody>
        <TextInput
          autoFocus
          role="combobox"
          aria-expanded
          aria-controls="palette-list"
          aria-activedescendant={`palette-${current}`}
          aria-label={t("Find or do")}
          placeholder={t("A machine, a page, an action")}
          value={text}
          onChange={(_, value) => {
            setText(value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <ul id="palette-list" role="listbox" className="lodge-palette" aria-label={t("Find or do")}>
          {entries.map((entry, i) => (
            <li key={`${entry.note} ${entry.label}`} id={`palette-${i}`} role="option" aria-selected={i === current} onClick={() => run(entry)}>
              <span>{entry.label}</span>
              <span className="lodge-note">{entry.note}</span>
            </li>
          ))}
        </ul>
      </ModalBody>
    </Modal>
  );
}
