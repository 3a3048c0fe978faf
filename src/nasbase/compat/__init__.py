"""Drop-ins: the interfaces of other packages, answered from the artifacts of nasbase."""
