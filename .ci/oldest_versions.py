"""Prints the oldest version that setup.cfg allows of each requirement, as constraints for pip."""

import configparser
import re

config = configparser.ConfigParser()
config.read("setup.cfg")
for line in config["options"]["install_requires"].split():
    print(re.sub(r"^([\w-]+)>=([\w.]+).*", r"\1==\2", line))
