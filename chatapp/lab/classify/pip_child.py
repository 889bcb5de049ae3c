"""pip in a process that ends with ours: `python -m chatapp.lab.classify.pip_child ARGUMENTS`."""

import runpy

from chatapp.lab.child import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
