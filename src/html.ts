import { printable } from "./io/escape.ts";

/** A page's style: inline rules in addition to `pageStyle`, or a style sheet beside it that starts with `pageStyle`. */
export type Look = string | { readonly sheet: string };

/**
 * A complete page that sends nothing anywhere. With inline style, it needs no other file.
 * `body` is HTML, the rest is text.
 */
export function page(title: string, body: string, look: Look = ""): string {
  const style =
    typeof look === "string"
      ? `<style>${pageStyle}${look}</style>`
      : `<link rel="stylesheet" href="${text(look.sheet)}">`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline' 'self' file:; script-src 'unsafe-inline' 'self' file:; form-action 'none'">
<title>${text(title)}</title>${style}</head><body><main>
${body}
</main></body></html>
`;
}

export function section(title: string, body: string): string {
  return `<section><h2>${text(title)}</h2>${body}</section>`;
}

export function definitions(rows: readonly (readonly [string, string])[]): string {
  return `<dl>${rows.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join("")}</dl>`;
}

export function list(items: readonly string[], none: string): string {
  return items.length === 0
    ? `<p class="quiet">${text(none)}</p>`
    : `<ul class="seen">${items.map((item) => `<li>${text(item)}</li>`).join("")}</ul>`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '<p class="quiet">None.</p>';
  const cells = (row: readonly string[], tag: string) =>
    `<tr>${row.map((cell) => `<${tag}>${text(cell)}</${tag}>`).join("")}</tr>`;
  return `<div class="scroll"><table><thead>${cells(head, "th")}</thead><tbody>${rows.map((row) => cells(row, "td")).join("\n")}</tbody></table></div>`;
}

/** Escapes text for HTML content and attributes; also what would be invisible, or is a byte of a name that is not UTF-8. */
export function text(value: string): string {
  return printable(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export const pageStyle = `
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5d6776;--line:#dfe3e9;--paper:#fff;--wash:#f5f7f9;--mark:#b3402a;--good:#2f7d4f}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9fabbb;--line:#303946;--paper:#1b2129;--wash:#12161b;--mark:#ec7f66;--good:#65bf8b}}
body{margin:0;overflow-wrap:anywhere;background:var(--wash);color:var(--ink);font:15px/1.55 system-ui,sans-serif}
main{max-width:66rem;margin:0 auto;padding:2.5rem 1.5rem 5rem}
h1{font-size:2.1rem;margin:.1rem 0 .3rem;letter-spacing:-.02em}h2{font-size:1.05rem;margin:0 0 .9rem}
.crumb,.lead,.note,.quiet,.ms,figcaption{color:var(--soft)}.crumb{margin:0}.lead{margin:0 0 1rem;font-size:1.05rem}.note,.quiet{font-size:.9rem}
.warning{border-left:4px solid var(--mark);padding:.5rem .9rem;background:var(--paper);color:var(--mark);margin:0}
section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:1.2rem 1.4rem;margin-top:1.1rem}
dl{display:grid;grid-template-columns:10rem 1fr;gap:.3rem 1rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.seen{list-style:none;padding:0;margin:0}.seen li{padding-left:1.3rem;text-indent:-1.3rem}.seen li:before{content:"✓";display:inline-block;width:1.3rem;text-indent:0;color:var(--good)}
table{border-collapse:collapse;width:100%;font-size:.88rem}th{text-align:left;color:var(--soft);font-weight:500}td,th{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:normal}tr:last-child>td{border-bottom:0}
.scroll{overflow-x:auto}code,pre,td{font-family:ui-monospace,monospace;font-size:.83rem}pre{overflow:auto;max-height:30rem}
.count{color:var(--soft)}details{padding:.15rem 0}summary{cursor:pointer}details>:not(summary){margin-left:1.1rem}section>:last-child{margin-bottom:0}
@media (max-width:40rem){main{padding:1.4rem 1rem 3rem}section{padding:1rem}h1{font-size:1.7rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}`;
