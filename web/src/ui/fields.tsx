/* Fields of dialogs, described by data. Values are texts, except those of switches and files. */
import {
  Checkbox, FileUpload, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, NumberInput, TextArea, TextInput,
} from "@patternfly/react-core";
import { parseSize } from "../lib/format";
import { t } from "../lib/i18n";
import type { List } from "../lib/model";
import { useResource } from "../lib/store";

export type Value = string | boolean | File | null;
export type Values = Record<string, Value>;

export interface Option {
  value: string;
  label: string;
  disabled?: boolean;
}

export interface Field {
  name: string;
  label: string;
  /** suggest: a text with a list to choose from */
  kind?: "text" | "password" | "number" | "size" | "select" | "suggest" | "switch" | "area" | "file";
  initial?: string | number | boolean;
  help?: string;
  optional?: boolean;
  min?: number;
  max?: number;
  options?: Option[];
  /** options that the daemon has: asked at a path, which may depend on other fields */
  from?: (values: Values) => string | null;
  option?: (item: never) => Option;
  when?: (values: Values) => boolean;
  check?: (value: Value, values: Values) => string | undefined;
}

export function str(values: Values, name: string): string {
  const value = values[name];
  return typeof value === "string" ? value.trim() : "";
}

export function num(values: Values, name: string): number {
  return Number(str(values, name));
}

/** bytes; 0 if the field is empty */
export function size(values: Values, name: string): number {
  return parseSize(str(values, name)) ?? 0;
}

export function shownFields(fields: Field[], values: Values): Field[] {
  return fields.filter((field) => !field.when || field.when(values));
}

export function initialValues(fields: Field[]): Values {
  const start = (field: Field): Value => {
    if (field.kind === "switch") return Boolean(field.initial);
    if (field.kind === "file") return null;
    return field.initial === undefined ? (field.kind === "select" ? (field.options?.[0]?.value ?? "") : "") : String(field.initial);
  };
  return Object.fromEntries(fields.map((field) => [field.name, start(field)]));
}

function checkField(field: Field, values: Values): string | undefined {
  const value = values[field.name] ?? null;
  const isEmpty = value === null || (typeof value === "string" && value.trim() === "");
  if (isEmpty) return field.optional || field.kind === "switch" ? undefined : t("This is needed.");
  if (field.kind === "size" && parseSize(String(value)) === null) return t("A size is a number and a unit, like 20 GiB.");
  if (field.kind === "number") {
    const number = Number(value);
    if (!Number.isFinite(number)) return t("This is not a number.");
    if (field.min !== undefined && number < field.min) return t("At least {min}.", { min: field.min });
    if (field.max !== undefined && number > field.max) return t("At most {max}.", { max: field.max });
  }
  return field.check?.(value, values);
}

/** What is wrong, by name of the field. */
export function checkFields(fields: Field[], values: Values): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const field of fields) {
    const text = checkField(field, values);
    if (text) wrong[field.name] = text;
  }
  return wrong;
}

interface InputProps {
  field: Field;
  values: Values;
  wrong?: string | undefined;
  autoFocus?: boolean;
  onChange: (value: Value) => void;
}

/** The options, and why there are not more. */
function useOptions(field: Field, values: Values): [Option[], string | undefined] {
  const asked = useResource<List<never>>(field.from?.(values) ?? null);
  const found = field.option ? (asked.data?.items ?? []).map(field.option) : [];
  return [[...(field.options ?? []), ...found], asked.problem?.message];
}

function Input({ field, values, wrong, autoFocus, onChange }: InputProps) {
  const [options, problem] = useOptions(field, values);
  const id = `field-${field.name}`;
  const value = values[field.name] ?? "";
  const text = typeof value === "string" ? value : "";
  const common = { id, validated: wrong ? ("error" as const) : ("default" as const), isRequired: !field.optional };
  const change = (_: unknown, next: string) => onChange(next);
  switch (field.kind) {
    case "switch":
      return <Checkbox id={id} label={field.label} isChecked={value === true} onChange={(_, next) => onChange(next)} />;
    case "select":
      return (
        <FormSelect {...common} value={text} onChange={change}>
          {!options.some((o) => o.value === text) && <FormSelectOption value={text} label={text || (problem ?? t("Choose…"))} isDisabled={!field.optional} />}
          {options.map((o) => (
            <FormSelectOption key={o.value} value={o.value} label={o.label} isDisabled={o.disabled ?? false} />
          ))}
        </FormSelect>
      );
    case "area":
      return <TextArea {...common} value={text} onChange={change} rows={4} resizeOrientation="vertical" autoFocus={autoFocus} />;
    case "file":
      return (
        <FileUpload
          id={id}
          value={value as File}
          filename={value instanceof File ? value.name : ""}
          filenamePlaceholder={t("Drop a file here or choose one")}
          browseButtonText={t("Choose…")}
          clearButtonText={t("Clear")}
          hideDefaultPreview
          onFileInputChange={(_, file) => onChange(file)}
          onClearClick={() => onChange(null)}
        />
      );
    case "number":
      return (
        <NumberInput
          inputProps={{ id }}
          inputAriaLabel={field.label}
          minusBtnAriaLabel={t("Less")}
          plusBtnAriaLabel={t("More")}
          value={text === "" ? 0 : Number(text)}
          {...(field.min !== undefined && { min: field.min })}
          {...(field.max !== undefined && { max: field.max })}
          onMinus={() => onChange(String(Number(text) - 1))}
          onPlus={() => onChange(String(Number(text) + 1))}
          onChange={(event) => onChange((event.target as HTMLInputElement).value)}
        />
      );
    default:
      return (
        <>
          <TextInput
            {...common}
            type={field.kind === "password" ? "password" : "text"}
            autoComplete="off"
            value={text}
            onChange={change}
            autoFocus={autoFocus}
            {...(field.kind === "suggest" && { list: `${id}-list` })}
          />
          {field.kind === "suggest" && (
            <datalist id={`${id}-list`}>
              {options.map((o) => (
                <option key={o.value} value={o.value}>
                  {o.label}
                </option>
              ))}
            </datalist>
          )}
        </>
      );
  }
}

export function FieldInput(props: InputProps) {
  const { field, wrong } = props;
  const help = wrong ?? field.help;
  return (
    <FormGroup label={field.kind === "switch" ? undefined : field.label} fieldId={`field-${field.name}`} isRequired={!field.optional && field.kind !== "switch"}>
      <Input {...props} />
      {help && (
        <FormHelperText>
          <HelperText>
            <HelperTextItem variant={wrong ? "error" : "default"}>{help}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}
