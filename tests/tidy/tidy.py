#!/usr/bin/env python3
"""Rules about the tree itself: layers, sizes, banned calls. Prints every breach; exit 1 if any.

Why each rule stands is in docs/internals/map.md and docs/internals/style.md.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()

MAP = ROOT / "docs/internals/map.md"
# The worker's main wires the executor, as cli wires the front.
WIRING = {"engine/executor/main.cpp"}

BANNED = [
    (r"(?<!Error::)(?<!Error )\bsystem\s*\(", "a shell"),
    (r"\bpopen\s*\(", "a shell"),
    (r'"/bin/(ba)?sh"|"-c"', "a shell"),
    (r"\bsteady_timer\b|\bbasic_waitable_timer\b", "time comes from os::Clock"),
    (r"\bsystem_clock::now\b|\bsteady_clock::now\b", "time comes from os::Clock"),
    (r"\bthis_thread::sleep", "time comes from os::Clock"),
    (r"\brandom_device\b|\bstd::rand\b|[^_a-z]rand\(\)", "randomness comes from os::Random"),
    (r"\bauto\s*\[[^\]]*\]\s*=\s*co_await", "GCC miscompiles a structured binding of co_await"),
]
# Where the rule's own subject lives.
OS_FOLDERS = ("engine/os/linux", "engine/executor/helper")
FUNCTION_LINES = 70
LINE_COLUMNS = 100

breaches = []


def breach(path, line, text):
    breaches.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def read_map():
    """The edges of the table: folder -> folders; None: everything."""
    edges = {}
    for line in MAP.read_text().splitlines():
        row = re.match(r"\| ((?:engine|faults)/\S*) \|.*\| ([^|]+) \|$", line)
        if not row:
            continue
        folder = row.group(1).removesuffix("/*")
        words = row.group(2)
        edges[folder] = None if words == "everything" else set() if words == "nothing of ours" \
            else {f"engine/{word}" for word in words.split(", ")}
    return edges


def closure(direct, edges):
    found, queue = set(), list(direct)
    while queue:
        folder = queue.pop()
        if folder not in found:
            found.add(folder)
            queue += edges.get(folder) or []
    return found


def check_cmake():
    """The libraries are linked along the edges of the map, and along no others."""
    path = ROOT / "CMakeLists.txt"
    calls = re.findall(r"^ordeal_library\((\w+) ([^\s)]+)([^)]*)\)", path.read_text(), re.MULTILINE)
    folders = {name: folder for name, folder, _ in calls if name != "name"}
    edges = {folders[name]: {folders[word] for word in words.split() if word in folders}
             for name, _, words in calls if name in folders}
    for folder, direct in edges.items():
        top = "faults" if folder.startswith("faults") else folder
        if top not in ALLOWED:
            breach(MAP, 1, f"{folder} is a library but has no row in the map")
        elif ALLOWED[top] is not None:
            direct = {one for one in direct if not one.startswith("faults")}
            for more in sorted(direct - ALLOWED[top]):
                breach(path, 1, f"{folder} is linked with {more}, which the map does not allow")
            for less in sorted(EDGES[top] - closure(edges[folder], edges)):
                breach(path, 1, f"{folder} is not linked with {less}, which the map names")
    for folder in sorted(set(ALLOWED) - set(edges)):
        breach(MAP, 1, f"{folder} is in the map but is no library")


def folder_of(path):
    """The most specific folder with a rule."""
    relative = path.relative_to(ROOT).parent.as_posix()
    while relative and relative not in ALLOWED:
        relative = relative.rpartition("/")[0]
    return relative


def owner_of(include):
    relative = include.rpartition("/")[0]
    while relative and relative not in ALLOWED:
        relative = relative.rpartition("/")[0]
    return relative


def check_includes(path, lines):
    folder = folder_of(path)
    allowed = ALLOWED[folder]
    wiring = path.relative_to(ROOT).as_posix() in WIRING
    for number, line in enumerate(lines, 1):
        own = re.match(r'\s*#include "((?:engine|faults)/[^"]+)"', line)
        if own and allowed is not None and not wiring:
            other = owner_of(own.group(1))
            if other != folder and other not in allowed:
                breach(path, number, f"{folder} may not include {other}")
        system = re.match(r"\s*#include <(sys/|netlink/|linux/|yaml-cpp/|sqlite3|openssl/)", line)
        if not system:
            continue
        what = system.group(1)
        home = {"yaml-cpp/": ("engine/spec",), "sqlite3": ("engine/store",),
                "openssl/": ("engine/os/linux/client",)}.get(
                    what, OS_FOLDERS + ("engine/cli", "engine/executor/main.cpp"))
        if not path.relative_to(ROOT).as_posix().startswith(home):
            breach(path, number, f"<{what}...> belongs to {' or '.join(home)}")


def strip_comment(line):
    return re.sub(r"//.*", "", line)


def check_banned(path, lines):
    name = path.relative_to(ROOT).as_posix()
    for number, line in enumerate(lines, 1):
        code = strip_comment(line)
        for pattern, why in BANNED:
            own_home = "os::" in why and name.startswith(OS_FOLDERS)
            if not own_home and re.search(pattern, code):
                breach(path, number, f"banned here: {why}")


def check_sizes(path, lines):
    """A function begins at a line that ends in '{' at the margin (or one indent inside a class)."""
    start = None
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS:
            breach(path, number, f"{len(line)} columns, {LINE_COLUMNS} allowed")
        opens = re.match(r"^( {0,2})(?!namespace|class|struct|enum|union|extern|using|typedef|static "
                         r"constexpr|constexpr|const |#|//|\}).*[)a-z]( const)?( noexcept)?"
                         r"( override)? \{$", line)
        if opens and start is None:
            first = number  # of a signature of several lines
            while lines[first - 1].startswith("   ") and first > 1:
                first -= 1
            head = lines[first - 1]
            start = (first, head[:len(head) - len(head.lstrip())])
        elif start is not None and line == start[1] + "}":
            length = number - start[0] - 1
            if length > FUNCTION_LINES:
                breach(path, start[0], f"function of {length} lines, {FUNCTION_LINES} allowed")
            start = None


def check_rollback():
    """A rollback that can be cancelled loses undos: its first statement switches that off."""
    path = ROOT / "engine/undo/rollback.cpp"
    if path.exists() and "disable_cancellation" not in path.read_text():
        breach(path, 1, "rollback does not switch cancellation off")


def check_catalogue_is_not_named():
    """engine/ never names a concrete fault."""
    names = [f"{p.parent.name}.{p.stem}" for p in (ROOT / "faults").glob("*/*.cpp")
             if p.stem not in ("carrier",)]
    for path in (ROOT / "engine").rglob("*.cpp"):
        folder = path.relative_to(ROOT).as_posix()
        if folder.startswith(("engine/cli", "engine/spec")):
            continue  # help texts and hints speak to people
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for name in names:
                if f'"{name}"' in strip_comment(line):
                    breach(path, number, f"engine names the fault {name}")


def check_tests_are_run():
    """A test that CI does not build passes for ever: scripts/test lists each, cmake each folder."""
    path, script = ROOT / "tests/CMakeLists.txt", ROOT / "scripts/test"
    calls = r"^ *ordeal_test\((\w+) ([^\s)]+)"
    registered = dict(re.findall(calls, path.read_text(), re.MULTILINE))
    listed = re.search(r"^units=\(([^)]*)\)", script.read_text(), re.MULTILINE)
    listed = set(listed.group(1).split()) if listed else set()
    for name in sorted(set(registered) - listed):
        breach(script, 1, f"{name} is not in its list of units: nobody builds and runs it")
    for name in sorted(listed - set(registered)):
        breach(script, 1, f"{name} is in its list of units but no ordeal_test")
    for folder in sorted((ROOT / "tests/unit").glob("*/")):
        name = folder.relative_to(ROOT / "tests").as_posix()
        if folder.is_dir() and name not in registered.values():
            breach(path, 1, f"{name} is no ordeal_test")


EDGES = read_map()
ALLOWED = {folder: direct if direct is None else closure(direct, EDGES)
           for folder, direct in EDGES.items()}
check_cmake()
for base in ("engine", "faults"):
    for source in sorted((ROOT / base).rglob("*.[ch]pp")):
        text_lines = source.read_text().splitlines()
        check_includes(source, text_lines)
        check_banned(source, text_lines)
        check_sizes(source, text_lines)
check_rollback()
check_catalogue_is_not_named()
check_tests_are_run()

for text in breaches:
    print(text)
print(f"tidy: {len(breaches)} breach(es)")
sys.exit(1 if breaches else 0)
