/* An editor of XML, or the difference of two documents. Its styles are adopted by a shadow root: the page's policy refuses
 * <style> elements. */
import { MergeView } from "@codemirror/merge";
import { EditorState, type Extension } from "@codemirror/state";
import { xml } from "@codemirror/lang-xml";
import { type Diagnostic, linter, lintGutter } from "@codemirror/lint";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import { basicSetup, EditorView } from "codemirror";
import { useEffect, useRef } from "react";
import { parse } from "../lib/xml";

interface Props {
  text: string;
  /** shows what changed from here, side by side */
  before?: string | undefined;
  readOnly?: boolean;
  label: string;
  onChange?: (text: string) => void;
}

function wellFormed(view: EditorView): Diagnostic[] {
  const { error } = parse(view.state.doc.toString());
  if (!error) return [];
  const [, row = "1", column = "1"] = /line (\d+) at column (\d+)/.exec(error) ?? [];
  const line = view.state.doc.line(Math.min(Number(row), view.state.doc.lines));
  const from = Math.min(line.from + Math.max(Number(column) - 1, 0), line.to);
  return [{ from, to: line.to, severity: "error", message: error }];
}

const theme = EditorView.theme(
  {
    "&": { height: "100%", fontSize: "13px", color: "inherit", backgroundColor: "transparent" },
    ".cm-scroller": { fontFamily: "monospace" },
    ".cm-gutters": { backgroundColor: "transparent", color: "inherit", opacity: "0.7" },
    ".cm-cursor": { borderLeftColor: "currentColor" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "#8882" },
  },
);

const ink = (name: string) => `var(--pf-t--global--text--color--${name})`;
const colours = HighlightStyle.define([
  { tag: [tags.tagName, tags.angleBracket], color: ink("link--default") },
  { tag: tags.attributeName, color: ink("status--success--default"), fontWeight: "600" },
  { tag: [tags.attributeValue, tags.string], color: ink("regular") },
  { tag: tags.comment, color: ink("subtle"), fontStyle: "italic" },
]);

function extensions({ readOnly, onChange, label }: Props): Extension[] {
  return [
    basicSetup,
    xml(),
    theme,
    syntaxHighlighting(colours),
    linter(wellFormed),
    lintGutter(),
    EditorView.contentAttributes.of({ "aria-label": label }),
    EditorState.readOnly.of(readOnly ?? false),
    EditorView.updateListener.of((update) => update.docChanged && onChange?.(update.state.doc.toString())),
  ];
}

export default function Editor(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const { text, before, readOnly } = props;
  useEffect(() => {
    const root = holder.current!.shadowRoot ?? holder.current!.attachShadow({ mode: "open" });
    const place = root.appendChild(document.createElement("div"));
    place.style.height = "100%";
    place.style.overflow = "auto";
    const view =
      before === undefined
        ? new EditorView({ doc: text, extensions: extensions(props), parent: place, root })
        : new MergeView({
            a: { doc: before, extensions: extensions({ ...props, readOnly: true }) },
            b: { doc: text, extensions: extensions({ ...props, readOnly: true }) },
            parent: place,
            root,
            collapseUnchanged: { margin: 3 },
          });
    (view instanceof MergeView ? [view.a, view.b] : [view]).forEach((v) => (v.scrollDOM.tabIndex = 0));
    return () => {
      view.destroy();
      place.remove();
    };
    // the document belongs to the editor after it was given
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [before, readOnly, before === undefined ? null : text]);
  return <div className="lodge-editor" ref={holder} />;
}
