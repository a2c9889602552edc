/* A new machine: what it comes from, what it gets, and a look at its document before it is made. */
import { Button, Card, CardBody, CardHeader, CardTitle, Form, Gallery, Spinner } from "@patternfly/react-core";
import { lazy, Suspense, useState } from "react";
import { type Call, Problem, perform } from "../lib/api";
import { t } from "../lib/i18n";
import type { Host } from "../lib/model";
import { go } from "../lib/route";
import { madeMachines } from "../machine/power";
import { invalidateBelow, useResource } from "../lib/store";
import { parse } from "../lib/xml";
import { CallsShown } from "../ui/calls";
import { FieldInput, type Values, checkFields, initialValues, shownFields, str } from "../ui/fields";
import { Page } from "../ui/page";
import { ProblemShown } from "../ui/problem";
import { type Method, machineCall, machineXml, methods, storageCalls, undoOf, wizardFields } from "./plan";

const Editor = lazy(() => import("../ui/editor"));

/** One after the other; when one fails, the volumes that were made are deleted again. */
async function performWithUndo(calls: Call[], step: (call: Call) => void): Promise<unknown> {
  const undo: Call[] = [];
  let answer: unknown;
  try {
    for (const call of calls) {
      step(call);
      answer = await perform(call);
      const back = undoOf(call);
      if (back) undo.unshift(back);
    }
    return answer;
  } catch (error) {
    for (const call of undo) await perform(call).catch(() => {});
    throw error;
  }
}

function MethodCards({ chosen, choose }: { chosen: Method; choose: (method: Method) => void }) {
  return (
    <Gallery hasGutter minWidths={{ default: "220px" }} role="radiogroup" aria-label={t("How it begins")}>
      {methods().map(([method, label, note]) => (
        <Card key={method} isSelectable isSelected={chosen === method} isCompact id={`method-${method}`}>
          <CardHeader selectableActions={{ selectableActionId: `choose-${method}`, selectableActionAriaLabelledby: `method-title-${method}`, name: "method", variant: "single", onChange: () => choose(method) }}>
            <CardTitle id={`method-title-${method}`}>{label}</CardTitle>
          </CardHeader>
          <CardBody className="lodge-note">{note}</CardBody>
        </Card>
      ))}
    </Gallery>
  );
}

export default function CreatePage({ from }: { from: URLSearchParams }) {
  const host = useResource<Host>("/host").data;
  const [values, setValues] = useState<Values>(() => ({ ...initialValues(wizardFields()), method: from.get("method") ?? "iso" }));
  const [xml, setXml] = useState<string>();
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState<string>();
  const [problem, setProblem] = useState<Problem>();
  const fields = shownFields(wizardFields(), values);
  const wrong = checkFields(fields, values);
  const isRight = Object.keys(wrong).length === 0;
  const isClone = values.method === "clone" || values.method === "template";
  const set = (name: string, value: Values[string]) => {
    setValues((before) => ({ ...before, [name]: value }));
    setXml(undefined);
  };

  const create = async (document: string) => {
    const bad = parse(document || "<a/>").error;
    if (bad) return setProblem(new Problem(400, bad));
    setProblem(undefined);
    try {
      const answer = await performWithUndo([...storageCalls(values), machineCall(values, document)], (call) => setBusy(call.command));
      ["/machines", "/pools"].forEach(invalidateBelow);
      if (isClone) madeMachines(answer, values);
      else go("machines", str(values, "name"), ...(values.start ? ["console"] : []));
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
    }
    setBusy(undefined);
  };
  const submit = (review: boolean) => {
    setTried(true);
    if (!isRight) return;
    if (review) setXml(machineXml(values, host));
    else void create(xml ?? (isClone ? "" : machineXml(values, host)));
  };
  return (
    <Page title={t("Create machine")} below={[{ label: t("Machines"), href: "#/machines" }]}>
      <MethodCards chosen={values.method as Method} choose={(method) => set("method", method)} />
      <Form
        isWidthLimited
        className="lodge-create"
        onSubmit={(event) => {
          event.preventDefault();
          submit(false);
        }}
      >
        {fields.map((field) => (
          <FieldInput key={field.name} field={field} values={values} wrong={tried ? wrong[field.name] : undefined} onChange={(value) => set(field.name, value)} />
        ))}
        {problem && <ProblemShown problem={problem} />}
        {busy && (
          <p role="status">
            <Spinner size="md" aria-hidden /> <code>{busy}</code>
          </p>
        )}
        <div className="lodge-actions">
          <Button type="submit" isDisabled={busy !== undefined}>{t("Create")}</Button>
          {!isClone && <Button variant="secondary" onClick={() => submit(true)}>{t("Look at it first")}</Button>}
          <Button variant="link" onClick={() => go("machines")}>{t("Cancel")}</Button>
        </div>
      </Form>
      {xml !== undefined && (
        <Suspense fallback={<Spinner aria-label={t("Loading")} />}>
          <Editor key={String(tried)} label={t("Definition of {name}", { name: str(values, "name") })} text={xml} onChange={setXml} />
        </Suspense>
      )}
      {isRight && <CallsShown calls={[...storageCalls(values), machineCall(values, xml ?? (isClone ? "" : machineXml(values, host)))]} />}
    </Page>
  );
}
