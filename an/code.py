"""What a result depends on, derived from the code: a digest of all definitions that a function can reach.

Names are followed through the source; nothing is imported. Where that cannot tell what is meant it takes too much: a
class counts whole, and any parameter model's method is reached by its name. tests/test_code.py holds this against what
runs.
"""

import ast
import hashlib
import io
import json
import os
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeGuard

PACKAGE = Path(__file__).resolve().parent
KEPT = Path(".snakemake/code-digests.json")  # in the working folder

# What cannot change a result, by module, or by module and name. It is not followed.
LEFT_OUT = {
    "code": "names code and computes nothing",
    "devices": "takes a device, names it and measures its memory; which it is is a resource of the rule",
    "errors": "is raised where there is no result",
    "layout": "names files; what is in them is their writers' code",
    "processor": "fixes and names what the machine computes with, which each result states beside its numbers",
    "progress": "shows how far a job is",
    "provenance": "says where a result was made",
    "tracking.events": "puts events on disk, of which no result is made; what they say is their writers' code",
    "training.turns": "has a trainer wait for another of the same run, whose result it then leaves as it is",
    "training.stopping": "stops a training, which then goes on to the same bits",
    "params.loading:_load": "reads params/; each rule's settings are the values as it reads them",
    "params.loading:_values": "is how _load reads YAML",
    "params.loading:UniqueKeys": "is how _load reads YAML",
    "params.loading:load_scale": "likewise",
    "params.loading:base_of": "names the scale whose files a tier shares",
    "params.loading:scale_file": "likewise",
    "params.rows:Rows": "is the types of params/rows.yaml, likewise",
    "params.scales:Scale.block_resolutions": "checks a scale's values as _load reads them",
    "params.scales:Inpainting.data_folder": "names a folder; what is in it is its writer's code",
    "params.scales:Scale.data_folder": "likewise",
    "params.scales:Scale.data_of": "likewise",
    "params.types:distinct": "checks seeds as _load reads them",
    "verbs.given": "checks what a verb is given",
}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
EFFECTS = "<module>"  # names a module's statements that define nothing, and run when it is imported

asked: dict[str, str] = {}  # the digests that this process was asked for, by what of

Place = tuple[str, str]  # a module, by its dotted name below the package, and a name in it


class Module(NamedTuple):
    """What a module's source says."""

    lines: list[str | None]  # what counts of each line; None where nothing does
    definitions: dict[str, list[ast.stmt]]  # by name; a parameter model has its methods alone, "Model.method"
    imports: dict[str, Place | None]  # None: of another package


def code_digest(*entries: str, files: tuple[str, ...] = ()) -> str:
    """16 hex digits of the code behind functions such as "training.generation:train", and of files of the package.

    They change with the source of any definition that an entry can reach, its comments, docstrings and blank lines
    aside. Raises ValueError for an entry that is not there.

    Each job asks, and following names takes it as long as it needs to begin. So the workflow keeps digests for its
    jobs, and they hold for sources of the same sizes and times.
    """
    name = " ".join([*entries, *sorted(files)])
    asked[name] = _kept_digests().get(name) or computed_digest(*entries, files=files)
    return asked[name]


def keep_digests() -> None:
    """Keep the digests that this process was asked for, in the working folder."""
    if asked.items() <= _kept_digests().items():
        return
    KEPT.parent.mkdir(exist_ok=True)
    temporary = KEPT.with_name(f"{KEPT.name}.{os.getpid()}")
    temporary.write_text(json.dumps({"sources": _state_of_sources(), "digests": asked}))
    temporary.replace(KEPT)


@cache
def _kept_digests() -> dict[str, str]:
    try:
        kept = json.loads(KEPT.read_text())
        return kept["digests"] if kept["sources"] == _state_of_sources() else {}
    except (OSError, ValueError):
        return {}


@cache
def _state_of_sources() -> str:
    files = [file for file in sorted(PACKAGE.rglob("*.*")) if "__pycache__" not in file.parts]
    states = [f"{file} {(stat := file.stat()).st_size} {stat.st_mtime_ns}" for file in files]
    return hashlib.sha256("\n".join(states).encode()).hexdigest()


