import { deploymentSchema } from "../../deploy/schema.ts";

export async function run(): Promise<void> {
  process.stdout.write(`${JSON.stringify(deploymentSchema(), undefined, 2)}\n`);
}
