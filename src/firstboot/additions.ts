/** The folder of tbuild's own guest additions: programs, modules and services for a guest. */
export const additions = new URL("../../src/firstboot/additions/", import.meta.url).pathname;

/**
 * First-boot state, which tbuild's additions report under this key: `waiting`, `running: MODULE`, `done`,
 * `failed: MODULE: WHY`. The last lines of the module's output may follow.
 */
export const initialConfigKey = "org.tbuild.rehearsal.initial-config";

/** Whether a guest's `/usr/sbin/ovmd` belongs to tbuild's guest additions, from its first lines. */
export function isOwnOvmd(program: string): boolean {
  return program.slice(0, 1000).includes("tbuild's guest additions");
}
