#!/usr/bin/env python3
"""Counts production files that ordeal-sim does not contain: there may be none but those left out.

Reads the list of object files that ordeal-sim is linked from, out of its libraries' archives, so
that a file that is compiled but not linked does not count.
"""
import pathlib
import subprocess
import sys

FOLDERS = ["base", "model", "wire", "os", "journal", "undo", "fault", "executor", "fleet", "run",
           "probe", "spec"]
# What only a real kernel can judge, and what touches no host (docs/internals/simulator.md).
FOLDERS_LEFT_OUT = {"os/linux", "os/linux/client", "executor/helper",
                    "cli", "report", "store", "serve", "schedule", "gameday"}
# main wires real processes; pch and asio hold no code of ours.
LEFT_OUT = {"engine/executor/main.cpp", "engine/base/pch.cpp", "engine/base/asio.cpp",
            "engine/base/empty.cpp"}


def links_of(build: pathlib.Path) -> set:
    """Names of libraries on ordeal-sim's link line."""
    ninja = build / "build.ninja"
    for line in ninja.read_text().splitlines():
        if line.startswith("build tests/ordeal-sim:"):
            return {word for word in line.split() if word.endswith(".a") and "/usr" not in word}
    sys.exit("ordeal-sim is not in build.ninja")


def main() -> None:
    source, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    linked = set()
    for library in links_of(build):
        name = pathlib.Path(library).stem.removeprefix("lib")
        members = subprocess.run(["ar", "t", str(build / library)], check=True,
                                 capture_output=True, text=True).stdout.split()
        linked |= {(name, member.removesuffix(".o")) for member in members}
    missing = []
    count = 0
    for folder in FOLDERS:
        for path in sorted((source / "engine" / folder).glob("*.cpp")):
            relative = str(path.relative_to(source))
            if relative in LEFT_OUT:
                continue
            count += 1
            if (folder, path.name) not in linked:
                missing.append(relative)
    with_sources = {path.parent.relative_to(source / "engine").as_posix()
                    for path in (source / "engine").rglob("*.cpp")}
    missing += [f"engine/{folder}, which no list here names"
                for folder in sorted(with_sources - set(FOLDERS) - FOLDERS_LEFT_OUT)]
    for path in missing:
        print(f"not in the simulator: {path}")
    print(f"{count - len(missing)} of {count} production files run in the simulator")
    sys.exit(1 if missing or count < 20 else 0)


main()
