/* The command and the request that do what the page does. */
import { Button } from "@patternfly/react-core";
import { useState } from "react";
import { type Call, asCurl } from "../lib/api";
import { t } from "../lib/i18n";

const SHOWN = 20;

export function Copyable({ label, text }: { label: string; text: string }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="lodge-copyable">
      <span className="lodge-copyable-label">{label}</span>
      <pre tabIndex={0} aria-label={label}>{text}</pre>
      <Button variant="link" isInline onClick={() => void navigator.clipboard?.writeText(text).then(() => setCopied(true))}>
        {copied ? t("Copied") : t("Copy")}
      </Button>
    </div>
  );
}

function lines(all: string[]): string {
  const shown = all.slice(0, SHOWN);
  return [...shown, ...(all.length > SHOWN ? ["..."] : [])].join("\n");
}

export function CallsShown({ calls }: { calls: Call[] }) {
  const xml = calls.filter((call) => typeof call.body === "string").map((call) => call.body as string);
  const commands = [...new Set(calls.map((call) => call.command))].filter(Boolean);
  const nested = calls.map((call) => (call.body as { xml?: string } | undefined)?.xml).filter((x): x is string => typeof x === "string");
  return (
    <>
      {commands.length > 0 && <Copyable label={t("Command")} text={lines(commands)} />}
      <Copyable label={t("Request")} text={lines(calls.map(asCurl))} />
      {[...xml, ...nested].slice(0, 1).map((x) => (
        <Copyable key="xml" label="XML" text={x} />
      ))}
    </>
  );
}
