import { choicesOf } from "../firstboot/value-types.ts";
import { text } from "../html.ts";
import type { Manifest, Parameter } from "../model/manifest.ts";
import { noParametersSentence } from "../model/manifest-sentences.ts";

/** The contract of a template as a form that writes the messages. What the user types stays in the page. */
export function contractForm(manifest: Pick<Manifest, "contract" | "name" | "recipeText">): string {
  const { contract, name } = manifest;
  if (contract.length === 0) return `<p class="quiet">${noParametersSentence(manifest)}</p>`;
  const usual = contract.filter(({ hidden }) => !hidden);
  const hidden = contract.filter((one) => one.hidden);
  return `<p class="note">Fill in the values to set. A clone of this template waits for these messages at its first boot. Nothing leaves this page.</p>
<div class="form"><form id="contract" autocomplete="off" onsubmit="return false">
<label class="field"><b>The clone’s name in Oracle VM Manager</b><input id="machine" value="${text(name)}-1"></label>
${byModule(usual)}
${hidden.length === 0 ? "" : `<details><summary>Further parameters (${hidden.length}), rarely needed</summary>${byModule(hidden)}</details>`}
</form>
<div class="messages"><p class="tabs"><button id="as-manager" aria-pressed="true">Oracle VM CLI</button><button id="as-stdin" aria-pressed="false">ovm-template-config --stdin</button><button id="copy">Copy</button></p>
<pre id="messages" tabindex="0"></pre><p class="note" id="lacking"></p></div></div>
<noscript><p class="note">The form writes the messages with JavaScript; without it, send each parameter as a message, com.oracle.linux.root-password last.</p></noscript>
<script type="application/json" id="parameters">${embedded(contract)}</script>
<script src="../${formScriptFile}"></script>`;
}

function byModule(parameters: readonly Parameter[]): string {
  const modules = [...new Set(parameters.map(({ module }) => module))];
  return modules
    .map((module) => {
      const fields = parameters.filter((one) => one.module === module).map(field);
      const isNumbered = parameters.some((one) => one.module === module && /\.\d+$/.test(one.key));
      // A further interface, user or host: the same keys with the next number.
      const more = isNumbered ? '<button type="button" class="more">Add another</button>' : "";
      return `<h3>${text(module)}</h3><div class="fields">${fields.join("\n")}</div>${more}`;
    })
    .join("\n");
}

function field(parameter: Parameter): string {
  const { key, description, required } = parameter;
  return `<label class="field"><b${required ? ' class="required"' : ""}>${text(key)}</b><span class="note">${text(description)}</span>${control(parameter)}<em class="fault" role="alert"></em></label>`;
}

function control(parameter: Parameter): string {
  const name = text(parameter.key);
  const choices = choicesOf(parameter);
  if (choices !== undefined && !parameter.password)
    return `<select name="${name}">${["", ...choices].map((one) => `<option>${text(one)}</option>`).join("")}</select>`;
  const hint = parameter.default === undefined ? "" : ` placeholder="${text(parameter.default)}"`;
  return parameter.password
    ? `<input name="${name}" type="password" autocomplete="new-password">`
    : `<input name="${name}" type="text" autocomplete="off"${hint}>`;
}

/**
 * The script that checks the values and makes the messages, for all pages with a form: browser/form.ts,
 * bundled.
 */
export const formScriptFile = "form.js";

// In a script, no text may look like the closing tag.
function embedded(contract: readonly Parameter[]): string {
  return JSON.stringify(contract).replaceAll("<", "\\u003c");
}
