"""File formats that know no benchmark."""
