"""What a result depends on: the digests derived from the code, against what runs; and taking results of other code."""

import ast
import contextlib
import inspect
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ROOT, snakemake
from conftest import an as run_verb
from kill_and_resume import arguments, finish, start, steps_done, use_params
from result_files import make_results, make_samples

from an import code, params
from an.__main__ import main
from an.acceptance import outdated
from an.errors import UserError
from an.seals import read_sealed
from an.tracking.events import read_events
from an.training import generation

pytestmark = pytest.mark.slow

NANO = ("--config", "scale=nano")


def rules() -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Of each rule with a digest: its verb, and the digest's entries and files."""
    found = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        blocks = re.split(r"^(?:use rule (\w+) as (\w+) with|rule (\w+)):", file.read_text(), flags=re.MULTILINE)[1:]
        for origin, derived, name, block in zip(*(blocks[k::4] for k in range(4)), strict=True):
            verb, entries, files = found.get(origin, (None, (), ()))
            if call := re.search(r"code_digest\((?:[^()]|\([^()]*\))*\)", block):
                call = ast.parse(call[0], mode="eval").body
                files = ast.literal_eval(call.keywords[0].value) if call.keywords else ()
                entries = tuple(map(ast.literal_eval, call.args))
            if shell := re.search(r"python -m an ([a-z-]+)", block):
                verb = shell[1]
            if entries:
                found[derived or name] = (verb, entries, files)
    return found


RULES = rules()


def digests() -> dict[str, str]:
    return {rule: code.computed_digest(*entries, files=files) for rule, (_, entries, files) in RULES.items()}


def closures() -> dict[str, set]:
    return {rule: code.reached(*entries) for rule, (_, entries, _) in RULES.items()}


def forget() -> None:
    for cached in (code.computed_digest, code.parsed, code._uses, code._methods):
        cached.cache_clear()


@pytest.fixture
def plant(monkeypatch):
    """Call it with ``edit(module, source)`` to have the package read with other sources."""
    read = code.source

    def planted(edit) -> None:
        monkeypatch.setattr(code, "source", lambda module: (text := read(module)) and edit(module, text))
        forget()

    yield planted
    monkeypatch.undo()
    forget()


@contextmanager
def recorded():
    """The code objects of the package's functions that are called within, also in threads that begin there."""
    seen, functions, folder = set(), set(), str(code.PACKAGE)

    def called(frame, event, argument):
        seen.add(frame.f_code)

    threading.settrace(called)
    sys.settrace(called)
    try:
        yield functions
    finally:
        sys.settrace(None)
        threading.settrace(None)
        for each in seen.copy():  # to which threads that live on still add
            ours = each.co_filename.startswith(folder) and not each.co_filename.endswith(".html")
            if ours and each.co_flags & inspect.CO_OPTIMIZED:  # not of a module or a class
                functions.add(each)


def places(functions) -> set[tuple[str, str]]:
    """The definitions that functions stand in; not those of the verbs, and not the parameter models' validators."""
    found = set()
    for function in functions:
        path = Path(function.co_filename).relative_to(code.PACKAGE).with_suffix("")
        module, line = ".".join(path.parts).removesuffix("__init__").rstrip("."), function.co_firstlineno
        assert code.parsed(module), function
        definitions = code.parsed(module).definitions
        around = {
            (module, name)
            for name, nodes in definitions.items()
            for node in nodes
            if code.first_line(node) <= line <= node.end_lineno
        }
        validator = definitions.get(function.co_qualname.split(".")[0]) == []
        assert around or validator, f"{module}: {function.co_qualname} is in no definition"
        found |= set() if module.partition(".")[0] in ("__main__", "verbs") else around
    return {place for place in found if not code.left_out(*place)}


