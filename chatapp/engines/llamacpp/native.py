"""Which llama.cpp is installed: the prebuilt one, or one that was compiled on this machine (`make native`), and what that would gain."""

from collections.abc import Set
from importlib import metadata

from chatapp.models.cpu import cpu_flags

COMPILED_HERE = " compiled here"
AMX_ADVICE = "this CPU has matrix units (AMX) that the prebuilt llama.cpp leaves idle: `make native` compiles one that uses them"


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
    return AMX_ADVICE if "amx_int8" in flags and "AMX_INT8 = 1" not in units else ""
