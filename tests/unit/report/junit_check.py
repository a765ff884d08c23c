#!/usr/bin/env python3
"""Parses the stored JUnit files as a CI server would: XML, counts, unique names, times."""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

sys.path.append("/usr/lib/python3/dist-packages")  # of Debian's packages, whichever python3 this is
import junitparser  # noqa: E402

files = sorted(pathlib.Path(sys.argv[1]).glob("*.junit.xml"))
assert len(files) > 10, files
for path in files:
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites", path
    cases = list(root.iter("testcase"))
    assert int(root.get("tests")) == len(cases) > 0, path
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        found = list(root.iter(kind))
        assert int(root.get(attribute)) == len(found), (path, kind)
        for element in found:  # GitLab shows only the text
            assert element.text.startswith(element.get("message")[:40]), (path, element.text)
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(names) == len(set(names)), (path, names)
    for case in cases:
        float(case.get("time"))
    for suite in root:
        assert int(suite.get("tests")) == len(list(suite.iter("testcase"))), path
for path in files:
    parsed = junitparser.JUnitXml.fromfile(str(path))
    assert parsed.tests == sum(len(list(suite)) for suite in parsed), path
    results = [result for suite in parsed for case in suite for result in case.result]
    kinds = {junitparser.Failure: parsed.failures, junitparser.Error: parsed.errors,
             junitparser.Skipped: parsed.skipped}
    for kind, count in kinds.items():
        assert count == sum(isinstance(result, kind) for result in results), (path, kind)
print(f"{len(files)} files parse, with junitparser too")
