"""Prints the constraints under which pip installs the oldest versions that setup.cfg allows."""

import configparser
import re
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parents[1] / "setup.cfg")
lines = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]
for name, version in re.findall(r"^([\w.-]+)>=([\d.]+)", lines, re.MULTILINE):
    print(f"{name}=={version}")
