import { text } from "../html.ts";
import type { Answer } from "./messages.ts";

/** The file of an OVF environment, and the label of its disc (DMTF DSP0243, section 11: ISO image transport). */
export const ovfEnvironmentFile = "ovf-env.xml";

/** The values as the properties of an OVF environment, for `ovm-template-config --ovf-transport-iso` and tbuild's `ovmd`. */
export function ovfEnvironment(answers: readonly Answer[], machine: string): string {
  const properties = answers
    .filter(({ value }) => value !== "")
    .map(({ key, value }) => `    <Property oe:key="${text(key)}" oe:value="${text(value)}"/>\n`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="${text(machine)}">
  <PropertySection>
${properties.join("")}  </PropertySection>
</Environment>
`;
}
