import { Frame, type Interpreter } from "./frame.ts";
import { lineOf, type Node, part, parts } from "./script.ts";
import { type Binding, PythonClass, PythonFunction, PythonObject, Unknown, type Value } from "./value.ts";

/** The class that a definition makes. Its body runs where it stands, and its names become the members. */
export function classOf(node: Node, frame: Frame, of: Interpreter): PythonClass {
  const name = part(node, "name")?.text ?? "";
  const inside = new Frame(frame);
  const bindings = new Map<string, Binding>();
  const body = part(node, "body");
  for (const statement of body ? parts(body) : []) {
    const definition = statement.type === "decorated_definition" ? part(statement, "definition") : undefined;
    const binding = bindingOf(statement);
    const method = definition && part(definition, "name")?.text;
    if (definition && binding && method !== undefined) {
      inside.set(method, new PythonFunction(method, definition));
      bindings.set(method, binding);
    }
  }
  const decorated = new Map(inside.own());
  if (body) of.run(body, inside);
  for (const [method, value] of decorated) inside.set(method, value);
  const list = part(node, "superclasses");
  const bases = list ? parts(list).map((one) => of.evaluate(one, frame)) : [];
  return new PythonClass(
    name,
    inside.own(),
    bindings,
    bases.filter((one) => one instanceof PythonClass),
  );
}

// Of other decorators it is not known what they make of a function.
function bindingOf(statement: Node): Binding | undefined {
  const decorators = parts(statement).filter(({ type }) => type === "decorator");
  const name = decorators.length === 1 ? decorators[0]?.text.slice(1).trim() : undefined;
  if (name === "staticmethod") return "none";
  if (name === "classmethod") return "class";
  return name === "property" ? "property" : undefined;
}

/** A new object: its class is called. */
export function instance(
  of: Interpreter,
  made: PythonClass,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
): PythonObject {
  const object = new PythonObject(made);
  const start = made.find("__init__")?.value;
  if (start instanceof PythonFunction)
    of.call(new PythonFunction(start.name, start.node, object), positional, named);
  return object;
}

/** The attribute of an object or a class, read at `node`. */
export function attributeOf(owner: PythonObject | PythonClass, node: Node, of: Interpreter): Value {
  const name = part(node, "attribute")?.text ?? "";
  const isObject = owner instanceof PythonObject;
  const own = isObject ? owner.attributes.get(name) : undefined;
  if (own !== undefined) return own;
  const found = (isObject ? owner.of : owner).find(name);
  if (!found) return new Unknown(`reads ${node.text.slice(0, 40)}`, lineOf(node));
  const { value, binding } = found;
  if (!(value instanceof PythonFunction) || binding === "none") return value;
  if (binding === "class") return new PythonFunction(value.name, value.node, isObject ? owner.of : owner);
  if (!isObject) return value;
  const method = new PythonFunction(value.name, value.node, owner);
  return binding === "property" ? of.call(method, [], new Map()) : method;
}
