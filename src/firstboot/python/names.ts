import { lineOf, type Node, type PythonScript, part, parts } from "./script.ts";

/** A name that a program reads and that nothing in it binds. */
export interface LooseName {
  readonly name: string;
  readonly line: number;
}

/**
 * The names that are read but bound in no scope of the program, and are not a builtin of any Python. A program that
 * imports `*` from a module that is not Oracle's has none, because that may bind any name.
 */
export function looseNames(script: PythonScript): LooseName[] {
  const { nodes } = script;
  const bound = new Set([...builtinNames, ...boundNames(script)]);
  const read: LooseName[] = [];
  for (const node of nodes) {
    if (
      node.type === "wildcard_import" &&
      !/^\s*from\s+templateconfig\./.test(script.above(node)?.text ?? "")
    )
      return [];
    if (node.type === "wildcard_import") for (const name of ["main", "run_cmd", "shell_cmd"]) bound.add(name);
    if (node.type !== "identifier") continue;
    if (!binds(node, script) && reads(node, script)) read.push({ name: node.text, line: lineOf(node) });
  }
  const seen = new Set<string>();
  return read.filter(({ name }) => {
    if (bound.has(name) || seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

/** The names that a program binds anywhere: imports, functions, assignments, loops and so on. */
export function boundNames(script: PythonScript): Set<string> {
  const names = script.nodes.filter((node) => node.type === "identifier" && binds(node, script));
  return new Set(names.map(({ text }) => text));
}

function binds(node: Node, script: PythonScript): boolean {
  let [child, above] = [node, script.above(node)];
  // A limit for patterns within patterns, which real programs do not reach.
  for (let depth = 0; above !== undefined && depth < 50; depth++) {
    switch (above.type) {
      case "parameters":
      case "lambda_parameters":
      case "global_statement":
      case "nonlocal_statement":
      case "as_pattern_target":
      case "import_statement":
      case "import_from_statement":
      case "future_import_statement":
        return true;
      case "except_clause":
        // `except X, e` of Python 2.
        return (
          parts(above)
            .filter(({ type }) => type !== "block")[1]
            ?.equals(child) ?? false
        );
      case "function_definition":
      case "class_definition":
      case "named_expression":
        return part(above, "name")?.equals(child) ?? false;
      case "assignment":
      case "augmented_assignment":
      case "for_statement":
      case "for_in_clause":
        return part(above, "left")?.equals(child) ?? false;
      case "default_parameter":
      case "typed_default_parameter":
        if (!part(above, "name")?.equals(child)) return false;
        break;
      case "typed_parameter":
        if (!parts(above)[0]?.equals(child)) return false;
        break;
      case "pattern_list":
      case "tuple_pattern":
      case "list_pattern":
      case "list_splat_pattern":
      case "dictionary_splat_pattern":
      case "dotted_name":
      case "aliased_import":
      case "tuple":
      case "list":
      case "parenthesized_expression":
      case "case_pattern":
      case "as_pattern":
        break;
      default:
        return false;
    }
    child = above;
    above = script.above(above);
  }
  return false;
}

function reads(node: Node, script: PythonScript): boolean {
  const above = script.above(node);
  if (!above) return false;
  if (above.type === "attribute") return part(above, "object")?.equals(node) ?? false;
  if (above.type === "keyword_argument") return part(above, "value")?.equals(node) ?? false;
  return !["dotted_name", "aliased_import", "import_statement", "import_from_statement"].includes(above.type);
}

// The builtins of Python 2 and 3 together. `library.ts` knows which version has which.
const builtinNames = `
ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError
BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError
ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError Exception ExceptionGroup
False FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError
ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError
MemoryError ModuleNotFoundError NameError None NotADirectoryError NotImplemented NotImplementedError OSError
OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError
ResourceWarning RuntimeError RuntimeWarning StandardError StopAsyncIteration StopIteration SyntaxError SyntaxWarning
SystemError SystemExit TabError TimeoutError True TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError
UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning WindowsError ZeroDivisionError
__build_class__ __debug__ __doc__ __file__ __import__ __loader__ __name__ __package__ __spec__ __builtins__ __path__
abs aiter all anext any apply ascii basestring bin bool breakpoint buffer bytearray bytes callable chr classmethod cmp
coerce compile complex copyright credits delattr dict dir divmod enumerate eval exec execfile exit file filter float
format frozenset getattr globals hasattr hash help hex id input int intern isinstance issubclass iter len license list
locals long map max memoryview min next object oct open ord pow print property quit range raw_input reduce reload repr
reversed round set setattr slice sorted staticmethod str sum super tuple type unichr unicode vars xrange zip _
`
  .trim()
  .split(/\s+/);
