/** The lines of an element. */
export type Lines = readonly string[];
export type Attributes = Readonly<Record<string, string | number>>;

/** An element with child elements. */
export function node(name: string, attributes: Attributes = {}, children: readonly Lines[] = []): Lines {
  const inner = children.flat();
  const open = `${name}${attributesText(attributes)}`;
  if (inner.length === 0) return [`<${open}/>`];
  return [`<${open}>`, ...inner.map((line) => `  ${line}`), `</${name}>`];
}

/** An element with text. */
export function leaf(name: string, text: string | number, attributes: Attributes = {}): Lines {
  const open = `${name}${attributesText(attributes)}`;
  return String(text) === "" ? [`<${open}/>`] : [`<${open}>${escaped(String(text))}</${name}>`];
}

export function document(root: Lines, comment?: string): string {
  const head = comment === undefined ? [] : [`<!-- ${escaped(comment).replaceAll(/-(?=-|$)/g, "- ")} -->`];
  return `${['<?xml version="1.0" encoding="UTF-8"?>', ...head, ...root].join("\n")}\n`;
}

/** Text for XML 1.0, which allows no control characters except tab and line breaks. */
export function escaped(value: string): string {
  return (
    value
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML does not have.
      .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "?")
      .replaceAll(/[&<>"\t\n\r]/g, (one) => `&#${one.charCodeAt(0)};`)
  );
}

function attributesText(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join("");
}