def verbs() -> list[tuple[str, list]]:
    """Command lines by rule, in an order in which they can run; every row of a kind trains, one of them goes on."""
    nano, gpus = ("--scale", "nano"), ("--gpus", 0)
    digits, photographs = ("--data", "data/digits-32"), ("--data", "data/photographs-32")
    crops = ("--dataset", "photographs", "--resolution", 32, "--test-crops", 4)
    lines = [
        ("prepare_dataset", ["prepare", "--dataset", "digits", "--resolution", 32, *digits]),
        ("prepare_photographs", ["prepare-photographs", *crops, *photographs]),
        ("time_modules", ["time", *nano, *gpus]),
        ("train_classifier", ["train-classifier", *nano, *gpus]),
        ("extract_reference", ["reference", *nano, *gpus]),
    ]
    rules = {"generation": "train_gan", "inpainting": "train_inpainting", "recall": "train_recall"}
    for name, row in params.load_rows(scale=params.load_scale("nano")).items():
        lines.append((rules[row.task], ["train", "--row", name, *nano, *gpus]))
    an, inpainting = ("--row", "an", *nano), ("--row", "an-inpainting", *nano)
    lines += [
        ("generate_samples", ["generate", *an, *gpus]),
        ("evaluate_samples", ["evaluate-row", *an, *gpus]),
        ("evaluate_table2", ["evaluate-classes", *an, "--table2", *gpus]),
        ("evaluate_classes", ["evaluate-classes", *an, *gpus]),
        ("look_at_regions", ["regions", *an, *gpus]),
        ("complete_heldout", ["complete-heldout", *inpainting, *gpus]),
        ("complete_controls", ["complete-controls", *nano]),
        ("evaluate_completions", ["evaluate-completions", *inpainting]),
        ("evaluate_controls", ["evaluate-control", "--control", "biharmonic", *nano]),
    ]
    for name in params.load_rows("recall"):
        lines.append(("evaluate_recall", ["evaluate-recall", "--row", name, *nano, *gpus]))
    tables = {1: "quality", 2: "quality", 3: "inpainting", 4: "quality", 5: "timing", 6: "recall"}
    for number, kind in tables.items():  # these of result_files
        lines.append((f"render_{kind}_table", ["table", "--table", number]))
    lines += [
        ("draw_samples", ["figure", 1, 7]),
        ("draw_regions", ["figure", 4, 5, 8]),
        ("draw_scores", ["figure", "convergence", "table1", "table4"]),
        ("draw_completions", ["figure", 9]),
        ("draw_recall", ["figure", 10, "table6"]),
        ("draw_times", ["figure", "table5"]),
        ("summarise_scores", ["summarise"]),
        ("render_index", ["index"]),
    ]
    return lines


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> dict[str, set]:
    """By rule, the definitions of the package that its verb ran; and that it was the rule's verb."""
    folder, ran = tmp_path_factory.mktemp("executed"), {rule: set() for rule in RULES}
    make_results(folder / "results/smoke")
    with contextlib.chdir(folder):
        make_samples("smoke")
    with contextlib.chdir(folder):
        for rule, line in verbs():
            assert line[0] == RULES[rule][0]
            with recorded() as functions:
                status = main([str(word) for word in line])
            assert status == 0, line
            ran[rule] |= places(functions)
    return ran


def test_every_rule_that_runs_a_verb_has_a_digest():
    text = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    written = re.findall(r"^rule \w+:(?:(?!^rule ).)*?python -m an", text, re.MULTILINE | re.DOTALL)
    assert len(RULES) == len(written) + len(re.findall(r"^use rule ", text, re.MULTILINE))


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES)
def test_all_that_a_verb_runs_is_reached(executed, rule):
    assert executed[rule], "nothing was recorded"
    assert executed[rule] <= closures()[rule]


# Something near by that surely cannot matter to the rule.
APART = {
    "prepare_dataset": {"data.photographs", "data.loading"},
    "prepare_photographs": {"data.preparation", "data.crops"},
    "train_classifier": {"metrics.frechet", "layers.attentive_norm", "data.crops"},
    "extract_reference": {"layers.attentive_norm", "metrics.restoration", "training.loop"},
    "train_gan": {"data.paris_streetview", "training.inpainting", "training.recall", "evaluation.extractors"},
    "train_inpainting": {"training.generation", "data.recall", "models.discriminator:Discriminator"},
    "train_recall": {"training.generation", "training.inpainting", "data.masks"},
    "generate_samples": {"training.generation", "training.losses", "data.sources"},
    "evaluate_samples": {"models.discriminator", "training.generation", "metrics.restoration"},
    "evaluate_table2": {"models.discriminator", "training.generation", "metrics.manifold"},
    "evaluate_classes": {"models.discriminator", "training.generation", "metrics.manifold"},
    "complete_heldout": {"training.inpainting", "metrics.restoration"},
    "complete_controls": {"models.inpainting", "layers.attentive_norm"},
    "evaluate_completions": {"metrics.frechet", "models.inpainting"},
    "evaluate_controls": {"metrics.frechet", "models.inpainting"},
    "evaluate_recall": {"training.loop", "metrics.frechet"},
    "time_modules": {"models.generator", "training.loop"},
    "look_at_regions": {"training.generation", "metrics.frechet", "reporting.figures.regions"},
    "render_quality_table": {"reporting.figures.samples", "training.loop", "metrics.frechet"},
    "render_inpainting_table": {"reporting.figures.completions", "reporting.summary"},
    "render_recall_table": {"reporting.figures.recall", "reporting.summary"},
    "render_timing_table": {"reporting.figures.times", "evaluation.timing"},
    "draw_samples": {"reporting.tables", "reporting.figures.regions"},
    "draw_regions": {"reporting.tables", "reporting.figures.samples", "evaluation.regions"},
    "draw_scores": {"reporting.figures.regions", "reporting.figures.times", "training.loop"},
    "draw_completions": {"reporting.tables", "reporting.figures.recall"},
    "draw_recall": {"reporting.figures.completions", "reporting.figures.curves"},
    "draw_times": {"reporting.tables", "reporting.figures.points"},
    "summarise_scores": {"reporting.tables", "reporting.figures.samples"},
    "render_index": {"reporting.figures.samples", "reporting.summary"},
}


