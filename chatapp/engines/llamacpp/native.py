"""Which llama.cpp is installed: the prebuilt one, or one that was compiled on this machine (`make native`), and what that would gain."""

from collections.abc import Set
from importlib import metadata

from chatapp.models.cpu import cpu_flags

COMPILED_HERE = " compiled here"
AMX_ADVICE = (
    "this CPU has matrix units (AMX) that the prebuilt llama.cpp leaves idle: `make native` compiles one that uses them, and with which "
    "the embedded model read and wrote 2.2 times as fast"
)
"""docs/numbers.md, the table of formats: the compiled one with the shipped file is 3.4, 2.0 and 2.9 times as fast (prompt, one, eight)
as the prebuilt one, which serves Q8_0 instead, at 1.5, 0.9 and 1.3: 2.2, 2.3 and 2.3 are left."""

AVX512_ADVICE = (
    "`make native` gains a little here, as this CPU has AVX-512 but no matrix units (AMX): the embedded model read new prompts 1.3 times "
    "as fast, and wrote for one person a tenth faster or no faster"
)
"""docs/numbers.md: both in turn on an EPYC (Genoa)."""


def native_version() -> dict[str, str]:
    """xllamacpp's version; one that was compiled on this machine computes with other instructions than the prebuilt one, and says so."""
    package = metadata.distribution("xllamacpp")
    local = "-linux_" in (package.read_text("WHEEL") or "")  # a prebuilt wheel is tagged manylinux
    return {"xllamacpp": package.version + (COMPILED_HERE if local else "")}


def uses_amx() -> bool:
    """Was llama.cpp compiled here for a processor with matrix units? Known before it is started; the prebuilt one never uses them."""
    return native_version()["xllamacpp"].endswith(COMPILED_HERE) and "amx_int8" in cpu_flags()


def advice(units: str, flags: Set[str]) -> str:
    """Worth saying where the processor (`flags`) has what the native code (`units`) was not compiled for."""
    if "amx_int8" in flags:
        return "" if "AMX_INT8 = 1" in units else AMX_ADVICE
    return AVX512_ADVICE if "avx512f" in flags and "AVX512 = 1" not in units else ""
