"""What was looked at, and what was found."""

import json
import time
import traceback
from pathlib import Path

PLACE = Path("target/trial")


class Failed(Exception):
    """Something was not as it must be."""


def wait_for(what, look, within_s=60):
    """Return the first true answer of `look`, or fail with its last one."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"not within {within_s} s: {what}")
        time.sleep(0.2)


def equal(what, found, wanted):
    """Fail where two things that must be the same are not."""
    if found != wanted:
        raise Failed(f"{what}: {found!r}, not {wanted!r}")


class Report:
    """Runs each scene, whatever became of the others, and counts."""

    def __init__(self):
        self.scenes = []
        self.figures = {}

    def scene(self, sentence, play, on_failure=None):
        started = time.monotonic()
        try:
            play()
            why = None
        except Exception as error:  # a scene may fail in any way, and the next one is played all the same
            why = f"{type(error).__name__}: {error}"
            (PLACE / "failures.log").open("a").write(f"== {sentence}\n{traceback.format_exc()}\n")
            if on_failure:
                on_failure(sentence)
        self.scenes.append({"sentence": sentence, "failed": why, "seconds": round(time.monotonic() - started, 1)})
        print(f"  {'ok    ' if why is None else 'FAILED'} {sentence}" + (f"\n         {why}" if why else ""), flush=True)

    def figure(self, name, value):
        self.figures[name] = value
        print(f"         {name}: {value}", flush=True)

    def end(self):
        """Say how it ended, and keep it for machines; return the exit code."""
        failed = [scene for scene in self.scenes if scene["failed"]]
        (PLACE / "report.json").write_text(json.dumps({"scenes": self.scenes, "figures": self.figures}, indent=1))
        print(f"trial {'failed' if failed else 'ok'}: {len(self.scenes)} scenes, {len(failed)} failed", flush=True)
        return 1 if failed else 0
