"""Lists what Python 2.4 cannot parse in files that Python 3 can: `FILE:LINE: what, since which version`.

First-boot modules run under the Python of their guest: 2.4 on OL5, 2.6 on OL6, 2.7 on OL7, 3 on OL8 and OL9.
The ast of Python 3 says nothing about spelling, so `0o644` and `b''` are looked for in the tokens.
"""
import ast
import re
import sys
import token
import tokenize

SINCE = {
    'AnnAssign': 'an annotation, 3.6',
    'AsyncFor': 'async, 3.5',
    'AsyncFunctionDef': 'async, 3.5',
    'AsyncWith': 'async, 3.5',
    'Await': 'await, 3.5',
    'DictComp': 'a dict comprehension, 2.7',
    'IfExp': 'x if c else y, 2.5',
    'JoinedStr': 'an f-string, 3.6',
    'Match': 'match, 3.10',
    'NamedExpr': ':=, 3.8',
    'Nonlocal': 'nonlocal, 3.0',
    'Set': 'a set literal, 2.7',
    'SetComp': 'a set comprehension, 2.7',
    'With': 'with, 2.6',
    'YieldFrom': 'yield from, 3.3',
}


def faults(node):
    """What one node says that Python 2.4 does not know."""
    kind = type(node).__name__
    if kind in SINCE:
        yield SINCE[kind]
    if isinstance(node, ast.ExceptHandler) and node.name:
        yield 'except ... as, 2.6'
    if isinstance(node, ast.Try) and node.finalbody and node.handlers:
        yield 'except and finally in one try, 2.5'
    if isinstance(node, ast.Raise) and node.cause:
        yield 'raise ... from, 3.0'
    if isinstance(node, ast.ClassDef) and (node.decorator_list or node.keywords):
        yield 'a class decorator or keyword, 2.6'
    if isinstance(node, ast.FunctionDef) and node.returns:
        yield 'an annotation, 3.0'
    if isinstance(node, (ast.FunctionDef, ast.Lambda)) and (node.args.kwonlyargs or node.args.posonlyargs):
        yield 'a keyword-only or positional-only argument, 3.0'
    if isinstance(node, ast.arg) and node.annotation:
        yield 'an annotation, 3.0'
    if isinstance(node, ast.ImportFrom) and node.level:
        yield 'a relative import, 2.5'
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'print':
        if node.keywords or len(node.args) != 1:
            yield 'print() with other than one argument, 3.0'
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'format':
        if isinstance(node.func.value, ast.Constant) and isinstance(node.func.value.value, str):
            yield 'str.format, 2.6'


def spelled(path):
    """Literals that Python 2.4 spells otherwise."""
    with open(path, 'rb') as file:
        for one in tokenize.tokenize(file.readline):
            hexadecimal = one.string.lower().startswith('0x')
            if one.type == token.NUMBER and not hexadecimal and re.search('[oObB_]', one.string):
                yield one.start[0], '%s, 2.6' % one.string
            if one.type == token.STRING and re.match('[bB]', one.string):
                yield one.start[0], "b'', 2.6"


def main(paths):
    found = []
    for path in paths:
        with open(path, encoding='utf-8') as file:
            tree = ast.parse(file.read(), path)
        for node in ast.walk(tree):
            found += [(path, getattr(node, 'lineno', 1), what) for what in faults(node)]
        found += [(path, line, what) for line, what in spelled(path)]
    for path, line, what in sorted(set(found)):
        print('%s:%d: %s' % (path, line, what))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
