"""`python -m nasbase.cli`."""

import sys

from nasbase.cli import main

sys.exit(main())
