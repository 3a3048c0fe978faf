"""Google's ``nasbench`` on the artifacts of nasbase: ``from nasbase.compat.nasbench import api``.

Same names, arguments, answers and errors as google-research/nasbench, without TensorFlow: a build
of NAS-Bench-101 opens in milliseconds and is read as it is asked, where upstream reads the whole
release into memory first. Training (`api.NASBench.evaluate`) is out of scope.
"""
