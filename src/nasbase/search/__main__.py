"""``python -m nasbase.search``."""

import sys

from nasbase.search.command import main

sys.exit(main())
