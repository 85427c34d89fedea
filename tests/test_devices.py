"""The lease of GPUs among jobs of one machine, with made-up GPUs and real processes."""

import fcntl
import os
import random
import time
from contextlib import ExitStack

import pytest
import torch
from kill_and_resume import FORK

from an.devices import flush_denormals, leased, names
from an.errors import UserError


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def hold(count, present, folder):
    """A process that takes GPUs, says which, and holds them until it is killed."""
    taken = FORK.Queue()

    def work():
        with leased(count, present, folder) as gpus:
            taken.put(gpus)
            time.sleep(600)

    process = FORK.Process(target=work, daemon=True)
    process.start()
    return process, taken


def test_jobs_take_different_gpus_and_a_killed_one_gives_its_back(tmp_path):
    first, mine = hold(2, 4, tmp_path)
    second, yours = hold(2, 4, tmp_path)
    assert sorted(mine.get() + yours.get()) == [0, 1, 2, 3]
    third, late = hold(1, 4, tmp_path)
    time.sleep(0.5)
    assert late.empty(), "nothing is free"
    first.kill()
    assert late.get()[0] in (0, 1, 2, 3)
    for process in (second, third):
        process.kill()


def test_a_job_that_waits_for_several_holds_none_meanwhile(tmp_path):
    with leased(1, 2, tmp_path) as gpus:
        waiting, taken = hold(2, 2, tmp_path)
        time.sleep(0.5)
        assert gpus == [0] and taken.empty()
        single, other = hold(1, 2, tmp_path)
        assert other.get() == [1]
        single.kill()
    assert taken.get() == [0, 1]
    waiting.kill()


def test_leases_end_with_their_block(tmp_path):
    for _ in range(2):
        with leased(2, 2, tmp_path) as gpus:
            assert gpus == [0, 1]


def test_nothing_is_taken_where_a_scheduler_has_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with leased(2, 2, tmp_path / "locks") as gpus:
        assert gpus == [0, 1] and not (tmp_path / "locks").exists()


def test_jobs_share_the_gpus_that_people_have_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with leased(1, 2, tmp_path) as first, leased(1, 2, tmp_path) as second:
        assert (first, second) == ([0], [1])
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        with leased(2, 4, tmp_path) as others:
            assert others == [0, 1], "2 and 3 are taken"
    assert names(4) == ["0", "1", "2", "3"]


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_fifty_jobs_on_four_gpus_some_of_them_killed(tmp_path, seed):
    """Each job locks files of its own for the GPUs that it was given, which fails where another has the same one."""
    chance = random.Random(seed)

    def work(number, count, seconds):
        with leased(count, 4, tmp_path / "locks") as gpus, ExitStack() as claims:
            for gpu in gpus:
                claim = claims.enter_context(open(tmp_path / f"claim-{gpu}", "w"))
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (tmp_path / f"took-{number}").touch()
            time.sleep(seconds)

    (tmp_path / "locks").mkdir()
    doomed = set(chance.sample(range(50), 15))  # would hold their GPUs for ever
    lengths = [(chance.choice([1, 1, 2]), 600 if n in doomed else chance.uniform(0, 0.3)) for n in range(50)]
    jobs = [FORK.Process(target=work, args=(number, *length)) for number, length in enumerate(lengths)]
    for job in jobs:
        job.start()
    early, waiting = set(chance.sample(sorted(doomed), 3)), set(doomed)  # those are killed wherever they are
    while waiting:
        for number in [number for number in waiting if number in early or (tmp_path / f"took-{number}").exists()]:
            time.sleep(chance.uniform(0, 0.2))
            jobs[number].kill()
            waiting.remove(number)
        time.sleep(0.01)
    for job in jobs:
        job.join()
    assert [number for number, job in enumerate(jobs) if job.exitcode != 0] == sorted(doomed)
    with leased(4, 4, tmp_path / "locks") as gpus:
        assert gpus == [0, 1, 2, 3], "none is lost"


def test_the_cpu_needs_no_lease(tmp_path):
    for count, present in ((0, 4), (None, 0)):
        with leased(count, present, tmp_path / "locks") as gpus:
            assert gpus == []
    with leased(None, 4, tmp_path) as gpus:
        assert gpus == [0], "one by default"


def test_more_than_the_machine_has_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"needs 2 GPU.s. and sees 1: set gpus"), leased(2, 1, tmp_path):
        pass


def test_the_lock_files_are_this_users_own():
    from an.devices import LOCKS

    assert str(os.getuid()) in LOCKS.name


def test_denormal_numbers_are_flushed():
    assert (torch.full((8,), 1e-40) * 0.5).all()
    flush_denormals()
    assert not (torch.full((8,), 1e-40) * 0.5).any()
