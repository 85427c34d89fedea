"""DVC's front end at nano scale: what it records, pushes, pulls and notices, and that it knows the workflow's files."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from conftest import an, dvc, git, installed, planned, record_nano
from dvc.repo import Repo

pytestmark = pytest.mark.long

UP_TO_DATE = "Data and pipelines are up to date."
METADATA = ".snakemake/metadata"
PHASES = {"prepared", "trained", "generated", "evaluated", "all"}
# Read for the environment and the machine; neither is among Snakemake's triggers.
SETTINGS = {"environment.yml", "profiles/default/config.yaml", "workflow/profiles/local/config.yaml"}


@pytest.fixture(scope="module")
def recorded(reproduced, tmp_path_factory):
    """The reproduced project with its dvc.lock committed."""
    project = Path(shutil.copytree(reproduced, tmp_path_factory.mktemp("recorded") / "project"))
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Recorded")
    return project


@pytest.fixture
def copy(recorded, tmp_path):
    return Path(shutil.copytree(recorded, tmp_path / "copy"))


def ran(*arguments, **environment) -> str:
    done = dvc(*arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def status(project, **environment) -> dict:
    return json.loads(dvc(project, "status", "--json", **environment).stdout)


def logged(output: str) -> str:
    """What Snakemake wrote to its log files in the runs that had jobs; the output names them."""
    return "".join(Path(file).read_text() for file in re.findall(r"^Complete log\(s\): (.+)$", output, re.MULTILINE))


def started(output: str) -> dict[str, int]:
    """Jobs by rule that `dvc repro` started; phases are targets, not jobs."""
    rules = Counter(re.findall(r"^(?:local)?rule (\w+):", logged(output), re.MULTILINE))
    return {rule: count for rule, count in rules.items() if rule not in PHASES}


# Recording


def test_repro_of_a_fresh_clone_makes_everything(reproduced, tmp_path):
    project = Path(shutil.copytree(reproduced, tmp_path / "project"))
    assert planned(project) == {}
    assert git(project, "status", "--porcelain") == "?? dvc.lock\n"
    assert UP_TO_DATE in ran(project, "repro")


def test_after_snakemake_repro_only_records(copy):
    lock = copy / "dvc.lock"
    before = lock.read_text()
    lock.unlink()
    shutil.rmtree(copy / ".dvc/cache")
    output = ran(copy, "repro")
    assert started(output) == {} and output.count("Nothing to be done") == 6
    assert lock.read_text() == before, "the same outputs, and the same records of Snakemake"


def test_a_row_edit_reruns_its_jobs_alone_and_an_old_commit_comes_back(copy):
    rows = copy / "params/rows.yaml"
    assert rows.read_text().count("regions: 8}") == 1
    rows.write_text(rows.read_text().replace("regions: 8}", "regions: 6}"))
    jobs = planned(copy)
    assert jobs.pop("all") == 1
    assert set(jobs.values()) == {1}
    tables = {rule for rule in jobs if rule.startswith(("render_", "summarise_"))}
    assert "render_quality_table" in tables
    made = {"train_gan", "generate_samples", "evaluate_samples", "draw_samples", "draw_scores"}
    assert jobs.keys() - tables == made
    before = pd.read_csv(copy / "reports/nano/table4.csv").set_index("row")
    assert started(ran(copy, "repro")) == jobs
    after = pd.read_csv(copy / "reports/nano/table4.csv").set_index("row")
    assert after.at["an-n8", "checkpoint_sha256"] != before.at["an-n8", "checkpoint_sha256"]
    assert after.drop("an-n8").equals(before.drop("an-n8"))

    scores = json.loads(ran(copy, "metrics", "diff", "--json"))["reports/nano/metrics.json"]
    assert {name.split(".")[0] for name in scores} == {"an-n8"} and scores["an-n8.fid"]["diff"] != 0
    edited = json.loads(ran(copy, "params", "diff", "--json"))["params/rows.yaml"]
    assert edited == {"an-n8.attention.regions": {"old": 8, "new": 6, "diff": -2}}
    drawn = json.loads(ran(copy, "plots", "diff", "--json"))["data"]["reports/nano/table4.csv"]
    assert any({"HEAD", "workspace"} == set(plot["revisions"]) and "fid" in str(plot["content"]) for plot in drawn)

    git(copy, "commit", "--quiet", "--all", "--message", "Six regions")
    git(copy, "checkout", "--quiet", "HEAD~1")
    ran(copy, "checkout")
    assert planned(copy) == {} and status(copy) == {}


def test_a_profile_reaches_snakemake(copy):
    (copy / "cluster").mkdir()
    (copy / "cluster/config.yaml").write_text("cores: 3\n")
    (copy / "data/digits-32/manifest.json").unlink()
    output = ran(copy, "repro", "prepare", SNAKEMAKE_PROFILE="cluster")
    assert started(output) == {"prepare_dataset": 1} and "Provided cores: 3" in logged(output)
    assert "prepare" not in status(copy), "made anew as it was, and recorded with the same command"


# Remotes


@pytest.fixture(scope="module")
def s3_server():
    """The address of a server that speaks S3."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert server.poll() is None, "the S3 server does not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module", params=["folder", "s3"])
