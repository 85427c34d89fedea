"""What MkDocs calls as it builds the site (mkdocs.yml): pages whose text stands elsewhere, and links out of docs/."""

import os
import re
from pathlib import Path

from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File

from an.__main__ import SECTIONS
from an.layout import Study
from an.reporting.figures.captions import CAPTIONS

DOCS = Path(__file__).parent
AT_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
LINK = re.compile(r"\[([^]]*)\]\(([^):#]+)(#[^)]*)?\)")

log = get_plugin_logger("pages")


def on_config(config):
    """Put every scale of docs/results into the navigation."""
    scales = sorted(folder for folder in (DOCS / "results").iterdir() if folder.is_dir())
    config.nav.insert(2, {"Results": [{scale.name: _pages_of(scale)} for scale in scales]})


def on_files(files, config):
    """Add the pages that are no file of docs/."""
    written = {page: (DOCS.parent / file).read_text() for file, page in AT_ROOT.items()}
    # Its drawing would need a script from the network; and MkDocs leaves addresses within HTML as they are.
    written["index.md"] = re.sub("```mermaid.*?```", "", written["index.md"], flags=re.S).replace('src="docs/', 'src="')
    written["command-line.md"] = _command_line()
    for scale in (DOCS / "results").iterdir():
        if shown := _figures_of(scale):
            written[f"results/{scale.name}/figures.md"] = "\n\n".join(["# Figures", *shown])
    for page, text in written.items():
        files.append(File.generated(config, page, content=text))


def on_page_markdown(markdown, page, **_):
    """Links work on a code host. Here the files at the root are pages, and what is no page becomes a code name."""
    here = DOCS / page.file.src_uri
    source = DOCS.parent if page.file.src_uri in AT_ROOT.values() else here.parent

    def rewritten(link: re.Match) -> str:
        text, target, anchor = link.groups(default="")
        file = Path(os.path.normpath(source / target))
        name = file.relative_to(DOCS.parent).as_posix()
        if name not in AT_ROOT and DOCS not in file.parents:
            if not file.exists():
                log.warning(f"{page.file.src_uri} links to {name}, which is not there.")
            return f"`{name}`"
        shown = DOCS / AT_ROOT[name] if name in AT_ROOT else file
        return f"[{text}]({Path(os.path.relpath(shown, here.parent)).as_posix()}{anchor})"

    return LINK.sub(rewritten, markdown)


def _pages_of(scale: Path) -> list[str]:
    tables = sorted(scale.glob("*.md"), key=lambda file: (len(file.name), file.name))  # table10 after table9
    figures = ["figures.md"] if _figures_of(scale) else []
    return [f"results/{scale.name}/{name}" for name in [*(file.name for file in tables), *figures]]


def _figures_of(scale: Path) -> list[str]:
    drawn = {Study(scale.name).figure(name).name: caption for name, caption in CAPTIONS.items()}
    shown = {file: caption for file, caption in drawn.items() if (scale / file).exists()}
    return [f"## {title}\n\n{text}\n\n![{title}]({file})" for file, (title, text) in shown.items()]


def _command_line() -> str:
    parts = ["# Command line", "`an VERB` is the same command where the package is installed."]
    for heading, verbs in SECTIONS.items():
        parts.append(f"## {heading}")
        for verb in verbs:
            where = f"    :module: {verb.callback.__module__}\n    :command: {verb.callback.__name__}"
            look = f"    :prog_name: python -m an {verb.name}\n    :depth: 2"
            parts.append(f"::: mkdocs-click\n{where}\n{look}")
    return "\n\n".join(parts)
