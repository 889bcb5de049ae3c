"""python -m chatapp.deploy prints the requirements.txt of a ZeroGPU Space, which is that of every Space but for PyTorch."""

import sys

from chatapp.deploy.requirements import requirements

if __name__ == "__main__":
    sys.stdout.write(requirements())
