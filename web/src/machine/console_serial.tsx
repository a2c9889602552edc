/* The serial console of a machine. */
import { Button, FormSelect, FormSelectOption, SearchInput, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useCallback, useEffect, useRef, useState } from "react";
import { adoptStyles } from "../lib/adopt";
import { t } from "../lib/i18n";
import type { MachineDetails } from "../lib/model";
import { saveAs } from "../lib/save";
import { ProblemShown } from "../ui/problem";
import { consoleUrl, useConnection } from "./console";
import { ConsoleState } from "./console_state";

interface Parts {
  terminal: Terminal;
  search: SearchAddon;
}

function useTerminal(holder: React.RefObject<HTMLDivElement | null>): React.RefObject<Parts | null> {
  const parts = useRef<Parts>(null);
  useEffect(() => {
    const terminal = new Terminal({ fontFamily: "monospace", fontSize: 14, scrollback: 10_000, screenReaderMode: true, theme: { background: "#151515" } });
    const fit = new FitAddon();
    const search = new SearchAddon();
    terminal.loadAddon(fit);
    terminal.loadAddon(search);
    adoptStyles(() => terminal.open(holder.current!));
    const watcher = new ResizeObserver(() => fit.fit());
    watcher.observe(holder.current!);
    parts.current = { terminal, search };
    return () => {
      watcher.disconnect();
      terminal.dispose();
      parts.current = null;
    };
  }, [holder]);
  return parts;
}

/** Everything that can be scrolled to. */
function saveText(terminal: Terminal, name: string): void {
  const buffer = terminal.buffer.active;
  let text = "";
  for (let i = 0; i < buffer.length; i++) {
    const line = buffer.getLine(i)!;
    text += (line.isWrapped || i === 0 ? "" : "\n") + line.translateToString(true);
  }
  const href = URL.createObjectURL(new Blob([`${text.trimEnd()}\n`], { type: "text/plain" }));
  saveAs(href, name);
  URL.revokeObjectURL(href);
}

export default function SerialConsole({ machine: m }: { machine: MachineDetails }) {
  const holder = useRef<HTMLDivElement>(null);
  const parts = useTerminal(holder);
  const [device, setDevice] = useState("");
  const [wanted, setWanted] = useState("");
  const serials = m.serials ?? [];

  const connect = useCallback(
    async (lost: () => void, opened: () => void) => {
      const socket = new WebSocket(await consoleUrl(m, "serial", device ? { device } : {}), "binary");
      const terminal = parts.current!.terminal;
      const bytes = new TextEncoder();
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        terminal.reset();
        terminal.focus();
        opened();
      };
      socket.onmessage = (e: MessageEvent<ArrayBuffer | string>) => terminal.write(typeof e.data === "string" ? e.data : new Uint8Array(e.data));
      socket.onclose = lost;
      const typed = terminal.onData((text) => socket.readyState === WebSocket.OPEN && socket.send(bytes.encode(text)));
      return () => {
        typed.dispose();
        socket.onclose = null;
        socket.close();
      };
    },
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [m.name, device, parts],
  );
  const { state, problem, retry } = useConnection(m, connect);
  return (
    <div className="lodge-console">
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem><ConsoleState state={state} retry={retry} /></ToolbarItem>
          {serials.length > 1 && (
            <ToolbarItem>
              <FormSelect aria-label={t("Serial port")} value={device} onChange={(_, value) => setDevice(value)}>
                {serials.map((s, i) => <FormSelectOption key={i} value={i === 0 ? "" : (s.alias ?? `serial${i}`)} label={s.alias ?? `serial${i}`} />)}
              </FormSelect>
            </ToolbarItem>
          )}
          <ToolbarItem>
            <SearchInput
              aria-label={t("Search")}
              placeholder={t("Search")}
              value={wanted}
              onChange={(_, text) => { setWanted(text); parts.current?.search.findPrevious(text); }}
              onClear={() => setWanted("")}
              onSearch={() => parts.current?.search.findPrevious(wanted)}
            />
          </ToolbarItem>
          <ToolbarItem>
            <Button variant="plain" aria-label={t("Older match")} isDisabled={!wanted} onClick={() => parts.current?.search.findPrevious(wanted)}>↑</Button>
            <Button variant="plain" aria-label={t("Newer match")} isDisabled={!wanted} onClick={() => parts.current?.search.findNext(wanted)}>↓</Button>
          </ToolbarItem>
          <ToolbarItem><Button variant="secondary" onClick={() => saveText(parts.current!.terminal, `${m.name}.txt`)}>{t("Save as text")}</Button></ToolbarItem>
          <ToolbarItem><Button variant="secondary" onClick={() => parts.current?.terminal.clear()}>{t("Clear")}</Button></ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {problem && <ProblemShown problem={problem} />}
      <div className="lodge-terminal" ref={holder} aria-label={t("Serial console of {name}", { name: m.name })} />
    </div>
  );
}
