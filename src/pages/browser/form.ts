/// <reference lib="dom" />
import { judge, parameterOf } from "../../firstboot/judge.ts";
import { managerMessages, stdinMessages } from "../../firstboot/messages.ts";
import { amount } from "../../io/units.ts";
import type { Parameter } from "../../model/manifest.ts";
import { rootPasswordKey } from "../../model/root-password.ts";

// The script of the pages with a form. `npm run build` bundles it with the checks of `tbuild message`, which
// it shares.

type Field = HTMLInputElement | HTMLSelectElement;

const byId = (id: string) => document.getElementById(id) as HTMLElement;
const form = byId("contract");
const [out, lacking, copy] = [byId("messages"), byId("lacking"), byId("copy")];
const machine = byId("machine") as HTMLInputElement;
const tabs = { manager: byId("as-manager"), stdin: byId("as-stdin") };
const contract = JSON.parse(byId("parameters").textContent ?? "[]") as Parameter[];
const fieldsOf = (place: ParentNode) => Array.from(place.querySelectorAll<Field>("[name]"));
let shown: keyof typeof tabs = "manager";

function write(): void {
  const fields = fieldsOf(form);
  const given = new Map(fields.filter(({ value }) => value !== "").map(({ name, value }) => [name, value]));
  const errors = judge(contract, given).filter(({ weight }) => weight === "error");
  const wrong = new Map(
    errors.map(({ key, by, text }) => [by ?? key, by === undefined ? text : `${key}: ${text}`]),
  );
  for (const field of fields) {
    const text = given.has(field.name) ? (wrong.get(field.name) ?? "") : "";
    field.setAttribute("aria-invalid", String(text !== ""));
    const place = field.parentElement?.querySelector(".fault");
    if (place) place.textContent = text;
  }
  const faults = errors.filter(({ key, by }) => given.has(by ?? key));
  const answers = [...given].map(([key, value]) => ({
    key,
    value,
    password: parameterOf(contract, key)?.password ?? true,
  }));
  const lines = shown === "manager" ? managerMessages(answers, machine.value) : stdinMessages(answers);
  out.textContent = faults.length > 0 ? "" : lines.join("\n");
  lacking.textContent = remark(faults.length, given);
}

function remark(faults: number, given: ReadonlyMap<string, string>): string {
  if (faults > 0) return `No messages yet: ${amount(faults, "value is", "values are")} wrong.`;
  const open = contract.filter(({ key, required }) => required && !given.has(key)).map(({ key }) => key);
  if (open.length > 0) return `Still required: ${open.join(", ")}`;
  const waits = contract.some(({ key }) => key === rootPasswordKey) && !given.has(rootPasswordKey);
  return waits
    ? "Without the root password, the clone keeps waiting: the password starts the configuration, so it is last."
    : "";
}

/** Adds another copy of the numbered fields of a module, with the next number. */
function addOne(section: Element): void {
  const numberOf = ({ name }: Field) => Number(/\.(\d+)$/.exec(name)?.[1] ?? -1);
  const fields = fieldsOf(section);
  const last = Math.max(...fields.map(numberOf));
  for (const field of fields.filter((one) => numberOf(one) === last)) {
    const label = field.closest("label")?.cloneNode(true) as HTMLElement;
    const [copied] = fieldsOf(label);
    const title = label.querySelector("b");
    if (!copied || !title) continue;
    copied.name = field.name.replace(/\d+$/, String(last + 1));
    copied.value = "";
    title.textContent = copied.name;
    // No module needs a second one.
    title.classList.remove("required");
    section.append(label);
  }
  write();
}

for (const button of Array.from(form.querySelectorAll(".more")))
  button.addEventListener("click", () => addOne(button.previousElementSibling as Element));
for (const name of ["manager", "stdin"] as const)
  tabs[name].addEventListener("click", () => {
    shown = name;
    for (const [other, tab] of Object.entries(tabs)) tab.setAttribute("aria-pressed", String(other === name));
    write();
  });
copy.addEventListener("click", async () => {
  // A page from a file may not write to the clipboard itself. In that case, the selected text is copied.
  try {
    await navigator.clipboard.writeText(out.textContent ?? "");
  } catch {
    getSelection()?.selectAllChildren(out);
    document.execCommand("copy");
  }
  copy.textContent = "Copied";
  setTimeout(() => {
    copy.textContent = "Copy";
  }, 1500);
});
form.addEventListener("input", write);
write();
