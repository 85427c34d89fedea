"""What a cluster lacks for a study, by what Slurm's programs print; tests/test_slurm.py asks a real Slurm."""

import shutil

import pytest

from an import doctor
from an.errors import UserError
from an.needs import Needs

LISTED = """short*|30:00|(null)|64000
gpu|1-12:00:00|gpu:a100:4(S:0-1)|512000+
gpu|1-12:00:00|gpu:v100:1,gpu:v100:1,shard:8|128000
old|infinite|gpu:2|32000
"""


def test_nodes_are_read_as_slurm_lists_them():
    short, large, small, old = doctor.read_nodes(LISTED)
    assert short == doctor.Nodes("short", True, 30, {}, 64000)
    assert large == doctor.Nodes("gpu", False, 36 * 60, {"a100": 4}, 512000)
    assert small.gpus == {"v100": 2} and old.gpus == {"": 2} and old.minutes == float("inf")
    assert str(large) == "partition gpu: jobs of 2160 minutes, nodes of 512000 MB with 4 GPUs a100"


@pytest.mark.parametrize(
    "need, said",
    [
        (Needs(30, 64000, 0), None),
        (Needs(31, 64000, 0), "asks for 31 minutes; partition short ends jobs after 30"),
        (Needs(30, 64001, 0), "asks for 64001 MB; nodes of partition short have 64000"),
        (Needs(30, 64000, 0, 1), "needs 1 GPU(s) of one type; nodes of partition short have none"),
    ],
)
def test_a_job_that_asks_for_more_is_named_with_what_it_lacks(need, said):
    found = doctor.lacks(need, doctor.read_nodes(LISTED)[:1])
    assert found is None if said is None else found.startswith(said)


def test_one_kind_of_node_that_has_all_is_enough():
    kinds = [kind for kind in doctor.read_nodes(LISTED) if kind.partition == "gpu"]
    assert doctor.lacks(Needs(60, 500_000, 0, 4), kinds) is None
    assert doctor.lacks(Needs(60, 500_000, 0, 5), kinds) is not None


def test_account_and_partition_are_read_from_the_profile(tmp_path):
    for text in ("default-resources:\n  - slurm_account=lab\n  - mem_mb=10", "default-resources: {slurm_account: lab}"):
        (tmp_path / "config.yaml").write_text(text)
        assert doctor.profile_settings(tmp_path)["slurm_account"] == "lab"
    with pytest.raises(UserError, match="is missing: SNAKEMAKE_PROFILE"):
        doctor.profile_settings(tmp_path / "none")
    assert "slurm_account" not in doctor.profile_settings(doctor.SHIPPED)


def test_without_slurm_it_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="login node"):
        doctor.examine("smoke")


@pytest.mark.skipif(not shutil.which("sinfo"), reason="needs slurm-wlm")
def test_where_slurm_does_not_answer_it_says_so_in_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "slurm.conf").touch()
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(UserError, match=r"sinfo fails \(sinfo: [^\n]+\): run this where Slurm's programs answer\.$"):
        doctor.examine("smoke")


def test_the_profile_of_one_s_own_is_the_one_that_is_read_and_named(monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    assert doctor.profile_folder() == doctor.SHIPPED
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "mine/slurm")
    assert str(doctor.profile_folder()) == "mine/slurm"
