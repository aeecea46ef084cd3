import { SaxesParser } from "saxes";
import { TbuildError } from "../errors.ts";

export interface Element {
  /** The local name, without a prefix. */
  readonly name: string;
  readonly namespace: string;
  /** By local name, because OVF's attributes may have a prefix or not. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly Element[];
  readonly text: string;
}

const deepest = 64;
const mostElements = 20_000;

/**
 * Reads XML without a document type. Only XML's five entities exist, so nothing is fetched and nothing expands.
 * XML that is not well-formed is an `integrity` fault of `what`.
 */
export function readXml(what: string, text: string): Element {
  const parser = new SaxesParser({ xmlns: true, position: false });
  const refuse = (why: string) => new TbuildError("integrity", `${what}:${parser.line}: ${why}`);
  const open: {
    name: string;
    namespace: string;
    attributes: Map<string, string>;
    children: Element[];
    text: string;
  }[] = [];
  let root: Element | undefined;
  let count = 0;
  parser.on("error", (error) => {
    throw refuse(`not well-formed XML: ${error.message}`);
  });
  parser.on("doctype", () => {
    throw refuse("declares a document type, which is not allowed");
  });
  parser.on("opentag", (tag) => {
    if (open.length >= deepest || ++count > mostElements)
      throw refuse("too many elements, or nested too deeply");
    const attributes = new Map(Object.values(tag.attributes).map((one) => [one.local, one.value]));
    open.push({ name: tag.local, namespace: tag.uri, attributes, children: [], text: "" });
  });
  const addText = (more: string) => {
    const element = open.at(-1);
    if (element) element.text += more;
  };
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.on("closetag", () => {
    const element = open.pop();
    const above = open.at(-1);
    if (element && above) above.children.push(element);
    else root = element;
  });
  parser.write(text.replace(/^\ufeff/, "")).close();
  if (!root) throw refuse("no element");
  return root;
}

/** Decodes XML by its byte order mark or declaration. Default: UTF-8. */
export function xmlText(what: string, bytes: Uint8Array): string {
  const [one = 0, two = 0] = bytes;
  const wide = new Map([
    ["255,254", "utf-16le"],
    ["60,0", "utf-16le"],
    ["254,255", "utf-16be"],
    ["0,60", "utf-16be"],
  ]).get(`${one},${two}`);
  const head = Buffer.from(bytes.subarray(0, 200)).toString("latin1");
  const label = wide ?? /^[^>]*?<\?xml[^>]*?encoding=["']([\w.:-]{1,40})["']/.exec(head)?.[1] ?? "utf-8";
  try {
    return new TextDecoder(wide === undefined && /^utf-?16/i.test(label) ? "utf-8" : label).decode(bytes);
  } catch (cause) {
    throw new TbuildError("integrity", `uses an unknown encoding: ${label}`, { subject: what, cause });
  }
}

/** The children with this name. */
export function children(element: Element | undefined, name: string): Element[] {
  return (element?.children ?? []).filter((one) => one.name === name);
}

/** The text of the first child with this name. */
export function childText(element: Element | undefined, name: string): string | undefined {
  const text = children(element, name)[0]?.text.trim();
  return text === "" ? undefined : text;
}
