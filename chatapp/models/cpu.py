"""What this machine's processor can compute, as Linux names it."""

from pathlib import Path

INFO = Path("/proc/cpuinfo")


def cpu_flags() -> set[str]:
    """Flags of the first core, such as 'avx2' or 'amx_int8'; empty where there is no /proc/cpuinfo."""
    try:
        lines = INFO.read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
