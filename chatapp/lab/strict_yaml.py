"""YAML that a person wrote, read strictly: a name that stands twice, an alias, a tag, an endless number each get a sentence."""

from typing import Any, ClassVar

import yaml

from chatapp import strict_json
from chatapp.errors import ChatError, closest
from chatapp.lab.lists import MOST_BYTES
from chatapp.sampling import shortened

LONGEST_NUMBER = 30


class _Strict(yaml.SafeLoader):
    """Refuses a name that stands twice in one mapping, for the first one would be lost without a word; what a few bytes of could
    fill the memory: aliases, which may hold one another, and endless numbers; and tags, for nobody needs one and `!!bool x` raises
    KeyError."""

    what: ClassVar[str]

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """See yaml.composer.Composer."""
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise ChatError(f"Line {line} of {self.what} has an alias (*). Write out what it stands for, or put it in quotes.", status=422)
        if (tag := self.peek_event().tag) is not None:
            line, typed = self.peek_event().start_mark.line + 1, shortened(tag.replace("tag:yaml.org,2002:", "!!"))
            raise ChatError(f"Line {line} of {self.what} has a tag ({typed}). Leave it out, or put the text in quotes.", status=422)
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """See yaml.SafeLoader."""
        self._refuse_endless(node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """See yaml.SafeLoader. 1:1:…:1.5 is a number to base 60."""
        self._refuse_endless(node)
        return super().construct_yaml_float(node)

    def _refuse_endless(self, node: yaml.ScalarNode) -> None:
        if len(node.value) > LONGEST_NUMBER:
            raise ChatError(f"Line {node.start_mark.line + 1} of {self.what} has a number of {len(node.value)} digits.", status=422)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See yaml.SafeLoader."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ChatError(f"Line {node.start_mark.line + 1} of {self.what}: {twice!r} stands twice in one mapping.", status=422)
        return super().construct_mapping(node, deep)


_Strict.add_constructor("tag:yaml.org,2002:int", _Strict.construct_yaml_int)
_Strict.add_constructor("tag:yaml.org,2002:float", _Strict.construct_yaml_float)


def load(data: bytes | str, what: str, shorter: str = "") -> Any:
    """The values of a YAML document. `what` ('The grid') begins a refusal, `shorter` says how one that is too large gets smaller.

    Raises ChatError 422.
    """
    if len(data) > MOST_BYTES:
        raise ChatError(f"{what} is larger than {MOST_BYTES >> 20} MiB. {shorter}".rstrip(), status=422)
    loader = type("Strict", (_Strict,), {"what": what[0].lower() + what[1:]})
    try:
        return yaml.load(data, loader)
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ChatError(f"{what} is no YAML{place}: {error.problem}. Put texts with : ? # , in them into quotes.", status=422) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ChatError(f"{what} is no YAML: {str(error).splitlines()[0]}.", status=422) from error


def known(value: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    """A mapping that has these names only. Raises ChatError 422 with the nearest one."""
    if not isinstance(value, dict):
        raise ChatError(f"{where} must be a mapping with {', '.join(names)}.", status=422)
    for name in value:
        if name not in names:
            raise ChatError(f"{where} has {shortened(name)}, which means nothing there.{closest(str(name), names)}", status=422)
    return value


def text(value: Any, what: str) -> str:
    """A text without what no record can hold. Raises ChatError 422."""
    if not isinstance(value, str):
        raise ChatError(f"{what} is {shortened(value)}; it must be a text: put it in quotes.", status=422)
    return strict_json.text(value)
