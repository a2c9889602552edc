/* Actions: what a button, a menu, the palette or a dialog does.
 *
 * An action names its fields and the calls that they make. The engine here asks for the fields, shows the command of `lodge` and
 * the request that do the same, performs, and says how it went. Pages only describe. */
import {
  Alert, AlertActionCloseButton, AlertGroup, Button, ExpandableSection, Form, Modal, ModalBody, ModalFooter, ModalHeader, Progress,
} from "@patternfly/react-core";
import { createContext, useCallback, useContext, useMemo, useRef, useState, type ReactNode } from "react";
import { type Call, type Progress as JobProgress, Problem, perform } from "../lib/api";
import { t, tn } from "../lib/i18n";
import { invalidateBelow } from "../lib/store";
import { CallsShown } from "./calls";
import { type Field, FieldInput, type Values, checkFields, initialValues, shownFields } from "./fields";
import { ProblemShown } from "./problem";

export interface Action {
  label: string;
  /** of the dialog; default: the label */
  title?: string;
  /** of its button; default: the label */
  submit?: string | undefined;
  /** text above the fields; an action with neither fields nor a question is done at once */
  question?: string;
  fields?: Field[];
  danger?: boolean;
  /** why it can't be done now */
  disabled?: string | undefined;
  wide?: boolean;
  /** Throws an Error for what the fields say wrongly. Several calls are made one after the other when @inOrder, else a few at once. */
  calls: (values: Values) => Call[];
  inOrder?: boolean;
  /** instead of performing the calls; says how far it is */
  perform?: (values: Values, progress: (percent: number, what: string) => void, signal: AbortSignal) => Promise<unknown>;
  /** asks the daemon first what it would do, on a button of its own */
  check?: { label: string; call: (values: Values) => Call; show: (answer: unknown) => ReactNode };
  /** instead of calls: something in the page, done at once */
  now?: () => void;
  /** what is told when it is done, from the answer of the last call */
  remark?: (answer: unknown) => string | undefined;
  /** with the answer of the last call */
  done?: (answer: unknown, values: Values) => void;
}

interface Toast {
  key: number;
  good: boolean;
  title: string;
  calls: Call[];
  remark?: string | undefined;
  problem?: Problem;
}

const AT_ONCE = 4;
const ActContext = createContext<(action: Action) => void>(() => {});

export function useAct(): (action: Action) => void {
  return useContext(ActContext);
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, error instanceof Error ? error.message : String(error));
}

/** @returns the answer of the last; throws the first problem after all were tried, unless they are in order. */
async function performAll(calls: Call[], inOrder: boolean, progress?: JobProgress, signal?: AbortSignal): Promise<unknown> {
  try {
    return await (inOrder || calls.length === 1 ? performInOrder(calls, progress, signal) : performAtOnce(calls));
  } finally {
    new Set(calls.map((call) => `/${call.path.split(/[/?]/)[1]}`)).forEach(invalidateBelow);
  }
}

async function performInOrder(calls: Call[], progress?: JobProgress, signal?: AbortSignal): Promise<unknown> {
  let answer: unknown = null;
  for (const call of calls) answer = await perform(call, progress, signal);
  return answer;
}