@pytest.mark.parametrize("rule", RULES)
def test_what_cannot_matter_is_not_reached(rule):
    reached = closures()[rule]
    names = {module for module, _ in reached} | {f"{module}:{name}" for module, name in reached}
    assert not APART[rule] & names
    modules = {path.partition(":")[0] for path in APART[rule]}
    assert all(code.parsed(module) for module in modules), "of something that is there"


def test_methods_of_parameter_models_are_reached_where_they_are_called_and_fields_are_not(plant):
    reached = closures()
    for method, rule in {
        "AttentiveNorm.layer_arguments": "train_recall",
        "Scale.snapshot_steps": "evaluate_samples",
        "Scale.seeds_of": "render_quality_table",
    }.items():
        assert any((module, method) in reached[rule] for module in ("params.rows", "params.scales"))
    before = digests()
    plant(lambda module, text: text.replace("test_images: PositiveInt\n", "test_images: PositiveInt = 3\n"))
    assert digests() == before
    plant(lambda module, text: text.replace("steps * k // self.snapshots", "steps * k / self.snapshots"))
    changed = {rule for rule, digest in digests().items() if digest != before[rule]}
    assert {"train_gan", "evaluate_samples"} <= changed and not {"train_recall", "complete_controls"} & changed


@pytest.mark.long
def test_a_changed_line_counts_where_it_runs_and_nowhere_else(executed, plant):
    before, reached = digests(), closures()
    everything = sorted({place for ran in executed.values() for place in ran if "." not in place[1]})
    for module, name in random.Random(0).sample(everything, 6):
        node = code.parsed(module).definitions[name][0]

        def edit(of, text, module=module, node=node):
            lines = text.split("\n")
            if of == module:
                lines[node.end_lineno - 1] += "; planted = 1"
            return "\n".join(lines)

        plant(edit)
        changed = {rule for rule, digest in digests().items() if digest != before[rule]}
        plant(lambda module, text: text)
        assert changed >= {rule for rule, ran in executed.items() if (module, name) in ran}
        assert changed == {rule for rule, places in reached.items() if (module, name) in places}
        assert changed < set(RULES) or module in ("files", "seals") or module.startswith("params.")


def commented(module: str, text: str) -> str:
    """The same code with a comment and an empty line in every definition, and another docstring."""
    lines = text.split("\n")
    documented = (ast.ClassDef, ast.FunctionDef, ast.Module)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented) and node.body]
    for node in sorted(nodes, key=lambda node: node.body[0].lineno, reverse=True):
        first = node.body[0]
        if isinstance(first, ast.FunctionDef | ast.ClassDef) or isinstance(node, ast.Module):
            continue
        if first.lineno == node.lineno:  # an overload, whose line has no room for more
            continue
        indent = " " * first.col_offset
        if ast.get_docstring(node) is not None:
            del lines[first.lineno - 1 : first.end_lineno]
        lines[first.lineno - 1 : first.lineno - 1] = [f'{indent}"""Planted.\n\n{indent}"""', "", f"{indent}# planted"]
    return "\n".join(lines) + "\n# planted\n"


def test_comments_docstrings_and_empty_lines_do_not_count(plant):
    before = digests()
    plant(commented)
    assert "# planted" in code.source("training.generation") and digests() == before


def test_a_blank_line_within_a_string_counts(plant):
    before = code.text("reporting.page", "page")
    planted = 'return """a\n\n  # b  \n""" + environment.get_template("page.html").render('
    plant(lambda module, text: text.replace('return environment.get_template("page.html").render(', planted))
    after = code.text("reporting.page", "page")
    assert after != before and '"""a\n\n  # b  \n"""' in after


