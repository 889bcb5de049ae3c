"""What this machine's processor can compute, as Linux names it."""

from pathlib import Path

INFO = Path("/proc/cpuinfo")


def cpu_flags() -> set[str]:
    """Flags of the first core, such as 'avx2' or 'amx_int8'; empty where there is no /proc/cpuinfo."""
    return set(_of_first_core("flags").split())


def cpu_name() -> str:
    """What the first core calls itself; empty where there is no /proc/cpuinfo."""
    return _of_first_core("model name")


def _of_first_core(key: str) -> str:
    try:
        lines = INFO.read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), "")
