"""All defects, in the order of the documentation."""

from __future__ import annotations

import defects_forms
import defects_keys
import defects_nats
import defects_nb101
import defects_nds
import defects_raw
from tampering import DEFECTS

__all__ = ["DEFECTS", "MODULES"]

MODULES = (defects_nb101, defects_nats, defects_nds, defects_keys, defects_forms, defects_raw)
