import { assign } from "./assign.ts";
import { attributeOf, instance } from "./classes.ts";
import { type Frame, type Interpreter, Leave } from "./frame.ts";
import { readNumber, readString } from "./literal.ts";
import { builtins, callMethod, itemsOf, notModelled } from "./methods.ts";
import { compare, operate } from "./operate.ts";
import { lineOf, type Node, part, parts } from "./script.ts";
import {
  allParametersIn,
  Dumped,
  FromEnvironment,
  firstUnknown,
  Given,
  isUnknown,
  Parameters,
  PythonClass,
  PythonDict,
  PythonFunction,
  PythonModule,
  PythonObject,
  pythonText,
  truth,
  Unending,
  Unknown,
  type Value,
  withoutValue,
} from "./value.ts";

type Reader = (node: Node, frame: Frame, of: Interpreter) => Value;

/** How to read each kind of expression, by its type in the grammar. */
export const expressions: Readonly<Record<string, Reader>> = {
  string: readText,
  concatenated_string: (node, frame, of) => {
    const words = parts(node).map((one) => of.evaluate(one, frame));
    return words.every((word) => typeof word === "string")
      ? words.join("")
      : new Unknown("computes a text", lineOf(node));
  },
  integer: number,
  float: number,
  true: () => true,
  false: () => false,
  none: () => null,
  identifier: (node, frame) => named(node.text, frame, lineOf(node)),
  parenthesized_expression: (node, frame, of) => inner(node, frame, of),
  list: items,
  tuple: items,
  set: items,
  expression_list: items,
  dictionary: (node, frame, of) => {
    const dict = new PythonDict();
    for (const pair of parts(node)) {
      const [key, value] = [part(pair, "key"), part(pair, "value")];
      if (pair.type !== "pair" || !key || !value) return new Unknown("a dict with ** in it", lineOf(node));
      const name = of.evaluate(key, frame);
      if (typeof name !== "string" && typeof name !== "number")
        return new Unknown("a dict with a key that is computed at run time", lineOf(key));
      dict.set(String(name), of.evaluate(value, frame));
    }
    return dict;
  },
  list_comprehension: (node, frame, of) => comprehension(node, frame, of),
  set_comprehension: (node, frame, of) => comprehension(node, frame, of),
  generator_expression: (node, frame, of) => comprehension(node, frame, of),
  dictionary_comprehension: (node, frame, of) => {
    const pairs = comprehension(node, frame, of);
    if (!Array.isArray(pairs)) return pairs;
    return new PythonDict(pairs.map((pair) => pair as [string, Value]));
  },
  pair: (node, frame, of) => {
    const [key, value] = [part(node, "key"), part(node, "value")];
    return [key ? of.evaluate(key, frame) : null, value ? of.evaluate(value, frame) : null];
  },
  binary_operator: (node, frame, of) => {
    const [left, right] = sides(node, frame, of);
    const unknown = isUnknown(left) || isUnknown(right) ? firstUnknown([left, right]) : undefined;
    if (unknown) return unknown;
    const operator = part(node, "operator")?.text ?? "";
    return (
      operate(operator, left, right) ??
      firstUnknown(right) ??
      allParametersIn([left, right]) ??
      new Unknown(`computes with ${operator}`, lineOf(node))
    );
  },
  unary_operator: (node, frame, of) => {
    const value = of.evaluate(part(node, "argument") ?? node, frame);
    const operator = part(node, "operator")?.text;
    return typeof value === "number" && (operator === "-" || operator === "+")
      ? operator === "-"
        ? -value
        : value
      : new Unknown("computes", lineOf(node));
  },
  not_operator: (node, frame, of) => {
    const value = of.evaluate(part(node, "argument") ?? node, frame);
    const known = truth(value);
    return known === undefined ? withoutValue(value as Unknown) : !known;
  },
  boolean_operator: (node, frame, of) => {
    const left = of.evaluate(part(node, "left") ?? node, frame);
    const known = truth(left);
    if (known === undefined) {
      if (!of.explores()) return left;
      const right = of.evaluate(part(node, "right") ?? node, frame);
      const isAnd = part(node, "operator")?.text === "and";
      // What `and` gives of the left is empty, or False.
      if (isAnd) return isUnknown(right) ? right : withoutValue(left as Unknown);
      return firstUnknown([left, right]) ?? left;
    }
    const goesOn = part(node, "operator")?.text === "and" ? known : !known;
    return goesOn ? of.evaluate(part(node, "right") ?? node, frame) : left;
  },
  comparison_operator: (node, frame, of) => {
    const operands = parts(node).map((one) => of.evaluate(one, frame));
    const operators = node.children.flatMap((child) => (child && !child.isNamed ? [child.text] : []));
    if (operands.length !== 2) return new Unknown("a chain of comparisons", lineOf(node));
    const unknown = operands.find(isUnknown);
    if (unknown) return withoutValue(unknown);
    const [left = null, right = null] = operands;
    return compare(operators.join(" "), left, right) ?? new Unknown("compares", lineOf(node));
  },
  conditional_expression: (node, frame, of) => {
    const [yes, condition, no] = parts(node);
    if (!yes || !condition || !no) return new Unknown("a condition", lineOf(node));
    const value = of.evaluate(condition, frame);
    const known = truth(value);
    if (known !== undefined) return of.evaluate(known ? yes : no, frame);
    if (!of.explores()) return value;
    const either = [of.evaluate(yes, frame), of.evaluate(no, frame)];
    return firstUnknown(either) ?? withoutValue(value as Unknown);
  },
  subscript: (node, frame, of) => {
    const [value, at] = parts(node).map((one) => of.evaluate(one, frame));
    if (isUnknown(value)) return value;
    if (value instanceof Dumped && typeof at === "string") unparsed(node, of);
    if (isEnvironment(value) && typeof at === "string") return new FromEnvironment(at, lineOf(node));
    if (value instanceof PythonDict && typeof at === "string" && value.has(at)) return value.get(at) as Value;
    if ((Array.isArray(value) || typeof value === "string") && typeof at === "number")
      return value.at(at) ?? new Unknown("an index that does not exist", lineOf(node));
    return new Unknown(`reads ${node.text.slice(0, 40)}`, lineOf(node));
  },
  attribute: (node, frame, of) => {
    const value = of.evaluate(part(node, "object") ?? node, frame);
    if (value instanceof PythonModule)
      return new PythonModule(`${value.name}.${part(node, "attribute")?.text}`);
    if (value instanceof PythonObject || value instanceof PythonClass) return attributeOf(value, node, of);
    return isUnknown(value) ? value : new Unknown(`reads ${node.text.slice(0, 40)}`, lineOf(node));
  },
  call,
  lambda: (node) => new PythonFunction("lambda", node),
  named_expression: (node, frame, of) => {
    const [name, value] = parts(node);
    const found = value ? of.evaluate(value, frame) : null;
    if (name) assign(name, found, frame, of);
    return found;
  },
};

