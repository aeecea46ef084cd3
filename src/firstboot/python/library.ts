import { type Incompatible, isBefore, type PythonVersion } from "./features.ts";
import { libraryDifferences } from "./library-differences.ts";
import { boundNames } from "./names.ts";
import { lineOf, type Node, type PythonScript, part, parts } from "./script.ts";

interface Span {
  readonly since?: PythonVersion;
  /** The last version that has it. */
  readonly until?: PythonVersion;
}

// What came with 2.5 to 2.7, and what came or went between releases of 3, with the exact version. Source: "What's New in Python" and the
// version notes of the Library Reference. All other differences are in libraryDifferences.
const modules: Readonly<Record<string, Span>> = {
  ...all([2, 5], "hashlib uuid sqlite3 ctypes functools contextlib"),
  ...all([2, 6], "json multiprocessing io ast ssl fractions numbers future_builtins"),
  ...all([2, 7], "argparse importlib sysconfig"),
  ipaddress: { since: [3, 3] },
  pathlib: { since: [3, 4] },
  enum: { since: [3, 4] },
  typing: { since: [3, 5] },
  secrets: { since: [3, 6] },
  dataclasses: { since: [3, 7] },
};

const members: Readonly<Record<string, Span>> = {
  ...all(
    [2, 5],
    "subprocess.check_call subprocess.CalledProcessError collections.defaultdict functools.partial datetime.datetime.strptime",
  ),
  ...all([2, 5], "os.wait3 os.wait4 contextlib.contextmanager"),
  ...all(
    [2, 6],
    "collections.namedtuple collections.Callable itertools.product itertools.permutations itertools.combinations",
  ),
  ...all(
    [2, 6],
    "itertools.izip_longest itertools.chain.from_iterable os.path.relpath os.fchmod os.fchown os.closerange os.lchmod",
  ),
  ...all(
    [2, 6],
    "socket.create_connection shutil.ignore_patterns tempfile.SpooledTemporaryFile string.Formatter math.isnan math.isinf",
  ),
  ...all([2, 6], "sys.flags sys.getsizeof platform.linux_distribution math.factorial"),
  ...all(
    [2, 7],
    "subprocess.check_output collections.OrderedDict collections.Counter shutil.make_archive logging.NullHandler",
  ),
  ...all(
    [2, 7],
    "logging.captureWarnings functools.total_ordering functools.cmp_to_key itertools.compress os.initgroups",
  ),
  ...all([2, 7], "logging.config.dictConfig sys.version_info.major sys.version_info.minor"),
  "subprocess.run": { since: [3, 5] },
  "subprocess.DEVNULL": { since: [3, 3] },
  "shutil.which": { since: [3, 3] },
  "shlex.quote": { since: [3, 3] },
  "shlex.join": { since: [3, 8] },
  "tempfile.TemporaryDirectory": { since: [3, 2] },
  "math.prod": { since: [3, 8] },
  "asyncio.run": { since: [3, 7] },
};

const builtins: Readonly<Record<string, Span>> = {
  ...all([2, 5], "any all"),
  ...all([2, 6], "next bytes bytearray bin format"),
  memoryview: { since: [2, 7] },
  FileNotFoundError: { since: [3, 3] },
  PermissionError: { since: [3, 3] },
  FileExistsError: { since: [3, 3] },
  ModuleNotFoundError: { since: [3, 6] },
};

// Methods whose names occur nowhere else.
const methods: Readonly<Record<string, Span>> = {
  ...all([2, 5], "partition rpartition"),
  ...all([2, 6], "send_signal terminate extractall"),
  ...all([2, 7], "total_seconds bit_length"),
  ...all([3, 9], "removeprefix removesuffix"),
};

// Arguments by keyword.
const keywords: Readonly<Record<string, Readonly<Record<string, Span>>>> = {
  open: all([3, 0], "encoding errors newline closefd opener"),
  "os.makedirs": all([3, 2], "exist_ok"),
  "os.walk": all([2, 6], "followlinks"),
  "glob.glob": all([3, 5], "recursive"),
  "re.sub": all([2, 7], "flags"),
  "re.split": all([2, 7], "flags"),
  "shutil.copytree": { ...all([2, 6], "ignore"), ...all([3, 8], "dirs_exist_ok") },
  "tempfile.NamedTemporaryFile": { ...all([2, 6], "delete"), ...all([3, 0], "encoding newline") },
  "urllib2.urlopen": { ...all([2, 6], "timeout"), ...all([2, 7], "context") },
  "socket.create_connection": all([2, 7], "source_address"),
  "logging.basicConfig": {
    ...all([3, 3], "handlers"),
    ...all([3, 8], "force"),
    ...all([3, 9], "encoding errors"),
  },
  ...Object.fromEntries(
    "run Popen call check_call check_output".split(" ").map((name) => [
      `subprocess.${name}`,
      {
        ...(name !== "Popen" && all([3, 3], "timeout")),
        ...(name === "check_output" && all([3, 4], "input")),
        ...(name === "run" && all([3, 7], "capture_output")),
        ...all([3, 2], "start_new_session pass_fds restore_signals"),
        ...all([3, 6], "encoding errors"),
        ...all([3, 7], "text"),
        ...all([3, 9], "user group extra_groups umask"),
      },
    ]),
  ),
};

function all(since: PythonVersion, names: string): Record<string, Span> {
  return Object.fromEntries(names.split(" ").map((name) => [name, { since }]));
}

type Kind = keyof typeof libraryDifferences;

const exact: Readonly<Record<Kind, Readonly<Record<string, Span>>>> = { modules, members, builtins, methods };

