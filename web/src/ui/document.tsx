/* A document of an object: shown, changed, compared with what it was, checked by the daemon, stored. */
import { Button, Spinner, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { lazy, Suspense, useState } from "react";
import { type Call, Problem, getText, perform } from "../lib/api";
import { t } from "../lib/i18n";
import { invalidateBelow, useResource } from "../lib/store";
import { parse } from "../lib/xml";
import { CallsShown } from "./calls";
import { ProblemShown } from "./problem";

const Editor = lazy(() => import("./editor"));

interface Props {
  /** where it is read */
  from: string;
  label: string;
  /** how it is stored; without, it is only shown */
  store?: (xml: string) => Call;
  /** asks the daemon only whether it is right */
  check?: (xml: string) => Call;
}

/** The document again without a cache: another may have stored it since. */
async function storeIfSame(from: string, before: string, call: Call): Promise<void> {
  if ((await getText(from)) !== before) throw new Problem(409, t("Somebody else has changed it meanwhile. Your text is still here: compare, then store again."));
  await perform(call);
  invalidateBelow(`/${call.path.split("/")[1]}`);
}

export function XmlDocument({ from, label, store, check }: Props) {
  const { data: stored, problem } = useResource<string>(from);
  const [base, setBase] = useState<string>();
  const [draft, setDraft] = useState<string>();
  const [mode, setMode] = useState<"edit" | "difference">("edit");
  const [result, setResult] = useState<{ problem?: Problem; good?: string }>();
  if (problem) return <ProblemShown problem={problem} />;
  if (stored === undefined) return <Spinner aria-label={t("Loading")} />;
  const before = base ?? stored;
  const text = draft ?? before;
  const isChanged = text !== before;
  const run = async (what: () => Promise<unknown>, good: string) => {
    const { error } = parse(text);
    if (error) return setResult({ problem: new Problem(400, error) });
    await what().then(
      () => setResult({ good }),
      (e: unknown) => {
        const p = e instanceof Problem ? e : new Problem(0, String(e));
        if (p.status === 409) void getText(from).then(setBase);
        setResult({ problem: p });
      },
    );
  };
  const change = (next: string) => {
    setBase((b) => b ?? stored);
    setDraft(next);
    setResult(undefined);
  };
  const done = () => {
    setBase(undefined);
    setDraft(undefined);
  };
  return (
    <div className="lodge-document">
      <div className="lodge-actions">
        {store && (
          <ToggleGroup aria-label={t("View")}>
            <ToggleGroupItem text={t("Document")} buttonId="doc-edit" isSelected={mode === "edit"} onChange={() => setMode("edit")} />
            <ToggleGroupItem text={t("Difference")} buttonId="doc-diff" isSelected={mode === "difference"} isDisabled={!isChanged} onChange={() => setMode("difference")} />
          </ToggleGroup>
        )}
        {store && <Button isDisabled={!isChanged} onClick={() => void run(() => storeIfSame(from, before, store(text)).then(done), t("Stored."))}>{t("Store")}</Button>}
        {check && <Button variant="secondary" onClick={() => void run(() => perform(check(text)), t("The daemon accepts it."))}>{t("Check")}</Button>}
        {isChanged && <Button variant="link" onClick={done}>{t("Undo all")}</Button>}
      </div>
      {result?.problem && <ProblemShown problem={result.problem} />}
      {result?.good && <p role="status">{result.good}</p>}
      <Suspense fallback={<Spinner aria-label={t("Loading")} />}>
        <Editor
          key={`${mode} ${draft === undefined ? stored.length : ""}`}
          label={label}
          text={text}
          before={mode === "difference" ? before : undefined}
          readOnly={!store}
          onChange={change}
        />
      </Suspense>
      {store && isChanged && <CallsShown calls={[store(text)]} />}
    </div>
  );
}
