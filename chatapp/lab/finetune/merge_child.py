"""An adapter merged in a process of its own, behind everything else: `python -m chatapp.lab.finetune.merge_child RUN_FOLDER`."""

import sys
from pathlib import Path

from chatapp.engines.llamacpp.requantize import behind_everything
from chatapp.errors import ChatError
from chatapp.lab.child import die_with_parent, say
from chatapp.lab.finetune import asked
from chatapp.lab.finetune.merging import merged


def main(folder: Path) -> None:
    die_with_parent()
    behind_everything()
    try:
        merged(folder, asked.read(folder).settings, lambda words, share: say(words=words, share=share))
        say(done=str(folder))
    except ChatError as error:
        say(error=str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