async function performAtOnce(calls: Call[]): Promise<unknown> {
  const left = [...calls];
  const problems: Problem[] = [];
  const worker = async () => {
    for (let call = left.shift(); call; call = left.shift()) await perform(call).catch((e: unknown) => problems.push(asProblem(e)));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const first = problems[0];
  if (first)
    throw new Problem(
      first.status,
      t("{failed} of {all} failed. {message}", { failed: problems.length, all: calls.length, message: first.message }),
      first.hint,
      first.command,
    );
  return null;
}

function ActionDialog({ action, close, tell }: { action: Action; close: () => void; tell: (toast: Omit<Toast, "key">) => void }) {
  const [values, setValues] = useState<Values>(() => initialValues(action.fields ?? []));
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState<AbortController | null>(null);
  const [progress, setProgress] = useState<{ percent: number | undefined; what: string }>();
  const [checked, setChecked] = useState<ReactNode>();
  const [tried, setTried] = useState(false);
  const [looking, setLooking] = useState(false);
  const isLeft = useRef(false);
  const fields = shownFields(action.fields ?? [], values);
  const wrong = checkFields(fields, values);
  let calls: Call[] = [];
  let callError = "";
  try {
    calls = action.calls(values);
  } catch (error) {
    callError = asProblem(error).message;
  }

  const submit = async () => {
    setTried(true);
    if (Object.keys(wrong).length > 0) return;
    if (callError) return setProblem(new Problem(0, callError));
    const stop = new AbortController();
    setBusy(stop);
    setProblem(undefined);
    try {
      const report = (percent: number | undefined, what: string) => setProgress({ percent, what });
      const answer = action.perform ? await action.perform(values, report, stop.signal) : await performAll(calls, action.inOrder ?? false, report, stop.signal);
      tell({ good: true, title: action.label, calls, remark: action.remark?.(answer) });
      close();
      action.done?.(answer, values);
    } catch (error) {
      if (isLeft.current) tell({ good: false, title: action.label, calls, problem: asProblem(error) });
      else if (!stop.signal.aborted) setProblem(asProblem(error));
    }
    setBusy(null);
    setProgress(undefined);
  };
  const look = async (check: NonNullable<Action["check"]>) => {
    setTried(true);
    if (Object.keys(wrong).length > 0) return;
    setProblem(undefined);
    setChecked(undefined);
    setLooking(true);
    await perform(check.call(values)).then((answer) => setChecked(check.show(answer)), (error: unknown) => setProblem(asProblem(error)));
    setLooking(false);
  };
  const cancel = () => {
    busy?.abort();
    close();
  };
  /** What the daemon does goes on; what this page does itself ends. */
  const leave = () => {
    if (action.perform) return cancel();
    isLeft.current = busy !== null;
    close();
  };
  return (
    <Modal isOpen variant={action.wide ? "large" : "medium"} onClose={leave} aria-label={action.title ?? action.label}>
      <ModalHeader title={action.title ?? action.label} titleIconVariant={action.danger ? "warning" : undefined} description={action.question} />
      <ModalBody>
        <Form
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          {problem && <ProblemShown problem={problem} />}
          {fields.map((field, i) => (
            <FieldInput
              key={field.name}
              field={field}
              values={values}
              autoFocus={i === 0}
              wrong={tried ? wrong[field.name] : undefined}
              onChange={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
            />
          ))}
          {checked && <div role="status">{checked}</div>}
          {progress?.percent !== undefined && <Progress value={progress.percent} title={progress.what} aria-live="polite" />}
          {progress && !action.perform && <p className="lodge-note">{t("It goes on when this is closed; Cancel ends it.")}</p>}
          <button type="submit" hidden aria-hidden />
        </Form>
        {calls.length > 0 && (
          <ExpandableSection toggleText={t("Command and request")} className="lodge-same">
            <CallsShown calls={calls} />
          </ExpandableSection>
        )}
      </ModalBody>
      <ModalFooter>
        <Button variant={action.danger ? "danger" : "primary"} onClick={() => void submit()} isLoading={busy !== null} isDisabled={busy !== null}>
          {action.submit ?? action.label.replace(/…$/, "")}
        </Button>
        {action.check && (
          <Button variant="secondary" onClick={() => void look(action.check!)} isLoading={looking} isDisabled={busy !== null || looking}>
            {action.check.label}
          </Button>
        )}
        <Button variant="link" onClick={cancel}>
          {t("Cancel")}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function Toasts({ toasts, close }: { toasts: Toast[]; close: (key: number) => void }) {
  return (
    <AlertGroup isToast isLiveRegion aria-label={t("Notifications")}>
      {toasts.map((toast) => (
        <Alert
          key={toast.key}
          variant={toast.good ? "success" : "danger"}
          title={toast.title}
          timeout={toast.good && !toast.remark ? 5000 : false}
          onTimeout={() => close(toast.key)}
          actionClose={<AlertActionCloseButton title={t("Close")} onClose={() => close(toast.key)} />}
        >
          {toast.problem && <ProblemShown problem={toast.problem} bare />}
          {toast.remark && <p>{toast.remark}</p>}
          {toast.calls.length === 1 && toast.calls[0]!.command && <code className="lodge-command">{toast.calls[0]!.command}</code>}
          {toast.calls.length > 1 && tn("{n} command", "{n} commands", toast.calls.length)}
        </Alert>
      ))}
    </AlertGroup>
  );
}

let nextKey = 0;

export function ActProvider({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState<{ action: Action; key: number } | null>(null);
  const [toasts, setToasts] = useState<Toast[]>([]);
  const tell = useCallback((toast: Omit<Toast, "key">) => setToasts((all) => [{ ...toast, key: nextKey++ }, ...all].slice(0, 5)), []);
  const act = useCallback(
    (action: Action) => {
      if (action.now) return action.now();
      if (action.fields || action.question || action.perform) return setAsked({ action, key: nextKey++ });
      const calls = action.calls({});
      performAll(calls, action.inOrder ?? false).then(
        (answer) => {
          tell({ good: true, title: action.label, calls, remark: action.remark?.(answer) });
          action.done?.(answer, {});
        },
        (error: unknown) => tell({ good: false, title: action.label, calls, problem: asProblem(error) }),
      );
    },
    [tell],
  );
  const close = useMemo(() => () => setAsked(null), []);
  return (
    <ActContext.Provider value={act}>
      {children}
      {asked && <ActionDialog key={asked.key} action={asked.action} close={close} tell={tell} />}
      <Toasts toasts={toasts} close={(key) => setToasts((all) => all.filter((toast) => toast.key !== key))} />
    </ActContext.Provider>
  );
}