@cache
def computed_digest(*entries: str, files: tuple[str, ...] = ()) -> str:
    """``code_digest``, by reading the sources."""
    digest = hashlib.sha256()
    for module, name in sorted(reached(*entries)):
        digest.update(f"{module}:{name}\0{text(module, name)}\0".encode())
    for file in sorted(files):
        digest.update(f"{file}\0".encode() + (PACKAGE / file).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def reached(*entries: str) -> set[Place]:
    """Every definition that the entries can reach, themselves among them."""
    found: set[Place] = set()
    open_ends = {_entry(entry) for entry in entries}
    while open_ends:
        found |= open_ends
        open_ends = {place for here in open_ends for place in _uses(*here)} - found
    return found


def left_out(module: str, name: str) -> bool:
    return module in LEFT_OUT or f"{module}:{name}" in LEFT_OUT


def text(module: str, name: str) -> str:
    """What counts of a definition's source: no comments, docstrings, blank lines. The same in every Python version."""
    there = _there(module)
    lines = [line for node in there.definitions[name] for line in there.lines[first_line(node) - 1 : node.end_lineno]]
    return "\n".join(line for line in lines if line is not None)


def first_line(node: ast.stmt) -> int:
    return min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])


def source(module: str) -> str | None:
    """A module's source; None when the package has no such module."""
    path = PACKAGE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8") if file.exists() else None


@cache
def parsed(module: str) -> Module | None:
    """What a module's source says; None when the package has no such module."""
    if (content := source(module)) is None:
        return None
    definitions: dict[str, list[ast.stmt]] = {EFFECTS: []}
    imports: dict[str, Place | None] = {}
    models = {"Strict"}
    for node in ast.parse(content).body:
        bound = _bound(module, [node])
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= bound
        elif module.startswith("params.") and _derives(node, models):
            models.add(node.name)
            definitions[node.name] = []  # the values of its fields stand in each rule's settings
            methods = [part for part in node.body if isinstance(part, FUNCTIONS) and not _validates(part)]
            definitions |= {f"{node.name}.{method.name}": [method] for method in methods}
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            imports |= {name: place for name, place in bound.items() if place}  # within an if or try
            for name in bound or [EFFECTS]:
                definitions.setdefault(name, []).append(node)
    return Module(_counting(content), definitions, imports)


def _there(module: str) -> Module:
    """What the source of a module says that the package has."""
    found = parsed(module)
    assert found is not None, module
    return found


def _derives(node: ast.stmt, models: set[str]) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and not models.isdisjoint(map(ast.unparse, node.bases))


def _validates(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("validator" in ast.unparse(decorator) for decorator in method.decorator_list)


def _entry(entry: str) -> Place:
    module, _, name = entry.partition(":")
    there = parsed(module)
    nodes = there.definitions.get(name) if there else None
    if not nodes or not isinstance(nodes[0], (ast.ClassDef, *FUNCTIONS)):
        raise ValueError(f"code_digest: there is no function or class '{entry}' in the package.")
    return module, name


@cache
def _uses(module: str, name: str) -> set[Place]:
    """The definitions that one of them uses."""
    found = {(module, EFFECTS)}
    for node in _there(module).definitions[name]:
        for place, attributes in _names(module, node, {}):
            found |= _resolved(*place, attributes) if place else set()
            found |= {place for attribute in attributes for place in _methods().get(attribute, [])}
    return found


@cache
def _methods() -> dict[str, list[Place]]:
    """The parameter models' methods and properties, by the attribute that reaches them."""
    found: dict[str, list[Place]] = {}
    for file in sorted((PACKAGE / "params").glob("*.py")):
        module = f"params.{file.stem}"
        for name in _there(module).definitions if file.stem != "__init__" else ():
            if "." in name:
                found.setdefault(name.split(".")[1], []).append((module, name))
    return found


def _resolved(module: str, name: str, attributes: tuple[str, ...]) -> set[Place]:
    """The definitions behind a name of a module, found through imports; none for what the package does not define."""
    there = parsed(module)
    if there is None or left_out(module, name):
        return set()
    if name in there.definitions:
        return {(module, name)}
    if name in there.imports:
        onward = there.imports[name]
        return {(module, EFFECTS)} | (_resolved(*onward, attributes) if onward else set())
    below = f"{module}.{name}".strip(".")
    if below in LEFT_OUT or parsed(below) is None:
        return set()
    if attributes:
        return _resolved(below, attributes[0], attributes[1:])
    return {(below, each) for each in _there(below).definitions if not left_out(below, each)}  # passed on as a whole


def _names(module: str, node: ast.AST, scope: dict) -> Iterator[tuple[Place | None, tuple[str, ...]]]:
    """Where the names in a node may be defined, each with the attributes taken of it.

    ``scope`` has the names that functions around the node bind. A signature's annotations are not followed.
    """
    now: list[ast.AST] = list(ast.iter_child_nodes(node))
    later: list[ast.AST] = []
    inner = scope
    if isinstance(node, (ast.Lambda, *FUNCTIONS)):
        given = node.args
        now = [*given.defaults, *filter(None, given.kw_defaults), *getattr(node, "decorator_list", [])]
        later = [*node.body] if isinstance(node.body, list) else [node.body]
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, [given.vararg, given.kwarg])]
        inner = scope | dict.fromkeys(argument.arg for argument in every) | _bound(module, later)
    elif isinstance(node, COMPREHENSIONS):
        now, later = [node.generators[0].iter], now
        inner = scope | _bound(module, [generator.target for generator in node.generators])
    elif isinstance(node, ast.Name | ast.Attribute):
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes, node = [node.attr, *attributes], node.value
        if isinstance(node, ast.Name):
            yield scope.get(node.id, (module, node.id)), tuple(attributes)
            now = []
        else:
            yield None, tuple(attributes)
            now = [node]
    for part in now:
        yield from _names(module, part, scope)
    for part in later:
        yield from _names(module, part, inner)