def test_a_file_counts_where_a_rule_names_it(plant, tmp_path, monkeypatch):
    before = digests()
    package = Path(shutil.copytree(code.PACKAGE, tmp_path / "an", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr(code, "PACKAGE", package)
    forget()
    assert digests() == before
    page = package / "reporting/page.js"
    page.write_text(page.read_text() + "// planted")
    forget()
    changed = {rule for rule, digest in digests().items() if digest != before[rule]}
    assert changed == {rule for rule, (_, _, files) in RULES.items() if files}


@pytest.mark.parametrize(
    "entry", ["training.generation:trian", "training.genaration:train", "train", "layout:AVERAGED", "params:"]
)
def test_a_wrong_entry_is_named(entry):
    with pytest.raises(ValueError, match=f"'{entry}'"):
        code.code_digest(entry)


KEPT_DIGESTS = """
from an import code
print(code.code_digest("training.generation:train"))
print(code.code_digest("reporting.render:render", files=("reporting/page.js",)))
print(code.computed_digest.cache_info().misses)
code.keep_digests()
"""


def test_digests_are_kept_until_a_source_changes(tmp_path):
    """By another process; a damaged file costs time alone."""
    package = Path(shutil.copytree(code.PACKAGE, tmp_path / "an"))
    losses, page, kept = package / "training/losses.py", package / "reporting/page.js", tmp_path / code.KEPT

    def asked() -> list[str]:
        done = subprocess.run([sys.executable, "-c", KEPT_DIGESTS], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    *first, computed = asked()
    assert computed == "2" and first[0] == code.computed_digest("training.generation:train")
    assert asked() == [*first, "0"]
    kept.write_text(kept.read_text()[:20])
    assert asked() == [*first, "2"]
    losses.write_text(losses.read_text().replace("relu(1 - real)", "relu(2 - real)"))
    of_training, of_page, computed = asked()
    assert of_training != first[0] and of_page == first[1] and computed == "2"
    page.write_text(page.read_text() + "// planted")
    assert asked()[0] == of_training and asked()[1] != of_page
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_the_jobs_of_training_use_their_rules_digest():
    for task, rule in {"generation": "train_gan", "inpainting": "train_inpainting", "recall": "train_recall"}.items():
        (entry,) = RULES[rule][1]
        assert f'"code": code_digest("{entry}")' in (ROOT / f"an/training/{task}.py").read_text()


DIGESTS = """
import io, sys, time, tokenize
from an.code import PACKAGE, computed_digest
assert "torch" not in sys.modules
started = time.process_time()
for file in PACKAGE.rglob("*.py"):
    list(tokenize.generate_tokens(io.StringIO(file.read_text()).readline))
read = time.process_time()
for entries, files in {calls}:
    print(computed_digest(*entries, files=files))
print((time.process_time() - read) / (read - started))
"""


@pytest.mark.parametrize("python", ["python3.11", "python3.12", "python3.13"])
def test_every_python_has_the_same_digests_soon(python):
    if shutil.which(python) is None:
        pytest.skip(f"no {python} here")
    program = DIGESTS.format(calls=[(entries, files) for _, entries, files in RULES.values()])
    done = subprocess.run([python, "-c", program], cwd=ROOT, capture_output=True, text=True)
    if done.returncode and "command not found" in done.stderr:
        pytest.skip(f"no {python} here")
    *found, effort = done.stdout.split()
    assert done.returncode == 0 and found == list(digests().values())
    assert float(effort) < 6, "times what reading every token of the package takes, once"


@pytest.fixture
def nano(tmp_path, monkeypatch):
    monkeypatch.setattr(params.loading, "FOLDER", params.loading.FOLDER)
    use_params(tmp_path / "params", 60, 1000)


def of_other_code() -> None:
    generation.code_digest = lambda *entries: "0123456789abcdef"


def test_a_resume_point_of_other_code_goes_on_where_that_is_accepted(nano, digits, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    command = arguments(digits, out)
    job = start(command, log)
    while job.is_alive() and steps_done(out) < 5:
        time.sleep(0.005)
    os.kill(job.pid, signal.SIGTERM)
    job.join(60)
    now = code.code_digest("training.generation:train")
    assert finish(command, log, of_other_code) == 1
    said = log.read_text().splitlines()[-1]
    assert f"(code was {now}, is 0123456789abcdef)" in said and "--accept-code" in said
    assert finish([*command, "--accept-code", "--seed", "1"], log, of_other_code) == 1
    said = log.read_text().splitlines()[-1]
    assert "(seed was 0, is 1)" in said and "--accept-code" not in said
    limited = [*command, "--accept-code", "--hours", "1e-9"]
    assert finish(limited, log, of_other_code) == 124
    assert finish([*command, "--hours", "1e-9"], log, of_other_code) == 124, "accepted once is enough"
    assert finish(command, log) == 1, "and it is of that code now"
    assert finish([*command, "--accept-code"], log) == 0
    report, (header, *events) = json.loads((out / "training.json").read_text()), read_events(out / "events.jsonl")
    assert report["accepted_code"] == ["0123456789abcdef", now]
    assert report["code"] == header["code"] == now and report["key"] == header["key"]
    accepted = [(event["before"], event["code"]) for event in events if event["kind"] == "accepted"]
    assert accepted == [(now, "0123456789abcdef"), ("0123456789abcdef", now)]


def test_a_run_that_nobody_had_to_accept_says_so(nano, digits, tmp_path):
    use_params(tmp_path / "params", 2)
    assert finish(arguments(digits, tmp_path / "out"), tmp_path / "log") == 0
    assert json.loads((tmp_path / "out/training.json").read_text())["accepted_code"] == []


@pytest.mark.long
def test_finished_results_of_other_code_are_accepted_with_a_record(project):
    table, explained = "reports/nano/table5.md", ("explain", "table5", "attentive_norm", "8", "--scale", "nano")
    assert snakemake(project, table, *NANO).returncode == 0
    numbers = (project / "results/nano/timing.json").read_text()
    source = project / "an/evaluation/timing.py"
    source.write_text(source.read_text().replace("    settings = ", "    planted = settings = "))
    scale = project / "params/scales/nano.yaml"
    before = scale.read_text()
    scale.write_text(before.replace("repeats: 2", "repeats: 3"))
    refused = run_verb(project, "accept-code", "--scale", "nano", table)
    assert refused.returncode == 1 and "results/nano/timing.json cannot be accepted" in refused.stderr
    scale.write_text(before)
    assert not (project / "results/nano/accepted.json").exists()

    done = run_verb(project, "accept-code", "--scale", "nano", table)
    assert done.returncode == 0 and "results/nano/accepted.json" in done.stdout, done.stderr
    assert (project / "results/nano/timing.json").read_text() == numbers
    again = run_verb(project, "accept-code", "--scale", "nano", table)
    assert again.returncode == 0 and "Nothing to accept" in again.stdout
    (record,) = read_sealed(project / "results/nano/accepted.json")["records"]
    (digest,) = record["rules"]["time_modules"]
    assert record["targets"] == [table] and record["rules"].keys() == {"time_modules"}
    assert digest["before"] != digest["now"] and re.fullmatch("[0-9a-f]{16}", digest["now"])
    assert {"results/nano/timing.json", table} <= set(record["files"])
    assert f"accepted    {record['time']}, commit {record['commit']}" in run_verb(project, *explained).stdout


def test_a_file_that_is_missing_cannot_be_accepted():
    reason = "Missing output files: a.pt"
    plan = f"rule train_gan:\n    output: a.pt, b.json\n    jobid: 1\n    reason: {reason}\n    threads: 1\n"
    with pytest.raises(UserError, match=rf"a\.pt cannot be accepted, more than its code is new \({reason}\)"):
        outdated(plan)


@pytest.mark.long
def test_scales_that_share_data_share_its_preparation(project):
    data = ("data/digits-32/manifest.json", "data/photographs-32/manifest.json")
    assert snakemake(project, *data, *NANO).returncode == 0
    scales = project / "params/scales"
    (scales / "nano-2.yaml").write_text((scales / "nano.yaml").read_text().replace("seeds: [0]", "seeds: [0, 1]"))
    done = snakemake(project, "--dry-run", "--config", "scale=nano-2")
    assert done.returncode == 0 and "train_gan" in done.stdout + done.stderr
    assert "rule prepare" not in done.stdout + done.stderr
    logged = json.loads(next((project / ".snakemake/metadata").iterdir()).read_text())
    assert "nano" not in logged["shellcmd"].split("&>")[0]


def test_the_name_of_a_scale_runs_no_command(project):
    name = "x$(touch ran)"
    scales = project / "params/scales"
    (scales / f"{name}.yaml").write_text((scales / "nano.yaml").read_text())
    done = snakemake(project, "results/nano/timing.json", "--config", f"scale={name}")
    assert done.returncode != 0 and "a scale's name has" in done.stdout + done.stderr
    refused = run_verb(project, "time", "--scale", name)
    assert refused.returncode == 1 and refused.stderr.startswith("Error: scale 'x$(touch ran)'")
    assert not list(project.rglob("ran"))
    for wrong in ("", "-x", "../nano", "Nano", "a b"):
        with pytest.raises(UserError, match="a scale's name has"):
            params.load_scale(wrong)
