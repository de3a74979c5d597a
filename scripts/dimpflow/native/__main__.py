"""Compile all functions of this folder now: `python -m dimpflow.native`, from `scripts`; otherwise each is when it is first needed."""

import importlib
import pkgutil

import dimpflow.native

for module in pkgutil.iter_modules(dimpflow.native.__path__):
    if not module.name.startswith("_"):
        importlib.import_module(f"dimpflow.native.{module.name}")