function isEnvironment(value: Value | undefined): boolean {
  return value instanceof PythonModule && value.name === "os.environ";
}

function readText(node: Node, frame: Frame, of: Interpreter): Value {
  const holes = parts(node).filter(({ type }) => type === "interpolation");
  if (holes.length === 0)
    return readString(node.text) ?? new Unknown("a text in an unknown form", lineOf(node));
  let text = "";
  const unknown: Unknown[] = [];
  for (const piece of parts(node)) {
    if (piece.type === "string_content") text += piece.text.replaceAll(/\{\{|\}\}/g, (pair) => pair[0] ?? "");
    if (piece.type !== "interpolation") continue;
    const inside = part(piece, "expression");
    const value = inside && parts(piece).length === 1 ? of.evaluate(inside, frame) : undefined;
    const plain = value === undefined ? undefined : pythonText(value);
    if (plain === undefined)
      unknown.push(
        firstUnknown(value) ?? new Unknown(`puts ${piece.text.slice(0, 40)} into a text`, lineOf(piece)),
      );
    text += plain ?? "";
  }
  return firstUnknown(unknown) ?? text;
}

function number(node: Node): Value {
  return readNumber(node.text) ?? new Unknown("a number in an unknown form", lineOf(node));
}

function named(name: string, frame: Frame, line: number): Value {
  if (name === "True" || name === "False") return name === "True";
  if (name === "None") return null;
  return (
    frame.get(name) ??
    (Object.hasOwn(builtins, name) ? new PythonModule(name) : new Unknown(`reads ${name}`, line))
  );
}

