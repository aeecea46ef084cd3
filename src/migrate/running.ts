import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { shown } from "../io/escape.ts";

/** What is known about whether a machine runs, in words. */
export interface Stopped {
  readonly how: string;
}

const domainsScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
for tool in xl xm; do
  if command -v $tool > /dev/null 2>&1 && list=$($tool list 2> /dev/null); then
    printf '%s\\n%s\\n' "$tool" "$list"
    exit 0
  fi
done
echo none`;

/** The domains that run on a Xen host; empty if it is none or does not answer. */
export async function runningDomains(
  host: Host,
): Promise<{ readonly tool: string; readonly names: readonly string[] } | undefined> {
  const { stdout } = await host.run(["sh", "-c", domainsScript]);
  const [tool = "none", ...lines] = stdout.split("\n");
  if (tool === "none") return undefined;
  // Name, ID, memory, CPUs, state and time; only the name may contain blanks.
  const names = lines.flatMap(
    (line) => /^(\S.*?)\s+\d+\s+\d+\s+\d+\s+\S+\s+[\d.]+\s*$/.exec(line)?.[1] ?? [],
  );
  return { tool, names };
}

export interface RunQuestion {
  /** The machine's name in messages. */
  readonly subject: string;
  /** The possible names of its domain. */
  readonly names: readonly string[];
  readonly isTemplate: boolean;
  /** It is in a repository that other servers may have mounted, too. */
  readonly isShared: boolean;
  /** The users of its disks. */
  readonly users: readonly string[];
  /** The user states that it is stopped. */
  readonly isSaidStopped: boolean;
}

/**
 * Throws if a machine runs or if that is unknown. The users of a disk and Xen's domains are visible on their own server
 * only, and another server of the pool may run the machine. So for a machine in a repository, its user must state that
 * it is stopped.
 */
export async function requireStopped(host: Host, question: RunQuestion): Promise<Stopped> {
  const { subject, names, isTemplate, isShared, users, isSaidStopped } = question;
  const stopIt = "Stop the machine first. A copy of the disks of a running machine is damaged.";
  const [user] = users;
  if (user !== undefined)
    throw new TbuildError("environment", `runs: a disk is in use, by ${user}`, {
      subject,
      lines: users.slice(1),
      hint: stopIt,
    });
  if (isTemplate) return { how: "a template does not run" };
  const domains = await runningDomains(host);
  const server = host.name === "local" ? "this server" : host.name;
  const domain = names.find((name) => domains?.names.includes(name));
  if (domain !== undefined)
    throw new TbuildError("environment", `runs on ${server} as ${shown(domain)} (${domains?.tool} list)`, {
      subject,
      hint: stopIt,
    });
  const here = domains
    ? `not in ${domains.tool} list of ${host.name}`
    : `no program on ${host.name} uses its disks`;
  if (!isShared) return { how: here };
  if (isSaidStopped) return { how: `${here}; stopped elsewhere, as you said` };
  throw new TbuildError("usage", "whether it runs on another server of its pool is unknown", {
    subject,
    lines: [`Only this is known: ${here}.`],
    hint: "If it is stopped, say so: --stopped",
  });
}
