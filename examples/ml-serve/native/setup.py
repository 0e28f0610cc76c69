# SPDX-License-Identifier: Apache-2.0
from setuptools import Extension, setup

setup(
    name="densenet",
    version="1.0",
    description="Dense layers for ml-serve",
    ext_modules=[Extension("densenet", ["densenet.c"])],
)