def remote(request, recorded, tmp_path_factory):
    """A project that pushed to its remote; the remote's files as fsspec sees them; the remote's root."""
    project = Path(shutil.copytree(recorded, tmp_path_factory.mktemp("pushing") / "project"))
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "folder":
            files, root = fsspec.filesystem("file"), str(tmp_path_factory.mktemp("remote"))
            ran(project, "remote", "add", "--default", "lab", root)
        else:
            server = request.getfixturevalue("s3_server")
            patch.setenv("AWS_ACCESS_KEY_ID", "tests")
            patch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
            files, root = fsspec.filesystem("s3", endpoint_url=server), "lab/an"
            files.mkdir("lab")
            ran(project, "remote", "add", "--default", "lab", f"s3://{root}")
            ran(project, "remote", "modify", "lab", "endpointurl", server)
        ran(project, "remote", "modify", "lab", "verify", "true")
        git(project, "commit", "--quiet", "--all", "--message", "A remote")
        assert "pushed" in ran(project, "push")
        yield project, files, root


def clone(project, folder):
    git(folder, "clone", "--quiet", str(project), "clone")
    return folder / "clone"


def damaged(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def stored(root, file) -> str:
    """Where a cache or remote keeps the content of a file."""
    digest = hashlib.md5(file.read_bytes()).hexdigest()
    return f"{root}/files/md5/{digest[:2]}/{digest[2:]}"


def test_a_fresh_clone_pulls_and_has_nothing_to_do(remote, tmp_path):
    project, _, _ = remote
    there = clone(project, tmp_path)
    ran(there, "pull")
    assert planned(there) == {} and status(there) == {}
    assert git(there, "status", "--porcelain") == ""
    table = "reports/nano/table1.csv"
    assert (there / table).read_bytes() == (project / table).read_bytes()
    explained = an(there, "explain", "table4", "an-n8", "fid", "--scale", "nano").stdout
    assert "python -m an train --row an-n8 --scale nano --seed 0 " in explained


def test_a_damaged_object_of_a_remote_is_refused(remote, tmp_path):
    project, files, root = remote
    path = stored(root, project / "reports/nano/table1.csv")
    good = files.cat_file(path)
    files.rm_file(path)
    files.pipe_file(path, damaged(good))
    there = clone(project, tmp_path)
    try:
        done = dvc(there, "pull", "report")
        assert done.returncode != 0 and "reports/nano" in done.stderr
        assert not (there / "reports/nano/table1.csv").exists()
    finally:
        files.rm_file(path)
        files.pipe_file(path, good)
    ran(there, "pull", "report")
    assert (there / "reports/nano/table1.csv").read_bytes() == good


def test_a_damaged_object_of_the_cache_is_noticed_and_mended(recorded, tmp_path):
    project = Path(shutil.copytree(recorded, tmp_path / "copy"))
    ran(project, "remote", "add", "--default", "lab", str(tmp_path / "remote"))
    ran(project, "push")
    checkpoint = project / "checkpoints/nano/an/seed-0/generator-002.pt"
    good, cached = checkpoint.read_bytes(), Path(stored(project / ".dvc/cache", checkpoint))
    times = cached.stat()
    cached.chmod(0o644)
    cached.write_bytes(damaged(good))
    os.utime(cached, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a failing disk leaves them
    cached.chmod(0o444)
    checkpoint.unlink()
    ran(project, "checkout")
    assert checkpoint.read_bytes() != good, "DVC trusts its cache, so docs/dvc.md has a full check"
    assert planned(project)["generate_samples"] == 1, "Snakemake knows the checksum of what it gave to the job"

    for path in (project / ".dvc/cache").rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    forgetful = {"DVC_SITE_CACHE_DIR": str(tmp_path / "site")}
    assert "checkpoints/nano" in str(status(project, **forgetful)["train"])
    ran(project, "pull", "--force", **forgetful)
    assert checkpoint.read_bytes() == good and status(project) == {}


def test_without_data_the_pipeline_is_checked(recorded, tmp_path):
    there = clone(recorded, tmp_path)
    assert UP_TO_DATE in ran(there, "repro", "--dry", "--allow-missing")
    assert not (there / "data").exists()


# One DAG, two front ends


def plan_of_the_workflow(project, scale) -> tuple[dict[str, set[str]], set[str]]:
    """Every file that a job makes, with the files it is made from; and the files of git that are opened to plan it."""
    program = (
        "import sys; sys.addaudithook(lambda event, args: event == 'open' and print(args[0], file=sys.stderr));"
        f"from snakemake.cli import main; main(['--dry-run', '--cores', '1', '--config', 'scale={scale}'])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=installed())
    assert done.returncode == 0, done.stderr[-3000:]
    made = {}
    for inputs, outputs in re.findall(
        r"^(?:local)?rule \w+:\n(?: {4}input: (.*)\n)?(?: {4}output: (.*)\n)?", done.stdout, re.MULTILINE
    ):
        made |= {file: set(filter(None, inputs.split(", "))) for file in filter(None, outputs.split(", "))}
    opened = {Path(project, line) for line in done.stderr.splitlines()}
    names = {str(path.relative_to(project)) for path in opened if path.is_relative_to(project)}
    return made, names & set(git(project, "ls-files").splitlines())


def within(file, folders) -> list[str]:
    return [folder for folder in folders if Path(file).is_relative_to(folder)]


def strangers(project, scale) -> set[str]:
    """What Snakemake reads or writes and DVC does not know, and what DVC versions and no job makes."""
    with Repo(str(project)) as repo:
        stages = list(repo.index.stages)
        deps = {stage.name: {dep.def_path for dep in stage.deps} for stage in stages}
        outs = {out.def_path: stage.name for stage in stages for out in stage.outs}
    made, sources = plan_of_the_workflow(project, scale)
    assert made and sources
    found = {out for out in outs if out != METADATA and not any(within(file, [out]) for file in made)}
    for file, inputs in made.items():
        owners = within(file, outs)
        if len(owners) != 1:
            found.add(file)
            continue
        stage = outs[owners[0]]
        own = {out for out in outs if outs[out] == stage}
        found |= {source for source in inputs if not within(source, deps[stage] | own)}
    for stage in deps.keys() - {"provenance"}:
        known = deps[stage] if stage == "report" else deps[stage] | {"params/published.yaml", "docs/results"}
        found |= {file for file in sources - SETTINGS if not within(file, known)}
    return found


@pytest.fixture
def unmade(project):
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    return project


def test_dvc_knows_the_files_of_the_workflow_at_the_recorded_scale(unmade):
    assert strangers(unmade, "smoke") == set()


def test_dvc_knows_the_files_of_the_workflow_at_another_scale(unmade):
    record_nano(unmade)
    assert strangers(unmade, "nano") == set()


def test_an_output_or_a_parameter_file_that_dvc_does_not_know_is_found(unmade):
    workflow = unmade / "workflow/Snakefile"
    rule = 'rule more:\n    output: "elsewhere/more.txt",\n    shell: "true"\n'
    text = workflow.read_text().replace("rule all:\n", f"open('params/more.yaml').close()\n{rule}\n\nrule all:\n")
    scores = "STUDY.summary,"
    workflow.write_text(text.replace(scores, f"{scores} rules.more.output,"))
    (unmade / "params/more.yaml").touch()
    git(unmade, "add", "--all")
    assert strangers(unmade, "smoke") == {"elsewhere/more.txt", "params/more.yaml"}
