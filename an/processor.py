"""The processor's part in a result: which instructions its libraries may use, fixed so that other processors agree.

torch, oneDNN, MKL, OpenBLAS and numpy each choose their kernels by what the processor can do. Kernels of other widths
sum in another order, and torch even draws other random numbers.
"""

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
AVX2 = {  # the widest that nearly every x86 processor since 2013 has
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "AVX2,STRICT",  # its sums depend neither on the processor nor on where arrays lie in memory
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}


def fix_instruction_set() -> None:
    """Have the libraries compute with AVX2 where the processor has it; before they load.

    What people have set stays. Other processors are left as they are.
    """
    if {"avx2", "fma"} <= set(_described("flags").split()):
        for name, value in AVX2.items():
            os.environ.setdefault(name, value)


def fix_threads() -> None:
    """One thread, unless OMP_NUM_THREADS says otherwise: sums over several depend on how many there are."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def processor() -> str:
    """The processor's model, for result files."""
    return _described("model name") or platform.machine()


def _described(key: str) -> str:
    """What Linux says of the first processor; an empty string elsewhere."""
    for line in CPUINFO.read_text().splitlines() if CPUINFO.exists() else []:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
