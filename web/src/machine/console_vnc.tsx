/* The screen of a machine. */
import RFB from "@novnc/novnc";
import { Button, Checkbox, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useCallback, useRef, useState } from "react";
import { path, request } from "../lib/api";
import { t } from "../lib/i18n";
import type { Machine } from "../lib/model";
import { saveAs } from "../lib/save";
import { type Action, useAct } from "../ui/act";
import { str } from "../ui/fields";
import { ActionMenu } from "../ui/menu";
import { ProblemShown } from "../ui/problem";
import { consoleUrl, useConnection } from "./console";
import { ConsoleState } from "./console_state";

const XK = { ctrl: 0xffe3, alt: 0xffe9, delete: 0xffff, backspace: 0xff08, tab: 0xff09, escape: 0xff1b, enter: 0xff0d, f1: 0xffbe, super: 0xffeb, print: 0xff61 };

/** Presses the keys in this order and lets them go in the other. */
function press(rfb: RFB, keys: number[]): void {
  keys.forEach((key) => rfb.sendKey(key, null, true));
  [...keys].reverse().forEach((key) => rfb.sendKey(key, null, false));
  rfb.focus();
}

function typeText(rfb: RFB, text: string): void {
  for (const char of text) {
    const code = char.codePointAt(0)!;
    press(rfb, [char === "\n" ? XK.enter : char === "\t" ? XK.tab : code < 0x100 ? code : 0x01000000 + code]);
  }
}

function keyActions(rfb: RFB): Action[] {
  const combinations: [string, number[]][] = [
    ["Ctrl+Alt+Del", [XK.ctrl, XK.alt, XK.delete]],
    ["Ctrl+Alt+Backspace", [XK.ctrl, XK.alt, XK.backspace]],
    ["Alt+Tab", [XK.alt, XK.tab]],
    ["Escape", [XK.escape]],
    ["Super", [XK.super]],
    ["Print", [XK.print]],
    ...[1, 2, 3, 4, 5, 6, 7].map((n): [string, number[]] => [`Ctrl+Alt+F${n}`, [XK.ctrl, XK.alt, XK.f1 + n - 1]]),
  ];
  const typing: Action = {
    label: t("Type text…"),
    question: t("The text is typed key by key into the guest."),
    fields: [{ name: "text", label: t("Text"), kind: "area" }],
    calls: () => [],
    perform: async (v) => typeText(rfb, String(v.text)),
  };
  const clipboard: Action = {
    label: t("Set the guest's clipboard…"),
    fields: [{ name: "text", label: t("Text"), kind: "area" }],
    calls: () => [],
    perform: async (v) => rfb.clipboardPasteFrom(String(v.text)),
  };
  return [typing, clipboard, ...combinations.map(([label, keys]): Action => ({ label, calls: () => [], now: () => press(rfb, keys) }))];
}

async function saveScreenshot(m: Machine, rfb: RFB | null): Promise<void> {
  const blob = rfb ? await new Promise<Blob>((resolve) => rfb.toBlob(resolve)) : await (await request("GET", path`/machines/${m.name}/screenshot`)).blob();
  const href = URL.createObjectURL(blob);
  saveAs(href, `${m.name}.png`);
  URL.revokeObjectURL(href);
}

export default function VncConsole({ machine: m }: { machine: Machine }) {
  const act = useAct();
  const frame = useRef<HTMLDivElement>(null);
  const screen = useRef<HTMLDivElement>(null);
  const rfb = useRef<RFB | null>(null);
  const password = useRef<string>(undefined);
  const [scaled, setScaled] = useState(true);
  const [viewOnly, setViewOnly] = useState(false);
  const [resized, setResized] = useState(false);
  const settings = useRef({ scaled, viewOnly, resized });
  settings.current = { scaled, viewOnly, resized };

  const connect = useCallback(
    async (lost: () => void, opened: () => void) => {
      const target = await consoleUrl(m, "vnc");
      const client = new RFB(screen.current!, target, { shared: true, wsProtocols: ["binary"], credentials: password.current ? { password: password.current } : {} });
      client.scaleViewport = settings.current.scaled;
      client.viewOnly = settings.current.viewOnly;
      client.resizeSession = settings.current.resized;
      client.background = "transparent";
      client.addEventListener("connect", opened);
      client.addEventListener("disconnect", lost);
      client.addEventListener("clipboard", (e) => void navigator.clipboard?.writeText((e as CustomEvent<{ text: string }>).detail.text).catch(() => {}));
      client.addEventListener("credentialsrequired", () =>
        act({
          label: t("Connect"),
          title: t("The display asks for a password"),
          fields: [{ name: "password", label: t("Password"), kind: "password" }],
          calls: () => [],
          perform: async (v) => {
            password.current = str(v, "password");
            client.sendCredentials({ password: password.current });
          },
        }),
      );
      rfb.current = client;
      return () => {
        client.removeEventListener("disconnect", lost);
        client.disconnect();
        rfb.current = null;
      };
    },
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [m.name, act],
  );
  const { state, problem, retry } = useConnection(m, connect);
  const isOpen = state === "open";
  return (
    <div className="lodge-console" ref={frame}>
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem><ConsoleState state={state} retry={retry} /></ToolbarItem>
          <ToolbarItem><ActionMenu label={t("Keys")} actions={() => (rfb.current && isOpen ? keyActions(rfb.current) : [])} /></ToolbarItem>
          <ToolbarItem>
            <Checkbox id="vnc-scale" label={t("Fit to window")} isChecked={scaled} onChange={(_, on) => { setScaled(on); if (rfb.current) rfb.current.scaleViewport = on; }} />
          </ToolbarItem>
          <ToolbarItem>
            <Checkbox id="vnc-resize" label={t("Resize the guest's screen")} isChecked={resized} onChange={(_, on) => { setResized(on); if (rfb.current) rfb.current.resizeSession = on; }} />
          </ToolbarItem>
          <ToolbarItem>
            <Checkbox id="vnc-view" label={t("View only")} isChecked={viewOnly} onChange={(_, on) => { setViewOnly(on); if (rfb.current) rfb.current.viewOnly = on; }} />
          </ToolbarItem>
          <ToolbarItem><Button variant="secondary" isDisabled={!isOpen} onClick={() => void saveScreenshot(m, rfb.current)}>{t("Screenshot")}</Button></ToolbarItem>
          <ToolbarItem><Button variant="secondary" onClick={() => void frame.current?.requestFullscreen()}>{t("Full screen")}</Button></ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {problem && <ProblemShown problem={problem} />}
      <div className="lodge-screen" ref={screen} aria-label={t("Screen of {name}", { name: m.name })} role="application" />
    </div>
  );
}
