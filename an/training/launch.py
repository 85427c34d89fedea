"""One training command on several GPUs of this machine: itself once per GPU, under torchrun."""

import os
import sys

from ..devices import names
from ..errors import Stopped, UserError


def launch(gpus: list[int]) -> None:
    """Run this very command line once per GPU; return when all have finished.

    Raises:
        Stopped: when the replicas stopped as they were asked to.
        UserError: when one of them failed; torchrun has ended the others.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    seen = names(max(gpus) + 1)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(seen[number] for number in gpus)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        torchrun(["--standalone", f"--nproc-per-node={len(gpus)}", "-m", "an", *sys.argv[1:]])
    except SignalException as signal:
        raise Stopped("stopped all replicas; the same command goes on from there.", 128 + signal.sigval) from None
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 1:
            raise Stopped("all replicas stopped; the same command goes on from there.", failure.exitcode) from None
        raise UserError(
            f"replica {rank} of {len(gpus)} failed (exit status {failure.exitcode}) and the others were ended: its "
            "message stands above; the same command goes on from the last checkpoint."
        ) from None
