/** What a word of a list means to a shell, and not to the program that gets it as it is; `undefined` if nothing. */
export function shellWordIn(
  words: readonly (string | undefined)[],
): { text: string; remedy: string } | undefined {
  const [program = "", ...rest] = words;
  const name = program.replace(/^.*\//, "");
  const remedy = "Give the line to a shell: run_cmd(['/bin/sh', '-c', '…']), or do this in Python";
  if (builtins.test(program))
    return { text: `starts ${program}, a command of the shell and no program`, remedy };
  if (readers.test(name)) return undefined;
  const operator = rest.find((word) => /^(?:&&|\|\|?|>>?|<|2>>?|&>|2>&1|[12]?>\s*\/\S+)$/.test(word ?? ""));
  if (operator !== undefined)
    return { text: `hands ${operator} to ${name}: without a shell, it is a plain word`, remedy };
  const variable = rest.find((word) => /^\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)(?:\/\S*)?$/.test(word ?? ""));
  if (variable !== undefined)
    return {
      text: `hands ${variable} to ${name}: without a shell, the variable is not expanded`,
      remedy: "Use os.environ or the parameter's value",
    };
  const home = rest.find((word) => /^~\w*\//.test(word ?? ""));
  const pattern = files.test(name) ? rest.find((word) => /^\/\S*[*?]/.test(word ?? "")) : undefined;
  const unexpanded = home ?? pattern;
  return unexpanded === undefined
    ? undefined
    : {
        text: `hands ${unexpanded} to ${name}: without a shell, the pattern is not expanded`,
        remedy: home === undefined ? "Use glob.glob" : "Use os.path.expanduser",
      };
}

const builtins =
  /^(?:cd|source|\.|export|ulimit|umask|set|shopt|declare|local|read|alias|unset|eval|pushd|popd)$/;

// They give these words a meaning of their own, or take a program as a word.
const readers =
  /^(?:(?:ba|k|da|z|c|tc)?sh|su|sudo|runuser|ssh|eval|awk|gawk|sed|perl|python[\d.]*|grep|egrep|expr|test|\[|find|iptables|crontab|at|xargs|env|sqlplus|psql|mysql|tcpdump|printf)$/;

// They get paths, which a shell would have found.
const files = /^(?:ls|rm|cp|mv|chmod|chown|chgrp|cat|ln|touch|tar|gzip|gunzip|restorecon|chcon|rpm|yum|dnf)$/;
