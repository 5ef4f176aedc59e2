"""Hatchling's build hook: a wheel holds the built console, and a wheel without it is an error."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleBuildHook(BuildHookInterface):  # type: ignore[misc, type-arg, unused-ignore]
    """Builds ``dist`` and adds it to the wheel (it is ignored by git, so nothing else would)."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is "standard" or "editable". Raises BuildFailed, which ends the build of the wheel."""
        if self.target_name != "wheel":
            return
        web = Path(self.root) / "gateway" / "console" / "web"
        dist = _builder(web).build(web)
        if version != "editable":  # an editable install serves dist from the checkout
            build_data["force_include"][str(dist)] = "gateway/console/web/dist"


def _builder(web: Path) -> ModuleType:
    """build.py by its path: the gateway is not importable while its own wheel is being built."""
    spec = importlib.util.spec_from_file_location("console_build", web / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
