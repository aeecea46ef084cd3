import { managerMessages, stdinMessages } from "../firstboot/messages.ts";
import { text } from "../html.ts";
import { noParametersSentence } from "../model/known.ts";
import type { Manifest, Parameter } from "../model/manifest.ts";

/** The contract of a template as a form that writes the messages. What is typed stays in the page. */
export function contractForm(manifest: Pick<Manifest, "contract" | "name" | "recipeText">): string {
  const { contract, name } = manifest;
  if (contract.length === 0) return `<p class="quiet">${noParametersSentence(manifest)}</p>`;
  const usual = contract.filter(({ hidden }) => !hidden);
  const hidden = contract.filter((one) => one.hidden);
  return `<p class="note">Fill in what you want to say; a clone of this template waits for these messages at its first boot. Nothing leaves this page.</p>
<div class="form"><form id="contract" autocomplete="off" onsubmit="return false">
<label class="field"><b>The clone’s name in Oracle VM Manager</b><input id="machine" value="${text(name)}-1"></label>
${byModule(usual)}
${hidden.length === 0 ? "" : `<details><summary>${hidden.length} that are seldom asked for</summary>${byModule(hidden)}</details>`}
</form>
<div class="messages"><p class="tabs"><button id="as-manager" aria-pressed="true">Oracle VM CLI</button><button id="as-stdin" aria-pressed="false">ovm-template-config --stdin</button><button id="copy">Copy</button></p>
<pre id="messages" tabindex="0"></pre><p class="note" id="lacking"></p></div></div>
<noscript><p class="note">The form writes the messages with JavaScript; without it, send each parameter as a message, com.oracle.linux.root-password last.</p></noscript>
<script src="../${formScriptFile}"></script>`;
}

function byModule(parameters: readonly Parameter[]): string {
  const modules = [...new Set(parameters.map(({ module }) => module))];
  return modules
    .map((module) => {
      const fields = parameters.filter((one) => one.module === module).map(field);
      return `<h3>${text(module)}</h3><div class="fields">${fields.join("\n")}</div>`;
    })
    .join("\n");
}

function field({ key, description, required, password }: Parameter): string {
  const marks = `${required ? " data-required" : ""}${password ? " data-password" : ""}`;
  return `<label class="field"><b${required ? ' class="required"' : ""}>${text(key)}</b><span class="note">${text(description)}</span><input name="${text(key)}" type="${password ? "password" : "text"}" autocomplete="${password ? "new-password" : "off"}"${marks}></label>`;
}

/** What makes the messages, for all pages with a form. */
export const formScriptFile = "form.js";
export const formScript = () => `${managerMessages}\n${stdinMessages}\n${script}\n`;

const script = `
const form = document.getElementById("contract"), out = document.getElementById("messages");
const lacking = document.getElementById("lacking"), machine = document.getElementById("machine");
const tabs = { manager: document.getElementById("as-manager"), stdin: document.getElementById("as-stdin") };
let shown = "manager";
function write() {
  const inputs = [...form.querySelectorAll("input[name]")];
  const answers = inputs.map((one) => ({ key: one.name, value: one.value, password: "password" in one.dataset }));
  const lines = shown === "manager" ? managerMessages(answers, machine.value) : stdinMessages(answers);
  out.textContent = lines.join("\\n");
  const open = inputs.filter((one) => "required" in one.dataset && one.value === "").map((one) => one.name);
  const root = inputs.find((one) => one.name === "com.oracle.linux.root-password");
  lacking.textContent = open.length > 0 ? "Still required: " + open.join(", ")
    : root && root.value === "" ? "Without the root password the clone goes on waiting: it starts the work, and goes last." : "";
}
for (const [name, button] of Object.entries(tabs)) button.addEventListener("click", () => {
  shown = name;
  for (const [other, one] of Object.entries(tabs)) one.setAttribute("aria-pressed", String(other === name));
  write();
});
document.getElementById("copy").addEventListener("click", async (event) => {
  // A page from a file may not write to the clipboard by itself; then what is marked is copied.
  try { await navigator.clipboard.writeText(out.textContent); }
  catch { getSelection().selectAllChildren(out); document.execCommand("copy"); }
  event.target.textContent = "Copied";
  setTimeout(() => { event.target.textContent = "Copy"; }, 1500);
});
form.addEventListener("input", write);
write();`;
