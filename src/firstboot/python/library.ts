import { type Incompatible, isBefore, type PythonVersion } from "./features.ts";
import { lineOf, type Node, type PythonScript, part, parts } from "./script.ts";

interface Span {
  readonly since?: PythonVersion;
  /** The last version that has it. */
  readonly until?: PythonVersion;
}

const two: Span = { until: [2, 7] };
const three: Span = { since: [3, 0] };

// Source: "What's New in Python" and the version notes of the Library Reference; for removals in 3, PEP 3108 and PEP
// 3100.
const modules: Readonly<Record<string, Span>> = {
  json: { since: [2, 6] },
  hashlib: { since: [2, 5] },
  uuid: { since: [2, 5] },
  sqlite3: { since: [2, 5] },
  ctypes: { since: [2, 5] },
  functools: { since: [2, 5] },
  multiprocessing: { since: [2, 6] },
  io: { since: [2, 6] },
  argparse: { since: [2, 7] },
  importlib: { since: [2, 7] },
  configparser: three,
  "urllib.request": three,
  "urllib.parse": three,
  "urllib.error": three,
  "http.client": three,
  queue: three,
  ipaddress: { since: [3, 3] },
  pathlib: { since: [3, 4] },
  enum: { since: [3, 4] },
  typing: { since: [3, 5] },
  secrets: { since: [3, 6] },
  dataclasses: { since: [3, 7] },
  ConfigParser: two,
  urllib2: two,
  urlparse: two,
  httplib: two,
  commands: two,
  StringIO: two,
  cStringIO: two,
  cPickle: two,
  Queue: two,
  __builtin__: two,
  exceptions: two,
  md5: two,
  sha: two,
  sets: two,
  popen2: two,
};

const members: Readonly<Record<string, Span>> = {
  "subprocess.check_call": { since: [2, 5] },
  "subprocess.check_output": { since: [2, 7] },
  "subprocess.run": { since: [3, 5] },
  "subprocess.DEVNULL": { since: [3, 3] },
  "collections.OrderedDict": { since: [2, 7] },
  "collections.namedtuple": { since: [2, 6] },
  "collections.Counter": { since: [2, 7] },
  "shutil.which": { since: [3, 3] },
  "shlex.quote": { since: [3, 3] },
  "string.maketrans": two,
  "string.join": two,
  "string.lower": two,
  "string.upper": two,
  "os.getcwdu": two,
  "os.popen2": two,
  "os.popen3": two,
  "itertools.izip": two,
  "itertools.imap": two,
};

const builtins: Readonly<Record<string, Span>> = {
  any: { since: [2, 5] },
  all: { since: [2, 5] },
  next: { since: [2, 6] },
  bytes: { since: [2, 6] },
  bytearray: { since: [2, 6] },
  bin: { since: [2, 6] },
  format: { since: [2, 6] },
  memoryview: { since: [2, 7] },
  FileNotFoundError: { since: [3, 3] },
  PermissionError: { since: [3, 3] },
  FileExistsError: { since: [3, 3] },
  ModuleNotFoundError: { since: [3, 6] },
  unicode: two,
  basestring: two,
  xrange: two,
  raw_input: two,
  long: two,
  reduce: two,
  execfile: two,
  cmp: two,
  unichr: two,
  apply: two,
  reload: two,
  StandardError: two,
};

// Methods whose names occur nowhere else.
const methods: Readonly<Record<string, Span>> = {
  iteritems: two,
  itervalues: two,
  iterkeys: two,
  has_key: two,
};

/**
 * What a program uses that a version of Python lacks, by line. Uses in a `try`, in its `except`, or under a condition
 * are taken to be handled.
 */
export function missingFromLibrary(script: PythonScript, version: PythonVersion): Incompatible[] {
  const { nodes } = script;
  const found: Incompatible[] = [];
  const own = boundNames(nodes);
  const tell = (node: Node, what: string, span: Span | undefined) => {
    if (span === undefined || isLookedAfter(node, script)) return;
    if (span.since && isBefore(version, span.since))
      found.push({ line: lineOf(node), text: `${what} needs Python ${span.since.join(".")}` });
    if (span.until && isBefore(span.until, version))
      found.push({ line: lineOf(node), text: `${what} is gone since Python 3` });
  };
  for (const node of nodes) {
    if (node.type === "import_statement")
      for (const one of parts(node)) {
        const name = part(one, "name")?.text ?? one.text;
        tell(node, `the module ${name}`, own(modules, name));
      }
    if (node.type === "import_from_statement") {
      const [from, ...names] = parts(node);
      tell(node, `the module ${from?.text}`, own(modules, from?.text ?? ""));
      for (const one of names) {
        const name = `${from?.text}.${part(one, "name")?.text ?? one.text}`;
        tell(node, name, own(members, name));
      }
    }
    if (node.type === "attribute") {
      tell(node, node.text, own(members, node.text));
      const name = part(node, "attribute")?.text ?? "";
      if (script.above(node)?.type === "call") tell(node, `.${name}()`, own(methods, name));
    }
    if (node.type === "identifier" && isRead(node, script) && !own.bound.has(node.text))
      tell(node, node.text, own(builtins, node.text));
    if (node.type === "call") tellFormat(node, version, tell);
  }
  return found;
}

function tellFormat(
  node: Node,
  version: PythonVersion,
  tell: (node: Node, what: string, span: Span) => void,
): void {
  const callee = part(node, "function");
  if (callee?.type !== "attribute" || part(callee, "attribute")?.text !== "format") return;
  const text = part(callee, "object");
  if (text?.type !== "string" && text?.type !== "concatenated_string") return;
  if (isBefore(version, [2, 6])) tell(node, ".format()", { since: [2, 6] });
  else if (/\{[:!}]/.test(text.text.replaceAll("{{", "")))
    tell(node, "{} without a number in .format()", { since: [2, 7] });
}

function boundNames(nodes: readonly Node[]) {
  const bound = new Set<string>();
  for (const node of nodes) {
    const name = part(node, "name");
    if ((node.type === "function_definition" || node.type === "class_definition") && name)
      bound.add(name.text);
    const left = node.type === "assignment" ? part(node, "left") : undefined;
    if (left?.type === "identifier") bound.add(left.text);
    if (/parameters$/.test(node.type))
      for (const one of parts(node)) bound.add(part(one, "name")?.text ?? one.text);
    if (node.type === "aliased_import") bound.add(part(node, "alias")?.text ?? "");
  }
  const own = (table: Readonly<Record<string, Span>>, name: string) =>
    Object.hasOwn(table, name) ? table[name] : undefined;
  return Object.assign(own, { bound });
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