function inner(node: Node, frame: Frame, of: Interpreter): Value {
  const [only] = parts(node);
  return only ? of.evaluate(only, frame) : new Unknown("nothing in parentheses", lineOf(node));
}

function items(node: Node, frame: Frame, of: Interpreter): Value {
  const found: Value[] = [];
  for (const one of parts(node)) {
    if (one.type !== "list_splat") found.push(of.evaluate(one, frame));
    else {
      const more = itemsOf(inner(one, frame, of));
      if (!more) return new Unknown("a list with * in it", lineOf(one));
      found.push(...more);
    }
  }
  return found;
}

function sides(node: Node, frame: Frame, of: Interpreter): [Value, Value] {
  return [of.evaluate(part(node, "left") ?? node, frame), of.evaluate(part(node, "right") ?? node, frame)];
}

function comprehension(node: Node, frame: Frame, of: Interpreter): Value {
  const body = part(node, "body");
  const clauses = parts(node).filter(({ type }) => type === "for_in_clause" || type === "if_clause");
  if (!body) return new Unknown("a comprehension", lineOf(node));
  const found: Value[] = [];
  let unknown: Unknown | undefined;
  const from = (at: number) => {
    const clause = clauses[at];
    of.step(node);
    if (unknown) return;
    if (!clause) {
      found.push(of.evaluate(body, frame));
      return;
    }
    if (clause.type === "if_clause") {
      const value = inner(clause, frame, of);
      const known = truth(value);
      if (known === undefined) unknown = value as Unknown;
      else if (known) from(at + 1);
      return;
    }
    const [left, right] = [part(clause, "left"), part(clause, "right")];
    const value = right ? of.evaluate(right, frame) : null;
    const list = itemsOf(value);
    if (!left || !list) {
      unknown = isUnknown(value)
        ? value
        : new Unknown("loops over a value that is computed at run time", lineOf(clause));
      return;
    }
    for (const one of list) {
      assign(left, one, frame, of);
      from(at + 1);
    }
  };
  from(0);
  return unknown ?? found;
}

const leaving = /^(?:sys\.exit|os\._exit|exit|quit)$/;

// Functions of the library whose result contains the text that they get.
const passing =
  /^(?:shlex\.(?:split|quote|join)|pipes\.quote|base64\.\w+|binascii\.\w+|urllib\.(?:parse\.)?(?:un)?quote\w*|string\.(?:Template|replace|strip|join)|re\.(?:sub|escape)|os\.path\.\w*join|str|unicode|repr|bytes)$/;