def _bound(module: str, nodes: Iterable[ast.AST]) -> dict[str, Place | None]:
    """The names that code binds, not looking into the functions in it: what they import, otherwise None."""
    bound, free, open_ends = {}, set(), list(nodes)
    while open_ends:
        node = open_ends.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = _base(module, node) if isinstance(node, ast.ImportFrom) else None
            for name in node.names:
                bound[name.asname or name.name.split(".")[0]] = None if base is None else (base, name.name)
        elif isinstance(node, ast.Global):
            free |= set(node.names)
        elif isinstance(node, (ast.ClassDef, *FUNCTIONS)):
            bound.setdefault(node.name)
        elif isinstance(node, ast.Name):
            bound |= {} if isinstance(node.ctx, ast.Load) else {node.id: bound.get(node.id)}
        elif not isinstance(node, (ast.Lambda, *COMPREHENSIONS)):
            open_ends += ast.iter_child_nodes(node)
    return {name: place for name, place in bound.items() if name not in free}


def _base(module: str, node: ast.ImportFrom) -> str | None:
    """The module of the package that a statement imports from; None for another package."""
    here, of = module.split(".") if module else [], node.module.split(".") if node.module else []
    if not node.level:
        return ".".join(of[1:]) if of[0] == PACKAGE.name else None
    up = node.level - PACKAGE.joinpath(*here).is_dir()
    return ".".join(here[: len(here) - up] + of)


def _counting(content: str) -> list[str | None]:
    """The lines without comments, docstrings and trailing space, None where nothing is left; strings stay whole."""
    lines, spans, whole, begun, fresh = content.split("\n"), [], set(), [], True
    tokens = list(tokenize.generate_tokens(io.StringIO(content).readline))
    for token, after in pairwise(tokens):
        (first, left), (last, right), kind = token.start, token.end, tokenize.tok_name[token.type]
        if kind == "COMMENT" or (kind == "STRING" and fresh and after.type in (tokenize.NEWLINE, tokenize.COMMENT)):
            spans.append((first, left, last, right))
        elif kind == "FSTRING_START":
            begun.append(first)
        elif kind in ("STRING", "FSTRING_END"):  # each of its lines but the last ends within it
            whole |= set(range(first if kind == "STRING" else begun.pop(), last))
        fresh = kind in ("NEWLINE", "INDENT", "DEDENT") or (fresh and kind in ("NL", "COMMENT"))
    for first, left, last, right in reversed(spans):
        kept = lines[first - 1][:left] + lines[last - 1][right:]
        lines[first - 1 : last] = [kept, *[""] * (last - first)]
    return [line if number in whole else line.rstrip() or None for number, line in enumerate(lines, start=1)]
