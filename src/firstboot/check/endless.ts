/** Why a program never ends by itself; `undefined` if it does, or if that is not known. `rest` are its arguments. */
export function endlessOf(name: string, rest: readonly string[]): string | undefined {
  return programs.find(([names, isEndless]) => names.test(name) && isEndless(rest))?.[2];
}

type Endless = readonly [names: RegExp, isEndless: (rest: readonly string[]) => boolean, why: string];

const has = (option: RegExp) => (rest: readonly string[]) => rest.some((word) => option.test(word));
const lacks = (option: RegExp) => (rest: readonly string[]) => !rest.some((word) => option.test(word));
const numbers = (rest: readonly string[]) => rest.filter((word) => /^\d+$/.test(word)).length;

// From the manual pages of the programs in EL5 to EL9.
const programs: readonly Endless[] = [
  [
    /^python[\d.]*$/,
    has(/^(?:SimpleHTTPServer|http\.server|CGIHTTPServer|smtpd)$/),
    "serves until it is killed",
  ],
  [
    /^(?:nc|ncat|netcat)$/,
    (rest) => has(/^-[a-z]*l/)(rest) && lacks(/^-[a-z]*w/)(rest),
    "waits until somebody connects",
  ],
  [/^ping6?$/, lacks(/^-[a-zA-Z]*[cwhV]/), "sends until it is killed; add -c COUNT"],
  [/^journalctl$/, has(/^-[a-z]*f|^--follow$/), "follows the journal"],
  [/^dmesg$/, has(/^-[a-z]*w|^--follow/), "follows the kernel's log"],
  [/^watch$/, lacks(/^-[a-z]*[vh]$|^--(?:version|help)$/), "repeats its command until it is killed"],
  [/^top$/, lacks(/^-[a-z]*[nhv]/), "repeats its output until it is killed; add -b -n 1"],
  [
    /^(?:vmstat|iostat|mpstat)$/,
    (rest) => numbers(rest) === 1,
    "repeats its output until it is killed; add a count",
  ],
  [/^(?:httpd|apache2)$/, has(/^-?DFOREGROUND$|^FOREGROUND$|^-X$/), "serves in the foreground"],
  [/^nginx$/, has(/daemon\s+off/), "serves in the foreground"],
  [/^sshd$/, has(/^-[Dd]e?$/), "serves in the foreground"],
  [/^(?:crond|rsyslogd|chronyd)$/, has(/^-n$/), "serves in the foreground"],
  [/^tcpdump$/, lacks(/^-[a-zA-Z]*[cDdhrW]/), "records until it is killed; add -c COUNT"],
  [
    /^inotifywait$/,
    (rest) => has(/^-[a-z]*m$|^--monitor$/)(rest) && lacks(/^-t|^--timeout/)(rest),
    "waits for changes for ever",
  ],
  [/^(?:udevadm|ip|nmcli)$/, has(/^monitor$/), "follows events"],
  [/^yes$/, () => true, "prints until it is killed"],
];