function call(node: Node, frame: Frame, of: Interpreter): Value {
  const [callee, list] = [part(node, "function"), part(node, "arguments")];
  const shown = `${callee?.text.slice(0, 40) ?? ""}()`;
  const positional: Value[] = [];
  const byName = new Map<string, Value>();
  // `f(x for x in y)` has no list of arguments.
  const given = list?.type === "generator_expression" ? [list] : list ? parts(list) : [];
  for (const argument of given) {
    if (argument.type === "list_splat" || argument.type === "dictionary_splat")
      return notModelled(`${shown} with * or **`, lineOf(node));
    const [name, value] = [part(argument, "name"), part(argument, "value")];
    if (argument.type === "keyword_argument" && name && value)
      byName.set(name.text, of.evaluate(value, frame));
    else positional.push(of.evaluate(argument, frame));
  }
  if (callee?.type === "attribute") {
    const owner = of.evaluate(part(callee, "object") ?? callee, frame);
    const isOwn = owner instanceof PythonObject || owner instanceof PythonClass;
    if (!isOwn && !(owner instanceof PythonModule)) {
      const method = part(callee, "attribute")?.text ?? "";
      if (owner instanceof Dumped && dictMethods.test(method)) unparsed(node, of);
      if (isUnknown(owner)) of.heard({ name: `.${method}`, positional, named: byName, node });
      if (isUnknown(owner)) return filledIn(method, [...positional, ...byName.values()]) ?? owner;
      const unknown = firstUnknown([...positional, ...byName.values()]);
      const value = callMethod(method, owner, positional, byName);
      if (value !== undefined) return value;
      // The call may have changed the list or dict that the method belongs to.
      becomesUnsure(owner, notModelled(shown, lineOf(node)), of);
      return (typeof owner === "string" ? unknown : undefined) ?? notModelled(shown, lineOf(node));
    }
  }
  const target = callee ? of.evaluate(callee, frame) : null;
  if (target instanceof PythonClass) return instance(of, target, positional, byName);
  // A builtin that is not modelled is reported by its name.
  if (callee?.type === "identifier" && frame.get(callee.text) === undefined && isUnknown(target))
    of.heard({ name: callee.text, positional, named: byName, node });
  if (target instanceof PythonFunction) return of.call(target, positional, byName);
  if (!(target instanceof PythonModule))
    return isUnknown(target) && callee?.type !== "identifier" ? target : notModelled(shown, lineOf(node));
  of.heard({ name: target.name, positional, named: byName, node });
  if (leaving.test(target.name)) throw new Leave("raise");
  if (/^itertools\.(?:count|cycle)$/.test(target.name)) return new Unending(`calls ${shown}`, lineOf(node));
  if (/^os\.(?:environ\.get|getenv)$/.test(target.name) && typeof positional[0] === "string")
    return new FromEnvironment(positional[0], lineOf(node));
  if (passing.test(target.name)) {
    const secret = firstUnknown([...positional, ...byName.values()]);
    if (secret instanceof Given) return secret;
  }
  if (/(?:^|\.)(?:simple)?json\.dumps$/.test(target.name)) return new Dumped(positional[0] ?? null);
  if (/(?:^|\.)(?:simple)?json\.loads$/.test(target.name) && positional[0] instanceof Dumped)
    return positional[0].value;
  if (/(?:^|\.)copy\.(?:deep)?copy$/.test(target.name)) return copied(positional[0] ?? null);
  if (/(?:^|\.)OrderedDict$/.test(target.name))
    return builtins.dict?.(positional, byName) ?? notModelled(shown, lineOf(node));
  const builtin = Object.hasOwn(builtins, target.name) ? builtins[target.name] : undefined;
  const unknown = builtin && firstUnknown(positional);
  const value = builtin?.(positional, byName);
  if (value !== undefined) return value;
  // An unknown function may change the lists and dicts that it receives. The system's own functions do not.
  if (builtin === undefined && !/^(?:subprocess|os|templateconfig|sys|print)\b/.test(target.name))
    for (const one of positional) becomesUnsure(one, notModelled(shown, lineOf(node)), of);
  if (unknown && telling.test(target.name)) return withoutValue(unknown);
  return unknown ?? notModelled(shown, lineOf(node));
}

// Builtins whose result does not contain the value that they get.
const telling = /^(?:bool|len|isinstance|type|hash|id)$/;

const dictMethods = /^(?:get|items|keys|values|iteritems|iterkeys|itervalues|has_key|pop|update|setdefault)$/;

// JSON text has none of a dict's methods and keys.
function unparsed(node: Node, of: Interpreter): void {
  const what = node.text.split("\n", 1)[0]?.slice(0, 60);
  of.unsure(`uses JSON text as if it were parsed: ${what}`, lineOf(node), "unparsed");
}

// The text that string.Template makes contains the values that it gets.
function filledIn(method: string, values: readonly Value[]): Given | undefined {
  const found = /^(?:safe_)?substitute$/.test(method) ? firstUnknown([...values]) : undefined;
  return found instanceof Given ? found : undefined;
}

/** Marks a list as possibly changed; for a dict, reports it. */
export function becomesUnsure(value: Value, why: Unknown, of: Interpreter): void {
  if (Array.isArray(value)) value.push(why);
  else if (value instanceof PythonDict && !(value instanceof Parameters)) of.unsure(why.reason, why.line);
}

function copied(value: Value): Value {
  if (Array.isArray(value)) return value.map(copied);
  if (value instanceof PythonDict)
    return new PythonDict([...value].map(([key, one]): [string, Value] => [key, copied(one)]));
  return value;
}
