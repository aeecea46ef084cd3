import type * as promises from "node:fs/promises";

type Fs = typeof promises;

/** What happens at the chosen call, and whether later calls meet the same. */
export type Happening =
  /** A system error. `lasting`: of every later call that changes something, too. */
  | { readonly code: keyof typeof codes; readonly lasting?: boolean }
  /** The process ends: neither this call nor any later one does anything. */
  | "killed";

/** As Linux numbers them. Node has no name for `EDQUOT`. */
const codes = { ENOSPC: 28, EIO: 5, EROFS: 30, EACCES: 13, EMFILE: 24, EDQUOT: 122 } as const;

/** Ends a "process": whatever it does afterwards fails in the same way. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** The calls that count: those that change something, or those that only read. */
export type Kind = "change" | "read";

interface Watching {
  /** Only calls on paths below it are counted. */
  readonly folder: string;
  readonly kind: Kind;
  readonly at: number;
  readonly happening: Happening;
  readonly calls: string[];
  isOver: boolean;
}

let watching: Watching | undefined;

/**
 * Runs `work`. The call number `at` (from 1) that changes something below `folder`, or reads it, meets `happening`. Returns the
 * names of the calls; `failed` is what `work` threw.
 */
export async function withFault(
  folder: string,
  at: number,
  happening: Happening,
  work: () => Promise<unknown>,
  kind: Kind = "change",
): Promise<{
  readonly calls: readonly string[];
  readonly failed: unknown;
  readonly met: string | undefined;
}> {
  const now: Watching = { folder, kind, at, happening, calls: [], isOver: false };
  watching = now;
  try {
    const failed = await work().then(
      () => undefined,
      (error: unknown) => error,
    );
    return { calls: now.calls, failed, met: now.calls[at - 1] };
  } finally {
    watching = undefined;
  }
}

/** How many calls of `work` change something below `folder`, or read it. */
export async function countCalls(
  folder: string,
  work: () => Promise<unknown>,
  kind: Kind = "change",
): Promise<number> {
  const { calls, failed } = await withFault(folder, 0, "killed", work, kind);
  if (failed !== undefined) throw failed;
  return calls.length;
}

/**
 * Node's module, whose calls can fail as the system makes them fail. The files are real. For use with
 * `vi.mock("node:fs/promises", async (original) => (await import("…")).failing(await original()))`.
 */
export function failing(real: Fs): Fs {
  const changing = [
    "writeFile",
    "appendFile",
    "rm",
    "unlink",
    "mkdir",
    "rmdir",
    "truncate",
    "chmod",
    "utimes",
  ];
  const onTwo = ["rename", "copyFile", "symlink", "link"];
  const faulty: Record<string, unknown> = { ...real };
  for (const name of [...changing, ...onTwo]) {
    const call = real[name as keyof Fs] as (...args: unknown[]) => Promise<unknown>;
    faulty[name] = async (...args: unknown[]) => {
      // A symbolic link is made where its second path says.
      const path = String(args[name === "symlink" || name === "link" ? 1 : 0]);
      await meet(name, path, path, async (part) => {
        const [file, data] = args;
        if (name === "writeFile" && typeof file === "string")
          await real.writeFile(file, half(data, part)).catch(() => {});
      });
      return call(...args);
    };
  }
  faulty.open = async (path: string, flags: string | number = "r", mode?: number) => {
    const isForWriting = flags !== "r";
    if (isForWriting) await meet("open", path, path);
    else await meet("open", path, path, undefined, "read");
    const handle = await real.open(path, flags, mode);
    return failingHandle(handle, path);
  };
  for (const name of ["readFile", "readdir", "readlink", "stat", "lstat"] as const) {
    const call = real[name] as (...args: unknown[]) => Promise<unknown>;
    faulty[name] = async (...args: unknown[]) => {
      await meet(name, String(args[0]), String(args[0]), undefined, "read");
      return call(...args);
    };
  }
  return { ...faulty, default: faulty } as unknown as Fs;
}

function failingHandle(handle: promises.FileHandle, path: string): promises.FileHandle {
  const names = ["write", "writeFile", "appendFile", "truncate", "sync", "datasync"];
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const call = value.bind(target) as (...args: unknown[]) => Promise<unknown>;
      if (!names.includes(String(name))) return call;
      return async (...args: unknown[]) => {
        // The system names no path in errors of an open file.
        await meet(String(name), path, undefined, async (part) => {
          if (/^(?:write|append)/.test(String(name)))
            await target.appendFile(half(args[0], part)).catch(() => {});
        });
        return call(...args);
      };
    },
  });
}

/** Counts a call, and throws if it is the chosen one, or comes after its end. A write is done in part. */
async function meet(
  call: string,
  path: string,
  named: string | undefined,
  inPart?: (share: number) => Promise<void>,
  kind: Kind = "change",
): Promise<void> {
  if (!watching || !path.startsWith(watching.folder)) return;
  const now = watching;
  const { happening, at } = now;
  if (now.isOver && happening === "killed") throw new Killed();
  if (kind !== now.kind) return;
  now.calls.push(`${call} ${path.slice(now.folder.length + 1)}`);
  const isChosen = now.calls.length === at;
  const lasts = typeof happening === "object" && happening.lasting === true && now.isOver;
  if (!isChosen && !lasts) return;
  now.isOver = true;
  if (isChosen) await inPart?.(0.5);
  if (happening === "killed") throw new Killed();
  throw systemError(happening.code, call, named);
}

function half(data: unknown, share: number): Uint8Array {
  const bytes = typeof data === "string" ? Buffer.from(data) : Buffer.from(data as Uint8Array);
  return bytes.subarray(0, Math.floor(bytes.length * share));
}

/** As Node makes them. */
function systemError(code: keyof typeof codes, syscall: string, path: string | undefined): Error {
  const known = code === "EDQUOT" ? `Unknown system error -${codes[code]}` : code;
  const words = `${known}: injected, ${syscall}${path === undefined ? "" : ` '${path}'`}`;
  const details = { code: known, errno: -codes[code], syscall, ...(path !== undefined && { path }) };
  return Object.assign(new Error(words), details);
}
