/** The folder of tbuild's own guest additions: programs, modules and services for a guest. */
export const additions = new URL("../../src/firstboot/additions/", import.meta.url).pathname;

/**
 * First-boot state, told by tbuild's additions under this key: `waiting`, `running: MODULE`, `done`, `failed: MODULE: WHY`. The last
 * lines of what the module said may follow.
 */
export const initialConfigKey = "org.tbuild.rehearsal.initial-config";

/** Whether a guest's `/usr/sbin/ovmd` is that of tbuild's guest additions, by its first lines. */
export function isOwnOvmd(program: string): boolean {
  return program.slice(0, 1000).includes("tbuild's guest additions");
}