const measured: Readonly<Record<Kind, ReadonlyMap<string, string>>> = {
  modules: wordsOf(libraryDifferences.modules),
  members: wordsOf(libraryDifferences.members),
  builtins: wordsOf(libraryDifferences.builtins),
  methods: wordsOf(libraryDifferences.methods),
};

// From each name to the word for its place, such as its module.
function wordsOf(names: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(
    Object.entries(names).flatMap(([word, list]) =>
      list
        .trim()
        .split(/\s+/)
        .map((name): [string, string] => [name, word]),
    ),
  );
}

/** Why a version of Python has no such name; `undefined` if it has, or if that is not known. */
function lack(kind: Kind, name: string, version: PythonVersion): string | undefined {
  const span = Object.hasOwn(exact[kind], name) ? exact[kind][name] : undefined;
  if (span?.since && isBefore(version, span.since)) return `needs Python ${span.since.join(".")}`;
  if (span?.until && isBefore(span.until, version)) return "was removed in Python 3";
  const word = measured[kind].get(name);
  if (span?.since && span.since[0] > 2) return undefined;
  const at = isBefore(version, [3, 0]) ? 0 : isBefore(version, [3, 7]) ? 1 : 2;
  if (word === undefined || word[at] === "y") return undefined;
  if (word === "ynn") return "was removed in Python 3";
  if (word === "nyy") return "needs Python 3";
  return `is not in Python ${version.join(".")}`;
}

/**
 * Parts of the library that a program uses and a version of Python lacks, by line. Uses in a `try`, in its
 * `except`, or under a condition count as handled.
 */
export function missingFromLibrary(script: PythonScript, version: PythonVersion): Incompatible[] {
  const { nodes } = script;
  const found: Incompatible[] = [];
  const bound = boundNames(script);
  const tell = (node: Node, what: string, why: string | undefined) => {
    if (why !== undefined && !isLookedAfter(node, script))
      found.push({ line: lineOf(node), text: `${what} ${why}` });
  };
  for (const node of nodes) {
    if (node.type === "import_statement")
      for (const one of parts(node)) {
        const name = part(one, "name")?.text ?? one.text;
        tell(node, `the module ${name}`, lack("modules", name, version));
      }
    if (node.type === "import_from_statement") {
      const [from, ...names] = parts(node);
      const whole = from?.text ?? "";
      const why = lack("modules", whole, version);
      tell(node, `the module ${whole}`, why);
      for (const one of why === undefined ? names : []) {
        const name = `${whole}.${part(one, "name")?.text ?? one.text}`;
        tell(node, name, lack("members", name, version) ?? lack("modules", name, version));
      }
    }
    if (node.type === "attribute") {
      tell(node, node.text, lack("members", node.text, version));
      const name = part(node, "attribute")?.text ?? "";
      const isMember =
        part(node, "object")?.type === "identifier" && lack("members", node.text, version) !== undefined;
      if (script.above(node)?.type === "call" && !isMember)
        tell(node, `.${name}()`, lack("methods", name, version));
    }
    if (node.type === "identifier" && isRead(node, script) && !bound.has(node.text))
      tell(node, node.text, lack("builtins", node.text, version));
    if (node.type === "call") {
      tellFormat(node, version, tell);
      tellKeywords(node, version, tell);
    }
  }
  return found;
}

type Tell = (node: Node, what: string, why: string | undefined) => void;

function tellKeywords(node: Node, version: PythonVersion, tell: Tell): void {
  const callee = part(node, "function")?.text ?? "";
  const known = Object.hasOwn(keywords, callee) ? keywords[callee] : undefined;
  if (known === undefined) return;
  for (const one of parts(part(node, "arguments") ?? node)) {
    const name = one.type === "keyword_argument" ? (part(one, "name")?.text ?? "") : "";
    const { since } = (Object.hasOwn(known, name) && known[name]) || {};
    if (since && isBefore(version, since))
      tell(one, `${callee}(${name}=)`, `needs Python ${since.join(".")}`);
  }
}

function tellFormat(node: Node, version: PythonVersion, tell: Tell): void {
  const callee = part(node, "function");
  if (callee?.type !== "attribute") return;
  const [text, name] = [part(callee, "object"), part(callee, "attribute")?.text];
  const [first] = parts(part(node, "arguments") ?? node);
  if ((name === "startswith" || name === "endswith") && first?.type === "tuple" && isBefore(version, [2, 5]))
    tell(node, `.${name}() with several texts`, "needs Python 2.5");
  if (name !== "format" || (text?.type !== "string" && text?.type !== "concatenated_string")) return;
  if (isBefore(version, [2, 6])) tell(node, ".format()", "needs Python 2.6");
  else if (isBefore(version, [2, 7]) && /\{[:!}]/.test(text.text.replaceAll("{{", "")))
    tell(node, "{} without a number in .format()", "needs Python 2.7");
}

function isRead(node: Node, script: PythonScript): boolean {
  const above = script.above(node);
  if (!above || above.type === "dotted_name" || above.type === "aliased_import") return false;
  if (above.type === "attribute") return part(above, "object")?.equals(node) ?? false;
  return above.type !== "keyword_argument" || (part(above, "value")?.equals(node) ?? false);
}

function isLookedAfter(node: Node, script: PythonScript): boolean {
  for (let above = script.above(node); above !== undefined; above = script.above(above)) {
    if (above.type === "try_statement") return true;
    const asks = above.type === "if_statement" || above.type === "conditional_expression";
    if (asks && /version|PY[23]|hasattr/.test(part(above, "condition")?.text ?? above.text)) return true;
  }
  return false;
}
