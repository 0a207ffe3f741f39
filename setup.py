"""Compiles the labeler's inner modules to C where KERLEY_COMPILE=1 asks for it (`make wheel`).

The modules are the same; compiled, they label about 1.6 times as many reports. An editable install
stays plain Python, so that an edit always counts.
"""

import os

from setuptools import setup

COMPILED = [
    f"text_labeler/{name}.py"
    for name in (
        "aggregation", "assertion", "attributes", "grade_words", "labeler", "mentions", "phrases",
        "reading", "sections", "sentences", "severity",
    )
]  # fmt: skip

if os.environ.get("KERLEY_COMPILE") == "1":
    from mypyc.build import mypycify

    setup(ext_modules=mypycify(COMPILED))
else:
    setup()
