/** How to run a program so that it asks no questions; `undefined` if it asks none. `rest`: its arguments. */
export function questionOf(name: string, rest: readonly string[]): string | undefined {
  const one = questions.find(([names]) => names.test(name));
  return one?.[1](rest, new Arguments(rest)) ? one[2] : undefined;
}

/** Whether a program reads its standard input, because its arguments name nothing else. */
export function readsInput(name: string, rest: readonly string[]): boolean {
  const words = rest.filter((word) => word === "-" || !word.startsWith("-"));
  if (name === "cat") return words.every((word) => word === "-") && !rest.some((word) => /^--./.test(word));
  if (name === "read") return !rest.some((word) => /^-\w*[ut]/.test(word));
  if (name === "xargs") return !rest.some((word) => /^-\w*a|^--(?:arg-file|help|version)/.test(word));
  return /^(?:tr|tee)$/.test(name) && words.length > 0;
}

/** The arguments in front of `--`. */
class Arguments {
  readonly #all: readonly string[];
  constructor(all: readonly string[]) {
    const end = all.indexOf("--");
    this.#all = end < 0 ? all : all.slice(0, end);
  }
  /** Whether an option matches. */
  has(option: RegExp): boolean {
    return this.#all.some((word) => word.startsWith("-") && option.test(word));
  }
  /** The first word that is not an option. */
  get verb(): string {
    return this.#all.find((word) => !word.startsWith("-")) ?? "";
  }
}

type Question = readonly [
  names: RegExp,
  asks: (rest: readonly string[], given: Arguments) => boolean,
  remedy: string,
];

const always = () => true;

// From the manual pages of the programs in EL5 to EL9.
const questions: readonly Question[] = [
  [
    /^(?:yum|dnf)$/,
    (_, given) =>
      /^(?:group|local|re)?(?:install|update|upgrade|remove|erase|downgrade)$/.test(given.verb) &&
      !given.has(/^-\w*y|^--assume/),
    "Add -y",
  ],
  [
    /^(?:vi|vim|nano|emacs|visudo|vipw|vigr)$/,
    (_, given) => !given.has(/^-[ces]/),
    "Change the file by sed or by a program",
  ],
  [/^ssh-keygen$/, (_, given) => !given.has(/^-\w*[ABeFHilLNpQRsyY]/), "Add -N '' and -f FILE"],
  [/^read$/, (_, given) => given.has(/^-\w*p/) && !given.has(/^-\w*[ut]/), "Take the value from a parameter"],
  [/^select$/, always, "Take the choice from a parameter"],
  [
    /^passwd$/,
    (rest) => rest.every((word) => !word.startsWith("-")),
    "Use chpasswd, with user:password on its standard input",
  ],
  [
    /^(?:chage|chfn|chsh)$/,
    (rest) => rest.every((word) => !word.startsWith("-")),
    "Add the options that set its values",
  ],
  [
    /^mysql(?:admin|dump|check|import)?$/,
    (_, given) => given.has(/^(?:-p|--password)$/),
    "Use --defaults-extra-file=FILE, with the password in a file that only root can read",
  ],
  [/^mysql_secure_installation$/, always, "Send its SQL statements by mysql"],
  [
    /^(?:psql|createdb|createuser|pg_dump)$/,
    (_, given) => given.has(/^(?:-W|--password)$/),
    "Leave it out; use ~/.pgpass",
  ],
  [
    /^(?:sqlplus|rman|expdp|impdp)$/,
    (rest, given) =>
      given.verb !== "" &&
      !/[/@]/.test(given.verb) &&
      !rest.some(
        (word) =>
          /^(?:\/|\/nolog|\S*\/\S*|target|userid=\S+|cmdfile\S*|parfile\S*)$/i.test(word) &&
          !word.startsWith("@"),
      ),
    'Log in as "/ as sysdba", or with /nolog and connect from a file',
  ],
  [
    /^(?:rm|mv|cp|ln)$/,
    (_, given) => given.has(/^-[a-zA-Z]*[iI]|^--interactive(?:=always)?$/),
    "Leave -i out",
  ],
  [/^crontab$/, (_, given) => given.has(/^-\w*e/), "Write a file below /etc/cron.d"],
  [
    /^(?:fdisk|gdisk|cfdisk|cgdisk)$/,
    (_, given) => given.verb !== "" && !given.has(/^-\w*[lsV]/),
    "Use sfdisk or parted -s",
  ],
  [
    /^openssl$/,
    (rest, given) =>
      (given.verb === "req" && given.has(/^-(?:new|x509)$/) && !given.has(/^-(?:subj|config|batch|in)$/)) ||
      (given.verb === "genrsa" &&
        given.has(/^-(?:des3?|aes\d+|camellia\d+|idea)$/) &&
        !given.has(/^-passout$/)) ||
      (given.verb === "passwd" &&
        !given.has(/^-(?:stdin|in)$/) &&
        rest.slice(1).every((word) => word.startsWith("-"))),
    "Add -subj or -config for a request, -passout for a key, -stdin for a password",
  ],
  [
    /^oracleasm$/,
    (_, given) => given.verb === "configure" && given.has(/^-\w*i/),
    "Use oracleasm configure -u USER -g GROUP -e",
  ],
  [
    /^oracleasm-init$/,
    (rest) => rest[0] === "configure" && rest.length === 1,
    "Use oracleasm configure -u USER -g GROUP -e",
  ],
  [/^kinit$/, (_, given) => !given.has(/^-\w*[kRVn]/), "Use a key table: kinit -k"],
  [/^lvremove$/, (_, given) => !given.has(/^-\w*[fyt]|^--(?:force|yes|test)/), "Add -f"],
  [
    /^(?:dialog|whiptail|zenity|ntsysv|authconfig-tui|system-config-\S*-tui|nmtui\S*)$/,
    always,
    "Take the answer from a parameter",
  ],
  [
    /^smbpasswd$/,
    (_, given) => !given.has(/^-\w*[snxde]/),
    "Add -s, with the password twice on its standard input",
  ],
  [/^htpasswd$/, (_, given) => !given.has(/^-\w*[biD]/), "Add -i, with the password on its standard input"],
  [
    /^cryptsetup$/,
    (rest, given) =>
      /^luks(?:Format|Open|AddKey)$|^open$/.test(given.verb) &&
      !given.has(/^-\w*d|^--key-file/) &&
      rest.filter((word) => !word.startsWith("-")).length < 3,
    "Add -q and --key-file",
  ],
  [
    /^gpg2?$/,
    (_, given) => given.has(/^--(?:full-)?gen(?:erate)?-key$/) && !given.has(/^--batch$/),
    "Add --batch, with a file of parameters",
  ],
  [
    /^(?:runInstaller|dbca|netca|dbua|asmca|emca)$/,
    (rest, given) =>
      !given.has(/^-(?:silent|executePrereqs|help|h)$/) && !rest.some((word) => /^[-/]silent$/.test(word)),
    "Add -silent, with a response file",
  ],
];
